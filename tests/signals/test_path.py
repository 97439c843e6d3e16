"""One request through real processes: the proof passes, and each cut in the path fails it with the hint that names the cut."""

from __future__ import annotations

import contextlib
import copy
import http.client
import json
import socket
import ssl
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from components import grafana, mesh_records, otlp_tls
from components.alerts import health
from rehearsal import processes
from rehearsal.errors import RehearsalError
from signals import certificates, places, pods
from signals.run import Signals
from tests.signals.conftest import CUT_WAIT_SECONDS, IN_CLEAR, Proof, stack_of
from verify import links, stores
from verify.evidence import Evidence, Places, gather, lines_of
from verify.results import Result, exit_code

pytestmark = pytest.mark.xdist_group("signals")  # one set of processes for all of them

RATE = "trace to metrics: Rate of sampled requests"
NOT_RUN_HERE = {
    "istio_requests_total",
    "metrics that Tempo makes of spans",
    RATE,
    "trace to metrics: Latency of sampled requests, p95",
    "service map",
    "Grafana itself",
}


SOURCE = "source of the access log's name"


def states(results: dict[str, Result], state: str) -> set[str]:
    return {name for name, result in results.items() if result.state == state}


def test_one_request_is_found_everywhere_under_its_trace_id_though_nobody_samples(prove: Proof) -> None:
    results = prove()
    assert states(results, "failed") == set(), [r for r in results.values() if r.state == "failed"]
    assert states(results, "not run") == NOT_RUN_HERE
    assert exit_code(list(results.values())) == 0
    assert results["one service.name"].detail == "rolldice"
    assert results[SOURCE].detail == "the address of its connection"
    for name in ("span of the mesh", "access log of the mesh"):
        assert "istio-ingressgateway" in results[name].detail
        assert "rolldice" in results[name].detail


def test_what_did_not_run_says_why(prove: Proof) -> None:
    results = prove()
    assert results["istio_requests_total"].detail == "an Envoy as published lacks the filter of Istio's that makes them"
    assert "the query parses: sum(rate(traces_spanmetrics_calls_total{service=" in results[RATE].detail
    assert results["Grafana itself"].detail.startswith("no Grafana answers")


def _again(evidence: Evidence, here: Places) -> bool:
    """Whether both proxies' access logs are there by now."""
    evidence.lines = lines_of(here, evidence)
    return len(evidence.access_logs) == 2


def test_spans_and_logs_of_proxy_and_application_carry_one_name_and_the_pod(signals: Signals) -> None:
    here = places.of(signals)
    evidence = gather(here, places.subject(signals), 25)
    assert evidence.missing == {}
    own = [span for span in evidence.mesh_spans if span.service == "rolldice"]
    assert own and own[0].resource["service.namespace"] == evidence.app_spans[0].resource["service.namespace"] == "sample"
    assert own[0].resource["service.version"] == evidence.app_spans[0].resource["service.version"] == "v1"
    lines = [line for line in evidence.lines if line.labels["service_name"] == "rolldice"]
    assert len(lines) == 2
    told = {"trace_id": evidence.trace_id, "k8s_pod_name": "rolldice-0", "service_version": "v1", "k8s_node_name": pods.NODE}
    for label, value in told.items():
        assert {line.labels[label] for line in lines} == {value}
    # the gateway's, too, which sends its logs by a clock of its own: each pod is known by the address that its connections come from
    assert processes.wait_until(lambda: _again(evidence, here), 25, every=0.5), evidence.lines
    (gateway,) = [line for line in evidence.access_logs if line not in lines]
    assert gateway.labels["k8s_pod_name"] == "istio-ingressgateway-0"
    named = {span.service for span in evidence.mesh_spans} | {line.labels["service_name"] for line in evidence.access_logs}
    assert named == {"istio-ingressgateway", "rolldice"}
    assert {span.resource["k8s.node.name"] for span in evidence.spans} == {pods.NODE}
    assert "mesh.pod" not in str(lines)
    assert evidence.trace_id in stores.services(here.tempo, "rolldice")


