"""What Istio, the operator and Prometheus' operator would make of our configuration, without starting any of it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from components import istio, opentelemetry, sample_app
from components.charts import ROOT
from components.topology import plan
from rehearsal import processes
from rehearsal.errors import RehearsalError
from signals import application, envoy, loki, machine, pods, prometheus, tempo
from signals.rendering import Rendered, Stack, read_stack
from tests import reference
from tests.stacks import settings_of


@pytest.fixture(scope="module")
def stack() -> Stack:
    return read_stack("local")


@pytest.fixture(scope="module")
def rendered(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    return Rendered(stack, tmp_path_factory.mktemp("mirror"))


def pod(stack: Stack, kind: Any = "sidecar") -> pods.Pod:
    metadata = sample_app.deployment_spec(stack.settings, stack.topology)["template"]["metadata"]
    return pods.Pod("rolldice-0", "sample", "rolldice", metadata["labels"], metadata["annotations"], "rolldice", kind)


def manager(stack: Stack, mesh: dict[str, Any] | None = None, kind: Any = "sidecar") -> dict[str, Any]:
    """The connection manager of a proxy of the sample."""
    made = envoy.bootstrap(
        mesh or istio.mesh_config(stack.settings, stack.topology),
        istio.telemetry_spec(stack.settings),
        envoy.Proxy(pod(stack, kind), 1, 2, 3),
        lambda authority: f"127.0.0.1:{authority.rpartition(':')[2]}",
    )
    return made["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]


# Envoy


def test_an_access_log_has_no_resource_of_its_own_and_the_labels_of_the_mesh(stack: Stack) -> None:
    (log,) = manager(stack)["access_log"]
    assert log["typed_config"]["disable_builtin_labels"] is True
    labels = istio.mesh_config(stack.settings, stack.topology)["extensionProviders"][0]["envoyOtelAls"]["logFormat"]["labels"]
    assert {entry["key"]: entry["value"]["string_value"] for entry in log["typed_config"]["attributes"]["values"]} == labels


def test_a_providers_collector_is_named_as_istio_names_its_cluster(stack: Stack) -> None:
    tracing = manager(stack)["tracing"]
    service = tracing["provider"]["typed_config"]["grpc_service"]["envoy_grpc"]
    assert service["cluster_name"] == f"outbound|4317||{stack.topology.otlp_grpc.host}"
    assert tracing["random_sampling"]["value"] == stack.settings.istio.sampling_percentage


def test_without_the_semantic_conventions_a_span_is_named_after_app_and_namespace(stack: Stack) -> None:
    mesh = istio.mesh_config(stack.settings, stack.topology)
    assert manager(stack, mesh)["tracing"]["provider"]["typed_config"]["service_name"] == "rolldice"
    (provider,) = (p["opentelemetry"] for p in mesh["extensionProviders"] if "opentelemetry" in p)
    del provider["serviceAttributeEnrichment"]
    assert manager(stack, mesh)["tracing"]["provider"]["typed_config"]["service_name"] == "rolldice.sample"
    assert "OTEL_RESOURCE_ATTRIBUTES" not in envoy.environment(mesh, pod(stack))


def test_only_a_gateway_makes_a_span_of_its_own_for_what_it_sends_on(stack: Stack) -> None:
    assert [manager(stack, kind=kind)["tracing"]["spawn_upstream_span"] for kind in ("gateway", "sidecar")] == [True, False]


def test_a_telemetry_that_names_no_provider_of_the_mesh_is_refused(stack: Stack) -> None:
    mesh = istio.mesh_config(stack.settings, stack.topology)
    mesh["extensionProviders"] = [p for p in mesh["extensionProviders"] if p["name"] != istio.TRACING_PROVIDER]
    with pytest.raises(KeyError, match=istio.TRACING_PROVIDER):
        manager(stack, mesh)


# the application


def test_the_application_gets_what_the_instrumentation_says(stack: Stack) -> None:
    spec = opentelemetry.instrumentation_spec(stack.settings, stack.topology)
    found = application.environment(spec, pod(stack), "rolldice", Path("/packages"))
    assert found["OTEL_EXPORTER_OTLP_ENDPOINT"] == stack.topology.otlp_http.url
    assert found["OTEL_SERVICE_NAME"] == "rolldice"
    assert "service.version=v1" in found["OTEL_RESOURCE_ATTRIBUTES"].split(",")
    assert found["OTEL_PYTHON_EXCLUDED_URLS"] == "healthz,readyz,livez"
    assert found["PYTHONPATH"].startswith("/packages/opentelemetry/instrumentation/auto_instrumentation:")


# Prometheus


def test_prometheus_gets_what_the_custom_resource_says(rendered: Rendered) -> None:
    spec = rendered.prometheus()
    config = prometheus.configuration(spec)
    assert "service.name" in config["otlp"]["promote_resource_attributes"]
    assert config["storage"]["exemplars"] == {"max_exemplars": 100000}
    assert config["storage"]["tsdb"]["out_of_order_time_window"] == "30m"
    assert {"--web.enable-remote-write-receiver", "--web.enable-otlp-receiver", "--enable-feature=exemplar-storage"} <= set(
        prometheus.flags(spec, Path("c"), Path("d"), 1)
    )


def test_the_custom_resource_is_the_real_charts_where_signals_arrive(rendered: Rendered) -> None:
    (real,) = (d["spec"] for d in reference.rendered("kube-prometheus-stack") if d["kind"] == "Prometheus")
    ours = rendered.prometheus()
    for key in ("enableRemoteWriteReceiver", "enableOTLPReceiver", "enableFeatures", "otlp", "tsdb"):
        assert ours[key] == real[key], key


# Tempo


def test_a_tempo_that_is_given_runs_with_our_configuration_on_loopback(rendered: Rendered, stack: Stack, tmp_path: Path) -> None:
    """In its place a program that takes Tempo's arguments and serves what they ask for."""
    binary = tmp_path / "tempo-double"
    binary.write_text(
        f"#!{sys.executable}\nimport signal, sys\nsys.path.insert(0, {str(ROOT)!r})\nimport yaml\nfrom signals.sink import serving\n"
        "config = yaml.safe_load(open(sys.argv[1].removeprefix('-config.file=')))\n"
        "endpoint = config['distributor']['receivers']['otlp']['protocols']['grpc']['endpoint']\n"
        "assert sys.argv[2] == '-config.expand-env=true'\n"
        "with serving(int(endpoint.rpartition(':')[2]), config['server']['http_listen_port']):\n    signal.pause()\n"
    )
    binary.chmod(0o755)
    ports = machine.Ports()
    table = machine.Table.plan(stack.topology, ports)
    pair = table.port(stack.topology.tempo_otlp), table.port(stack.topology.tempo)
    try:
        config = table.here(rendered.tempo())
        with tempo.running(binary, config, tmp_path / "tempo", {"STORAGE_ACCOUNT_ACCESS_KEY": "k"}, *pair, azurite="127.0.0.1:10000"):
            used = yaml.safe_load((tmp_path / "tempo" / "tempo.yaml").read_text())
    finally:
        ports.let_go()
    assert used["storage"]["trace"]["azure"]["endpoint_suffix"] == "127.0.0.1:10000"
    assert used["storage"]["trace"]["azure"]["storage_account_key"] == "${STORAGE_ACCOUNT_ACCESS_KEY}"
    (write,) = used["metrics_generator"]["storage"]["remote_write"]
    assert write == {"send_exemplars": True, "url": f"{table.url(stack.topology.prometheus)}/api/v1/write"}
    assert used["overrides"]["defaults"] == rendered.tempo()["overrides"]["defaults"]
    assert "svc.cluster.local" not in str(used)


