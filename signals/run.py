"""The path of a signal as real processes: Envoys, the sample, the collector, Loki and Prometheus, wired as the program wires a stack."""

from __future__ import annotations

import contextlib
import copy
import http.client
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from components import istio, opentelemetry, otlp_tls, sample_app, tail_sampling
from components.charts import ROOT
from components.topology import Service
from rehearsal import console, processes, tools
from rehearsal.azurite import KEY, Azurite
from rehearsal.errors import RehearsalError
from rehearsal.processes import Process
from signals import api_server, application, blobs, certificates, envoy, loki, machine, pods, prometheus, sink, tempo
from signals.api_server import ApiServer
from signals.pods import Pod
from signals.rendering import Rendered, Stack

HEALTH = 13133
OWN_METRICS = 8888
"""Port of the collector's own metrics, which the operator adds to its configuration."""
NO_MESH_METRICS = "an Envoy as published lacks the filter of Istio's that makes them"
NO_ZTUNNEL = "ztunnel: it takes connections by the node's own network; requests go to the waypoint and the sample without it"
PAST_THE_WAYPOINT = "the waypoint between gateway and sample: as in a cluster, the gateway goes past it"
QUICK_DECISION = "1s"
"""After how long a trace is decided on where signals are not held back either."""
FLUSHES = ("OTEL_METRIC_EXPORT_INTERVAL", "OTEL_BSP_SCHEDULE_DELAY", "OTEL_BLRP_SCHEDULE_DELAY")
"""How long an SDK holds metrics, spans and log records back, in milliseconds."""
STOPPING = ("gateway", "application", "sidecar", "waypoint", "collector", "tail", "prometheus")
"""What sends before what receives, so that nobody's last words wait for an answer."""
Change = Callable[[dict[str, Any]], dict[str, Any]]