def test_a_request_that_asks_for_nothing_is_not_traced_at_0_percent_and_yet_logged(signals: Signals) -> None:
    assert signals.sink is not None
    before, here = signals.sink.spans, places.of(signals)
    with urlopen(f"{here.gateway}/rolldice?player=nobody", timeout=10) as answer:
        assert answer.status == 200

    def logged() -> bool:
        now = time.time_ns()
        return len(stores.logs(here.loki, '{service_name=~".+"} |= "nobody"', now - 60 * 10**9, now + 10**9)) == 3

    assert processes.wait_until(logged, 10, every=0.2)  # two access logs and the application's own
    time.sleep(3)  # longer than anybody holds spans back
    assert signals.sink.spans == before


# cuts


Change = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture
def collector(signals: Signals) -> Any:
    yield signals.start_collector
    signals.start_collector()


@pytest.fixture
def prometheus(signals: Signals) -> Any:
    yield signals.start_prometheus
    signals.start_prometheus()


def nowhere(exporter: str, field: str) -> Change:
    """An exporter whose address nobody listens at."""

    def change(config: dict[str, Any]) -> dict[str, Any]:
        changed = copy.deepcopy(config)
        changed["exporters"][exporter] |= {field: "127.0.0.1:9" if field == "endpoint" and "grpc" in exporter else "http://127.0.0.1:9"}
        return changed

    return change


def test_a_cut_exporter_to_tempo_is_named(collector: Any, prove: Proof) -> None:
    collector(nowhere("otlp_grpc/tempo", "endpoint"))
    results = prove(CUT_WAIT_SECONDS)
    assert states(results, "failed") == {
        "span of the mesh",
        "span of the application",
        "log to trace",
        "access log to trace",
        "metric to trace",
    }
    assert "its exporter to Tempo (otlp_grpc/tempo) does not deliver" in results["span of the application"].hint
    assert "trace to logs" in states(results, "not run")


def test_a_cut_exporter_to_loki_is_named(collector: Any, prove: Proof) -> None:
    collector(nowhere("otlp_http/loki", "endpoint"))
    results = prove(CUT_WAIT_SECONDS)
    assert states(results, "failed") == {"access log of the mesh", "log of the application", "trace to logs"}
    assert "its exporter to Loki (otlp_http/loki) does not deliver" in results["log of the application"].hint


def test_a_cut_exporter_to_prometheus_is_named(collector: Any, prove: Proof) -> None:
    collector(nowhere("otlp_http/prometheus", "endpoint"))
    results = prove(CUT_WAIT_SECONDS)
    assert states(results, "failed") == {"request metric of the application"}
    assert "the collector's exporter to Prometheus (otlp_http/prometheus)" in results["request metric of the application"].hint
    assert {"exemplar with the trace id", "metric to trace"} < states(results, "not run")


def without(*names: str) -> Change:
    """Some processors taken out of each pipeline."""

    def change(config: dict[str, Any]) -> dict[str, Any]:
        changed = copy.deepcopy(config)
        for pipeline in changed["service"]["pipelines"].values():
            pipeline["processors"] = [name for name in pipeline["processors"] if name not in names]
        return changed

    return change


def test_where_no_pod_is_known_an_access_log_is_named_by_what_its_proxy_says(collector: Any, prove: Proof) -> None:
    collector(without(mesh_records.POD_LOOKUP))
    results = prove(CUT_WAIT_SECONDS)
    assert states(results, "failed") == set()
    assert results["one service.name"].detail == "rolldice"
    assert results[SOURCE].detail.startswith("what its proxy says of itself")


def test_the_address_of_its_connection_alone_names_an_access_log(collector: Any, prove: Proof) -> None:
    collector(without(mesh_records.LABELS_LOOKUP))
    results = prove(CUT_WAIT_SECONDS)
    assert states(results, "failed") == set()
    assert results[SOURCE].detail == "the address of its connection"