def test_a_tempo_that_does_not_start_is_one_line(rendered: Rendered, tmp_path: Path) -> None:
    binary = tmp_path / "broken"
    binary.write_text("#!/bin/sh\necho 'failed parsing config: field nonsense not found' >&2\nexit 1\n")
    binary.chmod(0o755)
    otlp, http = processes.free_ports(2)
    with (
        pytest.raises(RehearsalError, match=r"Tempo \(.*broken\) is not ready: failed parsing config: field nonsense"),
        tempo.running(binary, rendered.tempo(), tmp_path / "tempo", {}, otlp, http, azurite="127.0.0.1:10000"),
    ):
        pass


# the table


def test_every_address_of_the_collector_is_in_the_table(stack: Stack) -> None:
    ports = machine.Ports()
    try:
        table = machine.Table.plan(stack.topology, ports)
        config = table.here(opentelemetry.collector_spec(stack.settings, stack.topology)["config"])
        assert "svc.cluster.local" not in str(config["exporters"])
        assert config["exporters"]["otlp_http/loki"]["endpoint"] == f"{table.url(stack.topology.loki)}/otlp"
        assert table.here(stack.topology.loki.url) == table.url(stack.topology.loki)
        assert table.here("http://loki-gateway.loki.svc.cluster.local:8080") == "http://loki-gateway.loki.svc.cluster.local:8080"
    finally:
        ports.let_go()