class Signals:
    """Everything that runs; `collector` and `prometheus` can be started anew with another configuration."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack, self.folder = stack, folder
        self.ports = machine.Ports()
        self.inner = pods.inner(stack)
        """The pod whose proxy stands before the sample."""
        self.table = machine.Table.plan(stack.topology, self.ports, self.inner.kind)
        self.notes: list[str] = [] if self.inner.kind == "sidecar" else [NO_ZTUNNEL, PAST_THE_WAYPOINT]
        self.sink: sink.Sink | None = None
        self.api_server: ApiServer | None = None
        self._rendered = Rendered(stack, folder / "mirror")
        self.authority = folder / "certificates"
        """Folder with the certificate of the authority that proxies and the application trust."""
        self._flush_every_ms: int | None = None
        self._ports: dict[str, dict[int, int]] = {}
        """Collector to its ports in the cluster, and here."""
        self._application_port, self._outbound_port = self.ports.take(2)
        self._admin = dict[str, int](zip(("gateway", self.inner.kind), self.ports.take(2), strict=True))
        self._running: dict[str, tuple[Process, list[int]]] = {}

    # starting

    def start(self, *, flush_every_ms: int | None = None) -> None:
        """Starts all but what `stores` started; returns when each answers. Raises RehearsalError."""
        self._flush_every_ms = flush_every_ms
        if self.api_server is not None:
            self.api_server.fill(pods.every(self.stack, self._rendered))
        self.start_prometheus()
        if self.stack.topology.tail_otlp is not None:
            self.start_tail(quickly if flush_every_ms is not None else lambda config: config)
        self.start_collector()
        self.start_senders()

    def start_senders(self) -> None:
        """The application and both proxies; those that run are stopped."""
        mesh = istio.mesh_config(self.stack.settings, self.stack.topology)
        for pod in (pods.gateway(self.stack, self._rendered), self.inner):
            self._start_envoy(mesh, pod, self._flush_every_ms)
        self.start_application()

    def start_prometheus(self, change: Change = lambda spec: spec) -> None:
        """Prometheus, with the custom resource changed first; one that runs is stopped, its data stays."""
        spec, port, folder = (
            change(self._rendered.prometheus()),
            self.table.port(self.stack.topology.prometheus),
            self.folder / "prometheus",
        )
        folder.mkdir(exist_ok=True)
        file = folder / "prometheus.yaml"
        file.write_text(yaml.safe_dump(prometheus.configuration(spec)))
        command = [tools.ensure("prometheus")["prometheus"], *prometheus.flags(spec, file, folder / "data", port)]
        self._replace("prometheus", command, [port], lambda: _status(port, "/-/ready") == 200)

    def start_collector(self, change: Change = lambda config: config) -> None:
        """The collector, with its configuration changed first (addresses are those of the cluster); one that runs is stopped."""
        topology = self.stack.topology
        spec = opentelemetry.collector_spec(self.stack.settings, topology)
        self._start_tier("collector", change(spec["config"]), topology.otlp_grpc, topology.otlp_http)

    def start_tail(self, change: Change = lambda config: config) -> None:
        """The collector of tail sampling, likewise."""
        topology = self.stack.topology
        spec = opentelemetry.tail_spec(self.stack.settings, topology)
        assert spec is not None and topology.tail_otlp is not None
        self._start_tier("tail", change(spec["config"]), topology.tail_otlp)

    def start_second_tail(self, config: dict[str, Any]) -> None:
        """Another one, that only a collector told of it sends to."""
        self._start_tier("tail-2", config)

    def _start_tier(self, name: str, config: dict[str, Any], *doors: Service) -> None:
        config, said = machine.without_what_cannot_run(config) if self.api_server is None else api_server.by_kubeconfig(config)
        self.notes += [line for line in said if line not in self.notes]
        config = {**config, "service": {"telemetry": _own_metrics(), **config["service"]}}
        ports = self._ports.setdefault(name, {door.port: self.table.port(door) for door in doors})
        others = sorted({*machine.listeners(config), OWN_METRICS} - ports.keys())
        ports |= dict(zip(others, self.ports.take(len(others)), strict=True))
        config = self.table.here(machine.listening(config, ports))
        reader = config["service"]["telemetry"]["metrics"]["readers"][0]["pull"]["exporter"]["prometheus"]
        reader |= {"host": "127.0.0.1", "port": ports[OWN_METRICS]}
        if self.stack.settings.opentelemetry.tls:
            config = machine.mounted(config, {otlp_tls.MOUNT: self._certificates()})
        file = self.folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump(config))
        command = [tools.ensure("otelcol")["otelcol"], f"--config={file}"]
        env = {**os.environ, **({"KUBECONFIG": str(self.api_server.kubeconfig)} if self.api_server else {})}
        self._replace(name, command, [*ports.values()], lambda: _status(ports[HEALTH], "/") == 200, env=env)

    def start_application(self) -> None:
        """The sample application; one that runs is stopped."""
        tool = tools.ensure("opentelemetry-instrument")["opentelemetry-instrument"]
        (packages,) = tool.parent.parent.glob("lib/python*/site-packages")
        instrumentation = self.table.here(opentelemetry.instrumentation_spec(self.stack.settings, self.stack.topology))
        if self.inner.kind == "sidecar":
            # as in a pod, where the sidecar takes what goes out
            collector = f":{self.table.port(self.stack.topology.otlp_http)}"
            endpoint = instrumentation["exporter"]["endpoint"].replace(collector, f":{self._outbound_port}")
            instrumentation = {**instrumentation, "exporter": {**instrumentation["exporter"], "endpoint": endpoint}}
        pod = pods.sample(self.stack)
        authorities = {otlp_tls.AUTHORITY: self.authority}
        variables = application.environment(instrumentation, pod, self.stack.topology.sample.name, packages, authorities)
        if self._flush_every_ms is not None:
            variables |= dict.fromkeys(FLUSHES, str(self._flush_every_ms))
        port = self._application_port
        env = {"PATH": os.environ["PATH"], "PORT": str(port), "PYTHONDONTWRITEBYTECODE": "1", **variables}
        command = [tool.with_name("python"), "-m", "rolldice"]
        self._replace("application", command, [port], lambda: _status(port, "/healthz") == 200, env=env, cwd=ROOT / "sample")

    def _start_envoy(self, mesh: Mapping[str, Any], pod: Pod, flush_every_ms: int | None) -> None:
        topology = self.stack.topology
        inside, outside = self.table.port(topology.sample), self.table.port(topology.gateway)
        gateway = pod.kind == "gateway"
        proxy = envoy.Proxy(
            pod=pod,
            port=outside if gateway else inside,
            upstream=inside if gateway and self.inner.kind == "sidecar" else self._application_port,
            admin=self._admin[pod.kind],
            route=sample_app.PATH if gateway else "/",
            destination=topology.sample.authority,
            flush_every_ms=flush_every_ms,
            passes_on={self._outbound_port: f"127.0.0.1:{self.table.port(topology.otlp_http)}"} if pod.kind == "sidecar" else {},
        )
        encrypting = self._encrypting() if self.stack.settings.opentelemetry.tls else None
        bootstrap = envoy.bootstrap(mesh, istio.telemetry_spec(self.stack.settings), proxy, self.table.here, encrypting)
        file = self.folder / f"{pod.kind}.json"
        file.write_text(json.dumps(bootstrap))
        command = [tools.ensure("envoy")["envoy"], "-c", file, "--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warning"]
        env = {"PATH": os.environ["PATH"], **envoy.environment(mesh, pod)}
        ports = [proxy.port, proxy.admin, *proxy.passes_on]
        self._replace(pod.kind, command, ports, lambda: _status(proxy.admin, "/ready") == 200, env=env)

    def _certificates(self) -> Path:
        """What cert-manager would write into the collector's Secret; made once."""
        folder = self.folder / "certificates"
        if not folder.is_dir():
            certificates.write(otlp_tls.certificate_spec(self.stack.topology), otlp_tls.authority_spec(), folder)
        return folder

    def _encrypting(self) -> envoy.Encrypting:
        """What istiod would give every proxy: the DestinationRule, and the authority in the ConfigMap that it names."""
        name = f"configmap://{self.stack.topology.telemetry_namespace}/{otlp_tls.AUTHORITY}"
        return envoy.Encrypting(otlp_tls.destination_spec(self.stack.topology), {name: self.authority / otlp_tls.AUTHORITY_FILE})

    # asking

    def envoy_counter(self, proxy: str, name: str) -> int:
        """A counter of one proxy (`gateway`, `sidecar` or `waypoint`) from its own admin interface; 0 while it has not begun to count."""
        answer = _get(self._admin[proxy], f"/stats?filter={name}&format=json")
        stats = json.loads(answer[1])["stats"]
        return sum(entry["value"] for entry in stats if entry.get("name", "").endswith(name))

    def port(self, tier: str, number: int) -> int:
        """The port here of a collector's port there."""
        return self._ports[tier][number]

    def collector_counter(self, name: str, tier: str = "collector", **labels: str) -> float | None:
        """A counter of a collector's own, by some of its labels; None where nobody answers or nothing was counted yet."""
        _, page = _get(self.port(tier, OWN_METRICS), "/metrics")
        samples = re.findall(rf"^{name}\{{(.*)\}} (\S+)", page, re.MULTILINE)
        wanted = [float(value) for said, value in samples if all(f'{key}="{text}"' in said for key, text in labels.items())]
        return sum(wanted) if wanted else None

    def log(self, name: str) -> Path:
        """The log of a process: prometheus, collector, tail, application, gateway, sidecar, waypoint."""
        return self.folder / f"{name}.log"

    # processes

    def stop(self) -> None:
        """Stops what `start` started."""
        for name in STOPPING:
            self.stop_one(name)

    def _replace(
        self, name: str, command: list[Any], ports: list[int], ready: Callable[[], bool], env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:  # fmt: skip
        self.stop_one(name)
        log = self.log(name)
        process = processes.start(command, log, die_with_parent=True, env=env, cwd=cwd or self.folder)
        self._running[name] = (process, ports)
        if not processes.serves(name, process, ready):
            del self._running[name]
            process.stop()
            raise RehearsalError(f"{name} does not start: {processes.last_line(log)} (log: {log})")

    def stop_one(self, name: str) -> None:
        """Stops one of them, by its name; what is sent to it from now on has no receiver."""
        process, ports = self._running.pop(name, (None, []))
        if process is not None:
            process.stop(grace_seconds=10)
            processes.wait_for_free_ports(ports)


@contextlib.contextmanager
def running(stack: Stack, folder: Path, *, flush_every_ms: int | None = None, tempo_binary: Path | None = None) -> Iterator[Signals]:
    """All of it, in a folder, until the block ends. Raises RehearsalError where something does not start.

    `flush_every_ms` replaces how long the application and the proxies hold their signals back. With a
    `tempo_binary` the traces end there, and not in the sink.
    """
    folder.mkdir(parents=True, exist_ok=True)
    signals = Signals(stack, folder)
    topology = stack.topology
    with contextlib.ExitStack() as stores:
        stores.callback(signals.ports.let_go)
        try:
            signals.api_server = stores.enter_context(api_server.starting(folder / "api-server", topology.collector_account))
        except RehearsalError as error:
            signals.notes.append(f"an API server: {error}")
        with console.step("start Azurite and Loki"):
            azurite = stores.enter_context(Azurite.start(folder / "azurite", die_with_parent=True))
            blobs.create_containers(azurite)
            config, said = loki.alone(signals._rendered.loki())
            signals.notes += said
            config = blobs.on_azurite(signals.table.here(config), azurite)
            variables = {topology.loki_blobs.key.key: KEY}
            stores.enter_context(loki.running(config, folder / "loki", variables, signals.table.port(topology.loki)))
        ports = signals.table.port(topology.tempo_otlp), signals.table.port(topology.tempo)
        if tempo_binary is None:
            signals.sink = stores.enter_context(sink.serving(*ports))
        else:
            config = signals.table.here(signals._rendered.tempo())
            with console.step("start Tempo"):
                variables = {topology.tempo_blobs.key.key: KEY}
                address = f"127.0.0.1:{azurite.port}"
                stores.enter_context(tempo.running(tempo_binary, config, folder / "tempo", variables, *ports, azurite=address))
        try:
            with console.step("start an API server, Prometheus, what collects, the sample and two Envoys"):
                signals.start(flush_every_ms=flush_every_ms)
            yield signals
        finally:
            signals.stop()


def quickly(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration of tail sampling that decides at once, for signals that nobody holds back."""
    changed = copy.deepcopy(config)
    changed["processors"][tail_sampling.PROCESSOR]["decision_wait"] = QUICK_DECISION
    return changed


def _own_metrics() -> dict[str, Any]:
    """What the operator adds: opentelemetry-operator apis/v1beta1/config.go, `ApplyDefaults`."""
    return {"metrics": {"readers": [{"pull": {"exporter": {"prometheus": {"host": "0.0.0.0", "port": OWN_METRICS}}}}]}}


def _get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection):
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            return 0, str(error)


def _status(port: int, path: str) -> int:
    return _get(port, path)[0]
