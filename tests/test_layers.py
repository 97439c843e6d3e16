"""What each layer says to its chart and in its custom resources: one test per thing that broke for somebody."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import yaml

from components import alloy, azurite, cert_manager, grafana, istio, loki, mesh_records, opentelemetry, prometheus, sample_app, tempo
from components.config import parse
from components.presets import caches, size
from components.settings import Settings
from components.topology import EXEMPLAR_LABEL, plan
from tests import reference
from tests.stacks import VARIANTS, settings_of


def settings(**config: Any) -> Settings:
    return parse({"grafanaAdminPassword": "x", **config})


LOCAL = settings()
NAMES = plan(LOCAL)

# the mesh


def test_both_providers_point_at_the_collector_and_keep_their_kinds() -> None:
    """An OTLP access logger used as a tracing provider is silently no tracer (istio#48782)."""
    otel, tracing = istio.mesh_config(LOCAL, NAMES)["extensionProviders"]
    collector = {"service": "otel-collector.observability.svc.cluster.local", "port": 4317}
    labels = {"labels": mesh_records.LOG_LABELS}
    assert otel == {"name": "otel", "envoyOtelAls": {**collector, "logFormat": labels}}
    assert tracing == {"name": "otel-tracing", "opentelemetry": {**collector, "serviceAttributeEnrichment": "OTEL_SEMANTIC_CONVENTIONS"}}


def test_mesh_telemetry_uses_the_providers_that_the_mesh_config_defines() -> None:
    spec = istio.telemetry_spec(LOCAL)
    defined = {p["name"]: set(p) - {"name"} for p in istio.mesh_config(LOCAL, NAMES)["extensionProviders"]}
    assert {defined[p["name"]].pop() for p in spec["accessLogging"][0]["providers"]} == {"envoyOtelAls"}
    assert [p["name"] for p in spec["tracing"][0]["providers"]] == ["otel-tracing"]


@pytest.mark.parametrize("percentage", [0, 12.5, 100])
def test_sampling_comes_from_settings(percentage: float) -> None:
    spec = istio.telemetry_spec(settings(istio={"samplingPercentage": percentage}))
    assert spec["tracing"][0]["randomSamplingPercentage"] == percentage


def test_the_validator_fails_from_the_start_in_both_charts() -> None:
    """Rendered Ignore and flipped to Fail by istiod, it differs for ever (istio#52785)."""
    assert istio.base_values(LOCAL)["base"]["validationFailurePolicy"] == "Fail"
    assert istio.istiod_values(LOCAL, NAMES)["base"]["validationFailurePolicy"] == "Fail"


def test_a_revision_reaches_every_chart_and_every_label() -> None:
    chosen = settings(istio={"revision": "blue"})
    names = plan(chosen)
    assert istio.base_values(chosen)["defaultRevision"] == "blue"
    assert istio.istiod_values(chosen, names)["revision"] == istio.gateway_values(chosen)["revision"] == "blue"
    assert names.injection_labels == (("istio.io/rev", "blue"),)
    assert names.istiod.name == names.releases.istiod.name == "istiod-blue"


def test_without_a_revision_no_chart_hears_of_one() -> None:
    assert "revision" not in istio.istiod_values(LOCAL, NAMES)
    assert NAMES.injection_labels == (("istio-injection", "enabled"),)


def test_ambient_profiles_reach_control_plane_and_cni() -> None:
    chosen = settings(istio={"mode": "ambient"})
    assert istio.istiod_values(chosen, plan(chosen))["profile"] == istio.cni_values(chosen)["profile"] == "ambient"
    assert "profile" not in istio.istiod_values(LOCAL, NAMES)


# certificates


def test_acme_challenges_come_in_through_the_mesh_gateway() -> None:
    chosen = settings(certManager={"issuer": "acme", "acme": {"email": "a@example.com"}})
    (solver,) = cert_manager.issuer_spec(chosen)["acme"]["solvers"]
    assert solver["http01"]["ingress"]["ingressClassName"] == "istio"
    mesh = istio.mesh_config(chosen, plan(chosen))
    assert (mesh["ingressService"], mesh["ingressSelector"]) == ("istio-ingressgateway", "ingressgateway")
    assert "ingressService" not in istio.mesh_config(LOCAL, NAMES)


def test_the_gate_does_what_the_charts_own_check_does() -> None:
    """The chart's startupapicheck may go only because the gate runs the same image with the same command and rights."""
    assert cert_manager.values(LOCAL)["startupapicheck"]["enabled"] is False
    objects = {(o["kind"], o["metadata"]["name"]): o for o in reference.rendered("cert-manager")}
    theirs = objects["Job", "cert-manager-startupapicheck"]["spec"]["template"]["spec"]["containers"][0]
    ours = cert_manager.gate_spec(LOCAL, "v1.21.1")["template"]["spec"]["containers"][0]
    assert ours["image"] == theirs["image"]
    assert ours["args"][:2] == theirs["args"][:2]
    assert [a for a in theirs["args"] if a.startswith("--wait")] == ["--wait=5m"]
    assert f"--wait={timedelta(minutes=5).seconds}s" in ours["args"]
    role = objects["Role", "cert-manager-startupapicheck:create-cert"]["rules"]
    assert role == [{"apiGroups": ["cert-manager.io"], "resources": ["certificaterequests"], "verbs": ["create"]}]


# metrics


def test_prometheus_takes_what_the_others_send() -> None:
    spec = prometheus.values(LOCAL)["prometheus"]["prometheusSpec"]
    assert spec["enableRemoteWriteReceiver"] is spec["enableOTLPReceiver"] is True
    assert "exemplar-storage" in spec["enableFeatures"]
    assert "service.name" in spec["otlp"]["promoteResourceAttributes"]
    assert spec["tsdb"]["outOfOrderTimeWindow"] == "30m"


def test_every_monitor_counts_whoever_made_it() -> None:
    spec = prometheus.values(LOCAL)["prometheus"]["prometheusSpec"]
    for kind in ("serviceMonitor", "podMonitor", "rule", "probe", "scrapeConfig"):
        assert spec[f"{kind}SelectorNilUsesHelmValues"] is False


def test_nothing_fires_for_ever_on_a_managed_control_plane() -> None:
    values = prometheus.values(LOCAL)
    for part in ("kubeControllerManager", "kubeScheduler", "kubeEtcd", "kubeProxy"):
        assert values[part]["enabled"] is False
    rules = values["defaultRules"]["rules"]
    assert not any(rules[r] for r in ("etcd", "kubeControllerManager", "kubeProxy", "kubeSchedulerAlerting", "kubeSchedulerRecording"))


def test_prometheus_stops_before_its_volume_is_full() -> None:
    spec = prometheus.values(settings(prometheus={"volumeGi": 50}))["prometheus"]["prometheusSpec"]
    assert spec["retentionSize"] == "46080MiB"
    assert 46080 < 50 * 1024


@pytest.mark.parametrize(
    ("spec", "chart", "names"),
    [
        (prometheus.istio_component_monitor_spec(), "istiod", {"istiod"}),
        (
            prometheus.cert_manager_monitor_spec(NAMES.releases.cert_manager),
            "cert-manager",
            {"cert-manager", "cert-manager-cainjector", "cert-manager-webhook"},
        ),
    ],
)
def test_our_monitors_select_the_services_of_the_real_charts(spec: dict[str, Any], chart: str, names: set[str]) -> None:
    (endpoint,) = spec["endpoints"]
    selected = set()
    for service in (o for o in reference.rendered(chart) if o["kind"] == "Service"):
        labels = service["metadata"].get("labels", {})
        exact = spec["selector"].get("matchLabels", {}).items() <= labels.items()
        listed = all(labels.get(e["key"]) in e["values"] for e in spec["selector"]["matchExpressions"])
        ports = {p.get("name") for p in service["spec"]["ports"]} | {p.get("targetPort") for p in service["spec"]["ports"]}
        if exact and listed and (endpoint.get("port") or endpoint.get("targetPort")) in ports:
            selected.add(service["metadata"]["name"])
    assert selected == names


def test_the_proxies_monitor_makes_addresses_from_annotations() -> None:
    (endpoint,) = prometheus.envoy_stats_monitor_spec()["podMetricsEndpoints"]
    four, six = (r for r in endpoint["relabelings"][::-1] if r.get("targetLabel") == "__address__")
    assert re.fullmatch(four["regex"], "15020;10.1.2.3")
    assert re.sub(four["regex"], r"\2:\1", "15020;10.1.2.3") == "10.1.2.3:15020"
    assert re.fullmatch(six["regex"], "15020;fd00:10:244::5")
    assert not re.fullmatch(six["regex"], "15020;10.1.2.3")


# traces


def test_tempo_makes_metrics_with_the_stacks_one_exemplar_label() -> None:
    for variant in ("local", "distributed"):
        chosen = settings_of(variant)
        text = yaml.safe_dump(tempo.values(chosen, plan(chosen)))
        assert f"trace_id_label_name: {EXEMPLAR_LABEL}" in text
        assert "traceID" not in text
    (destination,) = grafana.datasource_links(NAMES)["prometheus"]["exemplarTraceIdDestinations"]
    assert destination["name"] == EXEMPLAR_LABEL


def test_the_generator_is_on_and_named_in_the_overrides() -> None:
    values = tempo.single_values(LOCAL, NAMES)["tempo"]
    assert values["metricsGenerator"]["enabled"] is True
    assert values["overrides"]["defaults"]["metrics_generator"]["processors"] == ["service-graphs", "span-metrics"]
    (write,) = values["metricsGenerator"]["storage"]["remote_write"]
    assert write == {"url": f"{NAMES.prometheus.url}/api/v1/write", "send_exemplars": True}


def test_every_part_of_distributed_tempo_can_read_the_key() -> None:
    chosen = settings_of("distributed")
    values = tempo.values(chosen, plan(chosen))
    for part in tempo.PARTS:
        assert values[part]["extraArgs"] == ["-config.expand-env=true"], part
        assert values[part]["extraEnv"][0]["valueFrom"]["secretKeyRef"] == plan(chosen).tempo_blobs.key.reference, part


def test_distributed_tempo_points_at_no_cache_that_is_off() -> None:
    values = tempo.distributed_values(LOCAL, NAMES)
    assert values["memcached"]["enabled"] is False
    assert values["cache"] == {"caches": []}


def test_azurite_is_named_so_that_tempo_knows_it_for_one() -> None:
    azure = tempo.trace_storage(NAMES.tempo_blobs)["azure"]
    assert not azure["endpoint_suffix"].startswith("blob.")
    assert f"http://{azure['endpoint_suffix']}/{azure['storage_account_name']}" == NAMES.tempo_blobs.url


def test_no_store_puts_the_key_into_its_values() -> None:
    for variant in VARIANTS:
        chosen = settings_of(variant)
        for values in (tempo.values(chosen, plan(chosen)), loki.values(chosen, plan(chosen))):
            text = yaml.safe_dump(values, width=1000)
            assert azurite.ACCOUNT_KEY not in text
            assert "${STORAGE_ACCOUNT_ACCESS_KEY}" in text


# logs


def test_loki_runs_in_the_mode_that_was_asked_for_and_in_no_other() -> None:
    """The chart's defaults render a Loki of no replicas, or refuse to render because of targets nobody asked for."""
    values = loki.values(LOCAL, NAMES)
    assert values["deploymentMode"] == "Monolithic"
    assert values["singleBinary"]["replicas"] == 1
    assert [values[t]["replicas"] for t in ("write", "read", "backend")] == [0, 0, 0]
    chosen = settings_of("distributed")
    values = loki.values(chosen, plan(chosen))
    assert (values["deploymentMode"], values["singleBinary"]["replicas"], values["ingester"]["replicas"]) == ("Distributed", 0, 3)
    assert values["ingester"]["zoneAwareReplication"]["enabled"] is False


def test_the_schema_is_what_otlp_needs() -> None:
    periods = [{"from": "2024-04-01"}, {"from": "2026-01-01"}]
    configs = loki.schema_config(settings(loki={"schemaPeriods": periods}))["configs"]
    assert [(c["from"], c["store"], c["schema"], c["object_store"]) for c in configs] == [
        ("2024-04-01", "tsdb", "v13", "azure"),
        ("2026-01-01", "tsdb", "v13", "azure"),
    ]


def test_retention_is_on_with_all_it_takes() -> None:
    values = loki.values(settings(loki={"retentionDays": 3}), NAMES)["loki"]
    assert values["limits_config"]["retention_period"] == "72h"
    assert values["compactor"] == {
        "retention_enabled": True,
        "delete_request_store": "azure",
        "working_directory": "/var/loki/compactor",
    }


def test_the_meaning_of_storage_keys_is_said_on_purpose() -> None:
    assert loki.values(LOCAL, NAMES)["loki"]["storage"]["use_thanos_objstore"] is False


@pytest.mark.parametrize("preset", ["small", "medium", "large"])
def test_caches_fit_the_preset(preset: Any) -> None:
    """The chart's own default asks for 11,059 MiB on any cluster."""
    values = loki.values(settings(preset=preset), NAMES)
    for name, mebibytes in (("chunksCache", caches(preset).chunks), ("resultsCache", caches(preset).results)):
        assert values[name]["enabled"] is (mebibytes > 0)
        assert values[name].get("allocatedMemory", 0) == mebibytes


def test_loki_reaches_azurite_by_a_connection_string_without_a_slash_at_its_end() -> None:
    parts = dict(part.split("=", 1) for part in loki.connection_string(NAMES.loki_blobs).rstrip(";").split(";"))
    assert parts["BlobEndpoint"] == "http://azurite.azurite.svc.cluster.local:10000/devstoreaccount1"
    assert parts["AccountKey"] == "${STORAGE_ACCOUNT_ACCESS_KEY}"
    assert set(loki.azure_storage(NAMES.loki_blobs)) == {"accountName", "connectionString"}


# the pipeline


def test_each_signal_goes_to_its_store() -> None:
    config = opentelemetry.collector_config(NAMES)
    pipelines = config["service"]["pipelines"]
    assert {signal: p["exporters"] for signal, p in pipelines.items()} == {
        "traces": ["otlp_grpc/tempo"],
        "metrics": ["otlp_http/prometheus"],
        "logs": ["otlp_http/loki"],
    }
    assert config["exporters"]["otlp_grpc/tempo"]["endpoint"] == "tempo.tempo.svc.cluster.local:4317"
    assert config["exporters"]["otlp_http/loki"]["endpoint"] == "http://loki-gateway.loki.svc.cluster.local/otlp"
    assert config["exporters"]["otlp_http/prometheus"]["endpoint"].endswith(":9090/api/v1/otlp")


def test_the_collector_refuses_before_it_batches_and_defines_all_it_uses() -> None:
    config = opentelemetry.collector_config(NAMES)
    for pipeline in config["service"]["pipelines"].values():
        assert (pipeline["processors"][0], pipeline["processors"][-1]) == ("memory_limiter", "batch")
        for kind in ("receivers", "processors", "exporters"):
            assert set(pipeline[kind]) <= set(config[kind])
    assert set(config["service"]["extensions"]) <= set(config["extensions"])


def test_the_collector_uses_no_exporter_that_is_gone_or_renamed() -> None:
    kinds = {name.split("/")[0] for name in opentelemetry.collector_config(NAMES)["exporters"]}
    assert kinds == {"otlp_grpc", "otlp_http"}


def test_every_language_exports_over_http() -> None:
    spec = opentelemetry.instrumentation_spec(settings_of("distributed"), NAMES)
    assert spec["exporter"]["endpoint"] == "http://otel-collector.observability.svc.cluster.local:4318"
    assert {"java", "nodejs", "python", "dotnet", "go"} <= set(spec)
    assert {"name": "OTEL_EXPORTER_OTLP_PROTOCOL", "value": "http/protobuf"} in spec["env"]
    assert "latest" not in yaml.safe_dump(spec)


@pytest.mark.parametrize(("percentage", "argument"), [(100, "1"), (12.5, "0.125"), (0, "0"), (0.01, "0.0001")])
def test_the_sdks_sampling_is_a_plain_fraction(percentage: float, argument: str) -> None:
    spec = opentelemetry.instrumentation_spec(settings(opentelemetry={"samplingPercentage": percentage}), NAMES)
    assert spec["sampler"] == {"type": "parentbased_traceidratio", "argument": argument}


# log shipping


def kept(labels: dict[str, str]) -> dict[str, str] | None:
    """What PodLogs' relabelings make of a container, by Prometheus' rules; None where it is dropped."""
    result = dict(labels)
    for rule in alloy.pod_logs_spec(LOCAL)["relabelings"]:
        value = rule.get("separator", ";").join(result.get(label, "") for label in rule["sourceLabels"])
        match = re.fullmatch(rule.get("regex", "(.*)"), value)
        if rule["action"] == "drop" and match:
            return None
        if rule["action"] == "replace" and match:
            result[rule["targetLabel"]] = rule.get("replacement", "$1").replace("$1", match[1] if match.re.groups else "")
    return {k: v for k, v in result.items() if not k.startswith("__")}


def container(name: str, **annotations: str) -> dict[str, str]:
    prefix = "__meta_kubernetes_pod_annotation_instrumentation_opentelemetry_io_inject_"
    return {
        "__meta_kubernetes_namespace": "shop",
        "__meta_kubernetes_pod_name": "cart-1",
        "__meta_kubernetes_pod_container_name": name,
        "__meta_kubernetes_pod_label_app_kubernetes_io_name": "cart",
        **{prefix + language: value for language, value in annotations.items()},
    }


@pytest.mark.parametrize("language", alloy.OTLP_LOG_LANGUAGES)
def test_what_arrives_over_otlp_is_not_sent_twice(language: str) -> None:
    assert kept(container("cart", **{language: "observability/default"})) is None
    assert kept(container("cart", **{language: "true"})) is None


def test_a_container_that_is_not_instrumented_is_shipped_under_the_name_that_otlp_would_give() -> None:
    assert kept(container("cart")) == {"namespace": "shop", "pod": "cart-1", "container": "cart", "service_name": "cart"}


NAMED = {
    "__meta_kubernetes_pod_annotation_resource_opentelemetry_io_service_name": "by-annotation",
    "__meta_kubernetes_pod_label_app_kubernetes_io_instance": "by-instance",
    "__meta_kubernetes_pod_label_app_kubernetes_io_name": "by-name",
    "__meta_kubernetes_pod_controller_name": "by-owner-6c45f8d6f6",
    "__meta_kubernetes_pod_name": "cart-1",
}
"""What may name a service, strongest first, as the operator, Istio and the collector's k8s_attributes have it."""


@pytest.mark.parametrize(("gone", "name"), list(enumerate(["by-annotation", "by-instance", "by-name", "by-owner", "cart-1"])))
def test_a_line_of_stdout_is_named_by_the_rule_that_spans_are_named_by(gone: int, name: str) -> None:
    labels = dict(list(NAMED.items())[gone:])
    kind = {"__meta_kubernetes_pod_controller_kind": "ReplicaSet"} if gone <= 3 else {}
    line = kept({"__meta_kubernetes_pod_container_name": "main", "__meta_kubernetes_pod_name": "cart-1", **kind, **labels})
    assert line is not None
    assert line["service_name"] == name


@pytest.mark.parametrize(
    ("kind", "owner", "name"),
    [("StatefulSet", "db-1", "db-1"), ("DaemonSet", "agent", "agent"), ("Job", "import", "import"), ("Job", "nightly-29384720", "nightly")],
)
def test_the_owner_of_a_pod_is_what_a_person_made(kind: str, owner: str, name: str) -> None:
    pod = {"__meta_kubernetes_pod_name": "x-1", "__meta_kubernetes_pod_container_name": "main"}
    line = kept({**pod, "__meta_kubernetes_pod_controller_kind": kind, "__meta_kubernetes_pod_controller_name": owner})
    assert line is not None
    assert line["service_name"] == name


def test_an_application_that_is_told_not_to_be_instrumented_is_shipped() -> None:
    assert kept(container("cart", python="false")) is not None


def test_the_meshs_own_container_in_an_instrumented_pod_is_shipped() -> None:
    assert kept(container("istio-proxy", python="true")) is not None


def test_go_and_node_keep_their_stdout() -> None:
    """Go's agent sends no logs, and Node's is told to send none."""
    assert kept(container("cart", go="true")) is not None
    assert kept(container("cart", nodejs="true")) is not None
    env = opentelemetry.instrumentation_spec(LOCAL, NAMES)["nodejs"]["env"]
    assert {"name": "OTEL_LOGS_EXPORTER", "value": "none"} in env


def test_each_agent_reads_its_own_node_only() -> None:
    values = alloy.values(LOCAL, NAMES)
    assert values["controller"]["type"] == "daemonset"
    assert "node_filter {\n    enabled = true" in values["alloy"]["configMap"]["content"]
    assert values["alloy"]["extraEnv"][0]["name"] == "NODE_NAME"
    assert "http://loki-gateway.loki.svc.cluster.local/loki/api/v1/push" in values["alloy"]["configMap"]["content"]


# looking


def seconds(shift: str) -> int:
    sign, number = (-1, shift[1:]) if shift.startswith("-") else (1, shift)
    return sign * int(number.removesuffix("m")) * 60


def test_a_spans_logs_are_looked_for_from_before_it_until_after_it() -> None:
    """Grafana's own documentation had the signs the wrong way round (grafana#88421)."""
    links = grafana.datasource_links(NAMES)["tempo"]
    for link in ("tracesToLogsV2", "tracesToMetrics"):
        assert seconds(links[link]["spanStartTimeShift"]) < 0 < seconds(links[link]["spanEndTimeShift"])


def test_every_link_points_at_a_datasource_that_is_there() -> None:
    uids = {source["uid"] for source in grafana.datasources(NAMES)}
    linked = set(re.findall(r"datasourceUid: (\S+)", yaml.safe_dump(grafana.datasources(NAMES))))
    assert linked == uids == {"prometheus", "tempo", "loki"}


def test_logs_are_found_by_metadata_and_not_by_text() -> None:
    """An OTLP log has its trace id beside its line, so `|= "id"` finds nothing (grafana#90335)."""
    links = grafana.datasource_links(NAMES)
    assert links["tempo"]["tracesToLogsV2"]["query"] == '{$${__tags}} | trace_id="$${__span.traceId}"'
    (field,) = links["loki"]["derivedFields"]
    assert (field["matcherType"], field["matcherRegex"], field["url"]) == ("label", "trace_id", "$${__value.raw}")


def test_datasources_are_where_the_stores_answer() -> None:
    urls = {source["uid"]: source["url"] for source in grafana.datasources(NAMES)}
    assert urls["tempo"].endswith(":3200")
    assert urls["loki"] == "http://loki-gateway.loki.svc.cluster.local"


def test_bundled_plugins_are_left_alone() -> None:
    assert grafana.values(LOCAL, NAMES)["grafana.ini"]["plugins"]["preinstall_auto_update"] is False


def test_the_admin_password_comes_from_a_secret() -> None:
    admin = grafana.values(LOCAL, NAMES)["admin"]
    assert admin == {"existingSecret": "grafana-admin", "userKey": "admin-user", "passwordKey": "admin-password"}


def test_one_volume_has_one_writer() -> None:
    values = grafana.values(settings(grafana={"volumeGi": 5}), NAMES)
    assert values["deploymentStrategy"] == {"type": "Recreate"}
    assert values["persistence"] == {"enabled": True, "size": "5Gi"}


# the sample


def test_the_sample_is_instrumented_by_the_instrumentation_there_is() -> None:
    template = sample_app.deployment_spec(settings_of("ambient"), NAMES)["template"]
    annotations = template["metadata"]["annotations"]
    assert annotations["instrumentation.opentelemetry.io/inject-python"] == f"{NAMES.telemetry_namespace}/{NAMES.instrumentation}"
    assert annotations["instrumentation.opentelemetry.io/container-names"] == template["spec"]["containers"][0]["name"]


def test_the_sample_is_reached_through_the_meshs_gateway() -> None:
    gateway = sample_app.gateway_spec(NAMES)
    labels = next(
        o["spec"]["template"]["metadata"]["labels"]
        for o in reference.rendered("gateway")
        if o["kind"] == "Deployment" and o["metadata"]["name"] == NAMES.releases.gateway.name
    )
    assert gateway["selector"].items() <= labels.items()
    (route,) = sample_app.virtual_service_spec(NAMES)["http"]
    assert route["route"][0]["destination"] == {"host": NAMES.sample.host, "port": {"number": NAMES.sample.port}}


# sizes


def test_limits_are_never_below_requests() -> None:
    from components.presets import _SIZES

    for name in _SIZES:
        for preset in ("small", "medium", "large"):
            chosen = size(name, preset)
            assert chosen.cpu <= chosen.cpu_limit, name
            assert chosen.memory <= chosen.memory_limit, name