def test_what_needs_an_api_server_is_taken_out_and_said(stack: Stack) -> None:
    config, said = machine.without_what_cannot_run(opentelemetry.collector_spec(stack.settings, stack.topology)["config"])
    assert [line.partition(":")[0] for line in said] == ["k8s_attributes"]
    named = {name for pipeline in config["service"]["pipelines"].values() for name in pipeline["processors"]}
    assert "k8s_attributes" not in named | set(config["processors"])
    assert "transform/mesh" in named


def test_a_port_that_is_taken_stays_free_for_our_own_server_and_for_nobody_else() -> None:
    ports = machine.Ports()
    (port,) = ports.take(1)
    serve = f"import socket, signal; s = socket.create_server(('127.0.0.1', {port})); print('up', flush=True); signal.pause()"
    try:
        assert not processes.port_is_free(port, also_lingering=True)  # as whoever looks for a port asks
        with subprocess.Popen([sys.executable, "-c", serve], stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None and server.stdout.readline() == "up\n"
            server.send_signal(signal.SIGTERM)
    finally:
        ports.let_go()
    assert processes.port_is_free(port)


def test_a_stack_that_is_unknown_or_wrong_is_one_line() -> None:
    with pytest.raises(RehearsalError, match="stack nowhere is unknown"):
        read_stack("nowhere")


def test_each_pod_of_the_path_has_an_address_of_its_own_and_its_proxy_connects_from_there(stack: Stack, rendered: Rendered) -> None:
    ambient = Stack("mesh", settings_of("ambient"), plan(settings_of("ambient")))
    assert [p.kind for p in pods.every(stack, rendered)] == ["gateway", "sidecar"]
    assert [p.name for p in pods.every(ambient, rendered)] == ["istio-ingressgateway-0", "rolldice-0", "waypoint-0"]
    for own in (*pods.every(stack, rendered), pods.waypoint(ambient)):
        made = envoy.bootstrap({"extensionProviders": []}, {}, envoy.Proxy(own, 1, 2, 3), str)
        assert made["cluster_manager"]["upstream_bind_config"]["source_address"]["address"] == own.status()["podIP"] == own.address
    assert len(set(pods.ADDRESSES.values())) == len(pods.ADDRESSES)


def test_a_waypoint_is_named_after_its_deployment(stack: Stack) -> None:
    assert envoy.service_name(pods.waypoint(stack)) == "waypoint"
    assert "OTEL_RESOURCE_ATTRIBUTES" not in envoy.environment(istio.mesh_config(stack.settings, stack.topology), pods.waypoint(stack))


def test_a_change_is_tried_out_on_a_stack_of_a_file() -> None:
    assert read_stack("local", changes={"istio": {"mode": "ambient"}}).settings.istio.mode == "ambient"
    with pytest.raises(RehearsalError, match=r"istio\.mode"):
        read_stack("local", changes={"istio": {"mode": "ambiant"}})


def test_a_loki_in_parts_runs_here_as_one_process_and_says_what_that_took(stack: Stack, tmp_path: Path) -> None:
    settings = settings_of("distributed")
    found = Rendered(Stack("parts", settings, plan(settings)), tmp_path).loki()
    assert found["common"]["replication_factor"] == 3
    config, said = loki.alone(found)
    assert config["common"]["replication_factor"] == 1
    assert config["frontend"]["scheduler_address"] == ""
    (line,) = said
    assert "frontend.scheduler_address" in line and "common.replication_factor" in line
    same, nothing = loki.alone(Rendered(stack, tmp_path / "local").loki())
    assert nothing == []
    assert same == Rendered(stack, tmp_path / "local").loki()