def test_a_collector_that_may_not_list_pods_never_gets_ready_and_says_why(
    signals: Signals, collector: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def impatient(config: dict[str, Any]) -> dict[str, Any]:
        changed = copy.deepcopy(config)
        changed["processors"][mesh_records.POD_LOOKUP]["wait_for_metadata_timeout"] = "1s"
        return changed

    assert signals.api_server is not None
    before = len(signals.log("collector").read_text())
    signals.api_server.forbid()
    monkeypatch.setattr(processes, "START_SECONDS", 15)
    try:
        with pytest.raises(RehearsalError, match="collector does not start"):
            collector(impatient)
    finally:
        monkeypatch.undo()
        signals.api_server.allow()
    account = signals.stack.topology.collector_account
    said = signals.log("collector").read_text()[before:]
    assert f'User \\"system:serviceaccount:{account.namespace}:{account.name}\\" cannot list resource \\"pods\\"' in said


def test_a_collector_that_forgets_whose_mesh_records_are_is_named(collector: Any, prove: Proof) -> None:
    collector(without(*mesh_records.PROCESSORS))
    results = prove(CUT_WAIT_SECONDS)
    assert states(results, "failed") == {"access log of the mesh", "one service.name"}
    assert "access logs came as unknown_service" in results["access log of the mesh"].hint
    assert SOURCE in states(results, "not run")


def test_a_prometheus_that_takes_no_otlp_is_named(prometheus: Any, prove: Proof) -> None:
    prometheus(lambda spec: {**spec, "enableOTLPReceiver": False})
    results = prove(CUT_WAIT_SECONDS)
    assert states(results, "failed") == {"request metric of the application", "Prometheus takes what is sent to it"}
    assert "enableOTLPReceiver" in results["request metric of the application"].hint
    assert results["Prometheus takes what is sent to it"].hint == "prometheusSpec.enableOTLPReceiver must be true"


def test_a_prometheus_that_takes_no_remote_write_is_named(prometheus: Any, prove: Proof) -> None:
    prometheus(lambda spec: {**spec, "enableRemoteWriteReceiver": False})
    results = prove()
    assert states(results, "failed") == {"Prometheus takes what is sent to it"}
    assert results["Prometheus takes what is sent to it"].hint == "prometheusSpec.enableRemoteWriteReceiver must be true"


def test_a_prometheus_that_promotes_no_resource_attributes_is_named(prometheus: Any, prove: Proof) -> None:
    prometheus(lambda spec: {**spec, "otlp": {}})
    results = prove(CUT_WAIT_SECONDS)
    assert states(results, "failed") == {"request metric of the application"}
    assert "otlp.promoteResourceAttributes" in results["request metric of the application"].hint


def test_a_prometheus_that_keeps_no_exemplars_is_named(prometheus: Any, prove: Proof) -> None:
    prometheus(lambda spec: {**spec, "enableFeatures": []})
    results = prove(CUT_WAIT_SECONDS)
    assert states(results, "failed") == {"exemplar with the trace id"}
    assert "enableFeatures: [exemplar-storage]" in results["exemplar with the trace id"].hint
    assert "metric to trace" in states(results, "not run")


@pytest.fixture(scope="module")
def sources(signals: Signals) -> Callable[[], list[dict[str, Any]]]:
    """Grafana's datasources, a new copy each time."""
    return lambda: links.provisioned(copy.deepcopy(grafana.datasources(signals.stack.topology)))


BY_FIELD = {"log to trace", "access log to trace"}
TEMPO_FAILS = {"Tempo", *BY_FIELD, "metric to trace"}
NOT_THIS = "not this request's"
IN_THE_LINE = '{${__tags}} |= "${__span.traceId}"'
CUTS: dict[str, tuple[str, str, Any, set[str], str]] = {
    "a nobody's address": ("Loki", "url", "http://loki.loki.svc:3100", {"Loki", "trace to logs"}, "the url of datasource Loki"),
    "another store's address": ("Tempo", "url", "http://loki-gateway.loki.svc.cluster.local", TEMPO_FAILS, "the url of datasource Tempo"),
    "a link to no datasource": ("Tempo", "tracesToLogsV2.datasourceUid", "logs", {"trace to logs"}, "tracesToLogsV2"),
    "a link to a store of another kind": ("Loki", "derivedFields.0.datasourceUid", "prometheus", BY_FIELD, "derivedFields"),
    "a derived field of another label": ("Loki", "derivedFields.0.matcherRegex", "traceid", BY_FIELD, "derivedFields"),
    "a derived field by the line": ("Loki", "derivedFields.0.matcherType", "regex", BY_FIELD, "derivedFields"),
    "shifts the wrong way round": ("Tempo", "tracesToLogsV2.spanStartTimeShift", "10m", {"trace to logs"}, "tracesToLogsV2"),
    "a query for the id in the line": ("Tempo", "tracesToLogsV2.query", IN_THE_LINE, {"trace to logs"}, NOT_THIS),
    "a tag that logs lack": ("Tempo", "tracesToLogsV2.tags.0.value", "service", {"trace to logs"}, NOT_THIS),
    "another label of exemplars": (
        "Prometheus", "exemplarTraceIdDestinations.0.name", "traceID", {"metric to trace"}, "exemplarTraceIdDestinations",
    ),
    "a query that does not parse": (
        "Tempo", "tracesToMetrics.queries.0.query", "sum(rate({$__tags}[5m])", {RATE}, "tracesToMetrics",
    ),
}  # fmt: skip
"""Name of a cut to the datasource, the field, its value, the checks that must fail, and words that their hints must have."""


@pytest.mark.parametrize("cut", CUTS)
def test_a_cut_link_is_named(cut: str, prove: Proof, sources: Callable[[], list[dict[str, Any]]]) -> None:
    name, field, value, fails, hint = CUTS[cut]
    changed = sources()
    here: Any = next(source for source in changed if source["name"] == name)
    if field != "url":
        here = here["jsonData"]
    *steps, last = field.split(".")
    for step in steps:
        here = here[int(step) if step.isdigit() else step]
    assert here[last] != value
    here[last] = value
    results = prove(datasources=changed)
    assert states(results, "failed") == fails, {n: r.detail for n, r in results.items() if r.state == "failed"}
    assert all(hint in results[check].hint for check in ({name} if field == "url" else fails))


# silent loss


ACCEPTED = "otelcol_receiver_accepted_log_records"
PROXIES = ("gateway", "sidecar")


def ask_twenty_times(signals: Signals) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", signals.table.port(signals.stack.topology.gateway), timeout=30)
    for _ in range(20):
        connection.request("GET", "/rolldice")
        assert json.loads(connection.getresponse().read())["value"] in range(1, 7)  # nobody who asks notices
    connection.close()


def requests_and_access_logs(signals: Signals) -> tuple[float, float]:
    """What AccessLogsMissing compares: requests as often as proxies counted them, and what arrived over gRPC; here Envoy's own counter
    stands for istio_requests_total. A collector that is away has no series."""
    requests = sum(signals.envoy_counter(proxy, "http.http.downstream_rq_total") for proxy in PROXIES)
    return requests, signals.collector_counter(ACCEPTED, receiver="otlp", transport="grpc") or 0


def test_the_collector_receives_an_access_log_for_each_request_that_a_proxy_counts(signals: Signals, prove: Proof) -> None:
    prove()  # so that everything has been counted once
    before, by_http = requests_and_access_logs(signals), signals.collector_counter(ACCEPTED, receiver="otlp", transport="http")
    ask_twenty_times(signals)

    def arrived() -> list[float]:
        return [now - then for now, then in zip(requests_and_access_logs(signals), before, strict=True)]

    assert processes.wait_until(lambda: arrived() == [40, 40], 30, every=0.2), arrived()
    # what the application logs comes over HTTP, and is not among them
    assert by_http is not None and signals.collector_counter(ACCEPTED, receiver="otlp", transport="http") >= by_http + 20  # type: ignore[operator]
    assert health.ACCESS_LOGS.startswith(f'sum(rate({ACCEPTED}{{receiver="otlp", transport="grpc"}}[')


def test_what_the_mesh_loses_while_the_collector_is_down_is_counted_by_envoy(signals: Signals, prove: Proof) -> None:
    before = {proxy: signals.envoy_counter(proxy, "logs_dropped") for proxy in PROXIES}
    requests, _ = requests_and_access_logs(signals)
    signals.stop_one("collector")
    try:
        ask_twenty_times(signals)

        def lost() -> bool:
            return all(signals.envoy_counter(proxy, "logs_dropped") - before[proxy] >= 20 for proxy in before)

        assert processes.wait_until(lost, 20, every=0.2), {proxy: signals.envoy_counter(proxy, "logs_dropped") for proxy in before}
        # the alert on requests against access logs sees them part: one goes on, the other is not there
        served, received = requests_and_access_logs(signals)
        assert served - requests == 40
        assert received < health.LEAST_SHARE * (served - requests)
        down = prove(3.0)
        assert {"span of the mesh", "log of the application", "request metric of the application"} < states(down, "failed")
        assert "nothing came through the collector" in down["span of the mesh"].hint
    finally:
        signals.start_collector()
    assert states(prove(), "failed") == set()


# encryption: all of the above went over TLS


def posted(signals: Signals, context: ssl.SSLContext | None) -> int:
    """Status of an empty OTLP request over HTTP."""
    port = signals.table.port(signals.stack.topology.otlp_http)
    made = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    if context is not None:
        made = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
    with contextlib.closing(made) as connection:
        connection.request("POST", "/v1/traces", body="{}", headers={"Content-Type": "application/json"})
        return connection.getresponse().status


def test_the_collector_refuses_what_is_not_encrypted_and_old_tls(signals: Signals) -> None:
    trusting = ssl.create_default_context(cafile=str(signals.authority / "ca.crt"))
    assert posted(signals, trusting) == 200
    assert posted(signals, None) == 400
    with socket.create_connection(("127.0.0.1", signals.table.port(signals.stack.topology.otlp_grpc)), timeout=10) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
        assert connection.recv(100)[:1] != b"\x00"  # no settings frame: nobody speaks HTTP/2 in clear there
    trusting.set_ciphers("DEFAULT@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it is old on purpose
        trusting.minimum_version, trusting.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        posted(signals, trusting)


@pytest.fixture
def sending(signals: Signals) -> Iterator[Callable[..., None]]:
    """Starts what sends anew, with another authority to trust or as another stack."""
    stack, authority = signals.stack, signals.authority

    def start(**changed: Any) -> None:
        for name, value in changed.items():
            setattr(signals, name, value)
        if "stack" in changed:
            signals.start_collector()
        signals.start_senders()

    yield start
    start(stack=stack, authority=authority)


def test_nothing_arrives_from_who_trusts_another_authority(
    sending: Callable[..., None], signals: Signals, prove: Proof, tmp_path: Path
) -> None:
    other = certificates.write(otlp_tls.certificate_spec(signals.stack.topology), otlp_tls.authority_spec(), tmp_path / "other")
    sending(authority=other)
    results = prove(CUT_WAIT_SECONDS)
    assert {"span of the mesh", "span of the application", "access log of the mesh", "log of the application"} < states(results, "failed")
    assert "ConfigMap otlp-ca must give its authority" in results["span of the mesh"].hint
    assert signals.envoy_counter("gateway", "ssl.fail_verify_error") > 0


def test_a_stack_in_clear_is_as_whole(sending: Callable[..., None], prove: Proof) -> None:
    sending(stack=stack_of(IN_CLEAR))
    prove(CUT_WAIT_SECONDS)  # counters of an application that began anew may stand where they stood before
    results = prove()
    assert states(results, "failed") == set(), [r for r in results.values() if r.state == "failed"]


# what the processes themselves say


def test_nothing_that_runs_holds_the_account_key_in_a_file_or_log(signals: Signals) -> None:
    from rehearsal.azurite import KEY

    files: list[Path] = [path for path in signals.folder.rglob("*") if path.suffix in (".yaml", ".json", ".log") and path.is_file()]
    assert {"collector.yaml", "prometheus.yaml", "gateway.json", "collector.log"} <= {path.name for path in files}
    assert [path for path in files if KEY in path.read_text(errors="replace")] == []
