"""The way to a stack: URLs as given, kubectl's port-forwards for the others, Grafana's own datasources where it answers."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components import grafana
from components.settings import Settings
from components.topology import Service, Topology
from rehearsal import processes
from rehearsal.errors import RehearsalError
from verify import links
from verify.evidence import Places
from verify.stores import Endpoint, NoAnswer

FORWARD_SECONDS = 15.0
TOKEN, PASSWORD = "GRAFANA_TOKEN", "GRAFANA_PASSWORD"
"""Variables with the way into Grafana: a token of a service account, or the admin's password."""
STORES = ("tempo", "loki", "prometheus")


@dataclass(frozen=True)
class Given:
    """What the caller says of a stack; all that is not said is forwarded by kubectl."""

    gateway: str | None = None
    tempo: str | None = None
    loki: str | None = None
    prometheus: str | None = None
    grafana: str | None = None
    context: str | None = None
    """Context of the kubeconfig; None means the current one."""
    without_grafana: bool = False


@contextlib.contextmanager
def reached(settings: Settings, topology: Topology, given: Given, absent: Mapping[str, str]) -> Iterator[Places]:
    """The places of a stack, reachable until the block ends. Raises RehearsalError where one of them cannot be reached."""
    services = {name: getattr(topology, name) for name in ("gateway", *STORES)}
    with contextlib.ExitStack() as open_ways, tempfile.TemporaryDirectory() as folder:
        kubectl = _Kubectl(given.context, Path(folder))
        urls = {name: getattr(given, name) or open_ways.enter_context(kubectl.forward(service)) for name, service in services.items()}
        way_in = _grafana(settings, topology, given, kubectl, open_ways)
        by_url = {services[name].url: urls[name] for name in STORES}

        def reach(source: Mapping[str, Any]) -> Endpoint:
            if way_in is not None:
                return Endpoint(f"{way_in.url}/api/datasources/proxy/uid/{source['uid']}", way_in.headers)
            if source["url"] not in by_url:
                raise NoAnswer(f"{source['url']} is no address of the plan")
            return Endpoint(by_url[source["url"]])

        if way_in is None:
            sources = links.provisioned(grafana.datasources(topology))
        else:
            try:
                sources = way_in.get("/api/datasources")
            except NoAnswer as error:
                raise RehearsalError(f"Grafana does not list its datasources: {error}; set {TOKEN} or {PASSWORD}") from None
        yield Places(
            gateway=urls["gateway"].rstrip("/"),
            tempo=Endpoint(urls["tempo"]), loki=Endpoint(urls["loki"]), prometheus=Endpoint(urls["prometheus"]),
            datasources=sources, reach=reach, grafana=way_in, absent=absent,
        )  # fmt: skip


def _grafana(settings: Settings, topology: Topology, given: Given, kubectl: _Kubectl, ways: contextlib.ExitStack) -> Endpoint | None:
    """Grafana with a way in; None where the caller wants to do without, or gave the stores' URLs and not Grafana's."""
    if given.without_grafana or (given.grafana is None and all(getattr(given, name) for name in STORES)):
        return None
    url = given.grafana or ways.enter_context(kubectl.forward(topology.grafana))
    token = os.environ.get(TOKEN)
    if token:
        return Endpoint(url.rstrip("/"), {"Authorization": f"Bearer {token}"})
    admin = topology.grafana_admin
    password = os.environ.get(PASSWORD) or kubectl.secret(admin.namespace, admin.name, admin.key)
    pair = base64.b64encode(f"{settings.grafana.admin_user}:{password}".encode()).decode()
    return Endpoint(url.rstrip("/"), {"Authorization": f"Basic {pair}"})


class _Kubectl:
    """kubectl on one context; looked for when it is needed first."""

    def __init__(self, context: str | None, folder: Path) -> None:
        self._context, self._folder = context, folder

    def _command(self, wanted: str, *arguments: str) -> list[str]:
        found = shutil.which("kubectl")
        if found is None:
            raise RehearsalError(f"{wanted} cannot be reached: there is no kubectl on PATH; give its URL")
        return [found, *(["--context", self._context] if self._context else []), *arguments]

    @contextlib.contextmanager
    def forward(self, service: Service) -> Iterator[str]:
        """A loopback URL that leads to a Service until the block ends."""
        [port] = processes.free_ports(1)
        where = f"service {service.namespace}/{service.name}"
        log = self._folder / f"{service.name}-{port}.log"
        arguments = ("port-forward", "--address", "127.0.0.1", "--namespace", service.namespace, f"service/{service.name}")
        process = processes.start(self._command(where, *arguments, f"{port}:{service.port}"), log, die_with_parent=True)
        try:
            processes.wait_until(lambda: "Forwarding from" in log.read_text() or not process.is_running(), FORWARD_SECONDS, every=0.1)
            if not process.is_running() or "Forwarding from" not in log.read_text():
                raise RehearsalError(
                    f"{where} cannot be forwarded: {processes.last_line(log)}; give its URL, or name another CONTEXT "
                    "(on a rehearsal cluster nothing runs: `make signals`)"
                )
            yield f"http://127.0.0.1:{port}"
        finally:
            process.stop()

    def secret(self, namespace: str, name: str, key: str) -> str:
        """A value of a Secret."""
        path = "{.data." + key.replace(".", "\\.") + "}"
        command = self._command(f"Secret {namespace}/{name}", "--namespace", namespace, "get", "secret", name, "-o", f"jsonpath={path}")
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=FORWARD_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise RehearsalError(
                f"Secret {namespace}/{name} cannot be read within {FORWARD_SECONDS:g} s; set {TOKEN} or {PASSWORD}"
            ) from None
        if done.returncode or not done.stdout:
            raise RehearsalError(f"Secret {namespace}/{name} cannot be read ({done.stderr.strip()[:200]}); set {TOKEN} or {PASSWORD}")
        return base64.b64decode(done.stdout).decode()
