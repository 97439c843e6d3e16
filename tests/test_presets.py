"""Sizes: every container there is has requests and limits, what runs several times is kept apart, nothing is kept for ever."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from components import azurite, cert_manager, istio
from components.availability import NODE, ZONE
from components.config import parse
from components.footprint import PROGRAM, Workload, chart_values, mebibytes, millicores, workloads
from components.merge import leaves
from components.presets import PRESETS, cache_resources, caches, containers, replicas, resources, size
from components.settings import Preset, Settings
from components.topology import plan
from tests import reference
from tests.recorder import Run
from tests.stacks import EVERY, IMAGE, installs, settings_of

SMALL_MEBIBYTES = 4096
"""What the small preset may request in all."""
NODES = 3
MODES = tuple(itertools.product(("sidecar", "ambient"), ("single", "distributed"), ("monolithic", "distributed")))


def stack(preset: Preset, mesh: str = "sidecar", traces: str = "single", logs: str = "monolithic", **more: Any) -> Settings:
    config: dict[str, Any] = {
        "grafanaAdminPassword": "x",
        "preset": preset,
        "istio": {"mode": mesh},
        "tempo": {"mode": traces},
        "loki": {"mode": logs},
        "sampleApp": {"image": IMAGE},
    }
    if traces == "distributed" and preset != "small":
        config |= {"load": {"spansPerSecond": 100}, "telemetry": {"tailSampling": {}}}
    return parse({**config, **more})


def everything() -> Iterator[tuple[str, Settings]]:
    for preset in PRESETS:
        for modes in MODES:
            yield f"{preset} {' '.join(modes)}", stack(preset, *modes)


STACKS = dict(everything())
SEVERAL = {
    **STACKS,
    "several of all": stack(
        "large",
        tempo={"mode": "distributed", "replicas": 4, "replicationFactor": 3},
        loki={"mode": "distributed", "replicas": 5, "replicationFactor": 3},
    ),
    "several monoliths": stack("small", loki={"replicas": 3, "replicationFactor": 3}, istio={"gatewayReplicas": 2}),
    "several collectors": stack("small", opentelemetry={"collectorReplicas": 2}),
}

# every container

NOT_FOR_GOOD = {
    "cert-manager": {"cert-manager-startupapicheck": "a hook that the program switches off"},
    "opentelemetry-operator": {
        "opentelemetry-operator-cert-manager": "a pod of `helm test`",
        "opentelemetry-operator-metrics-test": "a pod of `helm test`",
        "opentelemetry-operator-webhook-test": "a pod of `helm test`",
    },
}
"""Workloads of the reference renderings that do not stay, by chart."""
SWITCHED_OFF = {("loki", "loki-gateway"): {"exporter"}, ("alloy", "alloy"): {"config-reloader"}}
"""Containers of the reference renderings that our values switch off."""
MADE_BY_OPERATORS = {"Prometheus": {"prometheus", "config-reloader"}, "Alertmanager": {"alertmanager", "config-reloader"}}


def rendered_containers(chart: str) -> Iterator[tuple[str, set[str]]]:
    """Workload to containers, as the real chart has them in the reference rendering."""
    for document in reference.rendered(chart):
        kind, name = document["kind"], document["metadata"]["name"]
        if kind in MADE_BY_OPERATORS:
            yield name, MADE_BY_OPERATORS[kind]
        elif kind in ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod"):
            pod = document["spec"] if kind == "Pod" else document["spec"]["template"]["spec"]
            yield name, {c["name"] for c in (*pod["containers"], *pod.get("initContainers", ()))}


def known_containers() -> dict[tuple[str, str], set[str]]:
    """(chart, workload) to containers, as the program counts them in any kind of stack."""
    return {(w.owner, w.name): set(w.containers) for settings in STACKS.values() for w in workloads(settings)}


@pytest.mark.parametrize("chart", sorted({release.chart for s in STACKS.values() for release, _ in chart_values(s, plan(s))}))
def test_every_container_of_every_chart_is_counted(chart: str) -> None:
    ours = known_containers()
    found = dict(rendered_containers(chart))
    for workload, names in found.items():
        if workload in NOT_FOR_GOOD.get(chart, {}):
            continue
        assert ours[chart, workload] == names - SWITCHED_OFF.get((chart, workload), set()), workload
    assert found or chart in ("base", "prometheus-operator-crds")
    assert set(NOT_FOR_GOOD.get(chart, {})) <= set(found)


@pytest.mark.parametrize("name", STACKS)
def test_every_container_requests_and_is_limited_in_cpu_and_memory(name: str) -> None:
    found = workloads(STACKS[name])
    sizes = [(w.name, container, s) for w in found for container, s in (*w.containers.items(), *w.init.items())]
    assert len(sizes) >= 20
    assert [entry for entry in sizes if min(entry[2]) <= 0 or entry[2].cpu > entry[2].cpu_limit] == []
    assert [entry for entry in sizes if entry[2].memory > entry[2].memory_limit] == []


@pytest.mark.parametrize("variant", EVERY)
def test_every_release_of_a_stack_is_counted(variant: str) -> None:
    settings = settings_of(variant)
    assert [(release, values) for release, values in chart_values(settings, plan(settings))] == list(installs(settings))


def test_what_the_operator_adds_to_prometheus_is_sized_by_its_flags() -> None:
    (operator,) = [
        d for d in reference.rendered("kube-prometheus-stack") if d["kind"] == "Deployment" and "operator" in d["metadata"]["name"]
    ]
    flags = {a.split("=")[0] for a in operator["spec"]["template"]["spec"]["containers"][0]["args"]}
    assert {f"--config-reloader-{u}-{w}" for u in ("cpu", "memory") for w in ("request", "limit")} <= flags


def test_what_the_mesh_injects_is_sized_by_the_proxies_values() -> None:
    (config,) = [d for d in reference.rendered("istiod") if (d["kind"], d["metadata"]["name"]) == ("ConfigMap", "istio-sidecar-injector")]
    template = config["data"]["config"]
    # istio-init (or istio-validation) and istio-proxy, each by the same named template, which reads the proxy's resources
    assert template.count('{{ template "resources" . }}') >= 2
    assert ".Values.global.proxy.resources" in template
    assert ".Values.global.waypoint.resources" in template
    values = istio.istiod_values(STACKS["small ambient single monolithic"], plan(STACKS["small ambient single monolithic"]))
    for part in ("proxy", "waypoint"):
        assert values["global"][part]["resources"] == resources("istio-proxy", "small")


def test_pods_that_answer_acme_challenges_are_sized_too() -> None:
    settings = stack("small", certManager={"issuer": "acme", "acme": {"email": "a@example.com"}})
    (solver,) = cert_manager.issuer_spec(settings)["acme"]["solvers"]
    assert solver["http01"]["ingress"]["podTemplate"]["spec"]["resources"] == resources("acme-solver", "small")


@pytest.mark.parametrize("preset", PRESETS)
def test_pods_of_helm_test_are_sized_too(preset: Preset) -> None:
    values = {r.chart: v for r, v in chart_values(stack(preset), plan(stack(preset)))}
    assert values["opentelemetry-operator"]["testFramework"]["resources"] == resources("gate", preset)


@pytest.mark.parametrize("variant", EVERY)
def test_every_pod_that_the_program_itself_describes_is_sized(variant: str, record: Callable[..., Run]) -> None:
    run = record(EVERY[variant])
    described = [r for kind in ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob") for r in run.of_kind(kind)]
    assert len(described) >= 2
    for resource in described:
        spec = resource.inputs["spec"]
        pod = (spec["jobTemplate"]["spec"] if resource.kind == "CronJob" else spec)["template"]["spec"]
        for container in (*pod["containers"], *pod.get("initContainers", ())):
            for what, unit in itertools.product(("requests", "limits"), ("cpu", "memory")):
                assert container["resources"][what][unit], (resource.name, container["name"], what, unit)


# how much in all


def jobs(settings: Settings) -> int:
    """MiB that Jobs request while the stack is being installed."""
    topology = plan(settings)
    specs = (cert_manager.gate_spec(settings, "v0"), azurite.job_spec(settings, topology, "script"))
    return sum(mebibytes(c["resources"]["requests"]["memory"]) for s in specs for c in s["template"]["spec"]["containers"])


@pytest.mark.parametrize("modes", MODES, ids=" ".join)
def test_the_small_preset_requests_at_most_four_gibibytes_in_all(modes: tuple[str, str, str]) -> None:
    """On three nodes, with the sample, its sidecar or waypoint, the gateway, and the Jobs of the installation, in every mode."""
    settings = stack("small", *modes)
    found = workloads(settings)
    counted = {w.name for w in found}
    assert {"rolldice", "istio-ingressgateway", "otel-collector", "azurite", "alloy", "prom-prometheus-node-exporter"} <= counted
    assert ("waypoint" in counted) == (modes[0] == "ambient")
    total = sum(w.memory() * w.pods(NODES) for w in found) + jobs(settings)
    assert 2048 < total <= SMALL_MEBIBYTES


def test_the_sum_counts_sidecars_daemons_on_every_node_and_the_greater_of_init_and_rest() -> None:
    by_name = {w.name: w for w in workloads(stack("small"))}
    sample = by_name["rolldice"]
    assert set(sample.containers) == {"rolldice", "istio-proxy"}
    assert sample.memory() == size("sample", "small").memory + size("istio-proxy", "small").memory
    assert by_name["alloy"].pods(NODES) == NODES
    assert by_name["alloy"].memory() == size("alloy", "small").memory
    init = Workload(PROGRAM, "x", "x", 2, {"a": size("gate", "small")}, {"b": size("prometheus", "small")})
    assert (init.memory(), init.cpu(), init.pods(NODES)) == (512, 100, 2)


@pytest.mark.parametrize("container", containers())
def test_a_greater_preset_never_gives_less(container: str) -> None:
    for less, more in itertools.pairwise(PRESETS):
        assert all(a <= b for a, b in zip(size(container, less), size(container, more), strict=True))
        assert replicas(container, less) <= replicas(container, more)
        assert all(a <= b for a, b in zip(caches(less), caches(more), strict=True))


@pytest.mark.parametrize("preset", PRESETS)
def test_every_size_of_the_table_is_used_and_every_workload_is_in_it(preset: Preset) -> None:
    asked = {w.component for settings in STACKS.values() for w in workloads(settings)}
    elsewhere = {"istio-proxy", "gate", "acme-solver", "instrumentation", "config-reloader", "grafana-sidecar", "memcached-exporter"}
    elsewhere |= {"grafana-download"}  # an init container, and only where dashboards are downloaded
    without_a_size = {"waypoint", "loki-chunks-cache", "loki-results-cache"}
    assert asked - without_a_size | elsewhere == set(containers())


@pytest.mark.parametrize("preset", PRESETS)
def test_a_cache_has_room_for_what_it_keeps(preset: Preset) -> None:
    for mebibytes_kept in caches(preset):
        memory = mebibytes(cache_resources(mebibytes_kept, preset)["limits"]["memory"])
        assert memory >= mebibytes_kept * 1.2


@pytest.mark.parametrize(("quantity", "read"), [("0.5", millicores), ("1", millicores), ("1Gi", mebibytes), ("500M", mebibytes)])
def test_a_quantity_in_another_form_is_an_error_and_not_a_wrong_sum(quantity: str, read: Callable[[str], int]) -> None:
    with pytest.raises(ValueError, match=f"{quantity} is not in"):
        read(quantity)


# where several run

_PART = "{section}.podDisruptionBudget.maxUnavailable", "{section}.topologySpreadConstraints", "{section}.affinity"
_TOP = "podDisruptionBudget.enabled", "topologySpreadConstraints", "affinity"
KEPT_APART: dict[tuple[str, str], tuple[str | None, ...]] = {
    ("cert-manager", "cert-manager"): _TOP,
    ("cert-manager", "cert-manager-webhook"): (
        "webhook.podDisruptionBudget.enabled",
        "webhook.topologySpreadConstraints",
        "webhook.affinity",
    ),
    ("cert-manager", "cert-manager-cainjector"): (
        "cainjector.podDisruptionBudget.enabled",
        "cainjector.topologySpreadConstraints",
        "cainjector.affinity",
    ),
    ("istiod", "istiod"): ("global.defaultPodDisruptionBudget.enabled", "topologySpreadConstraints", "affinity"),
    ("gateway", "gateway"): ("podDisruptionBudget.maxUnavailable", "topologySpreadConstraints", "affinity"),
    ("kube-prometheus-stack", "alertmanager"): (
        "alertmanager.podDisruptionBudget.enabled",
        "alertmanager.alertmanagerSpec.topologySpreadConstraints",
        "alertmanager.alertmanagerSpec.podAntiAffinity",
    ),
    ("opentelemetry-operator", "otel-operator"): ("pdb.create", "topologySpreadConstraints", "affinity"),
    **{
        ("loki", component): tuple(path.format(section=section) for path in _PART)
        for component, section in {
            "loki": "singleBinary",
            "loki-gateway": "gateway",
            "loki-distributor": "distributor",
            "loki-ingester": "ingester",
            "loki-querier": "querier",
            "loki-query-frontend": "queryFrontend",
            "loki-query-scheduler": "queryScheduler",
            "loki-index-gateway": "indexGateway",
        }.items()
    },
    **{
        ("tempo-distributed", component): (
            f"{section}.podDisruptionBudget.enabled",
            f"{section}.topologySpreadConstraints",
            f"{section}.affinity",
        )
        for component, section in {
            "tempo-distributor": "distributor",
            "tempo-ingester": "ingester",
            "tempo-querier": "querier",
            "tempo-query-frontend": "queryFrontend",
        }.items()
    },
    # the chart has no key for spread here; its affinity holds nodes and zones apart
    ("tempo-distributed", "tempo-compactor"): ("compactor.podDisruptionBudget.enabled", None, "compactor.affinity"),
}
"""(chart, component) to the values, ours or the chart's, that say its disruption budget, its spread and its anti-affinity."""


def value_at(values: Any, path: str) -> Any:
    for part in path.split("."):
        values = values[part]
    return values


@pytest.mark.parametrize("name", SEVERAL)
def test_what_runs_several_times_is_drained_one_by_one_and_kept_apart(name: str) -> None:
    settings = SEVERAL[name]
    values = {r.chart: v for r, v in chart_values(settings, plan(settings))}
    for workload in workloads(settings):
        if workload.replicas in (None, 1) or workload.owner == PROGRAM:
            continue
        chart = workload.owner
        defaults = reference.defaults(chart)
        whole = reference.over({**defaults, **defaults.get("_internal_defaults_do_not_set", {})}, values[chart])
        budget, spread, affinity = KEPT_APART[chart, workload.component]
        assert budget
        assert affinity
        assert value_at(whole, budget), (workload.name, budget)
        assert spread is None or (ZONE in str(value_at(whole, spread)) or NODE in str(value_at(whole, spread))), workload.name
        kept = str(value_at(whole, affinity))
        assert "podAntiAffinity" in kept or kept == "soft", workload.name


def test_every_way_of_keeping_apart_is_used() -> None:
    used = {(w.owner, w.component) for s in SEVERAL.values() for w in workloads(s) if w.replicas not in (None, 1) and w.owner != PROGRAM}
    assert used == set(KEPT_APART)


def test_a_single_replica_has_no_budget_that_would_block_every_drain() -> None:
    settings = stack("small")
    text = str([values for _, values in chart_values(settings, plan(settings))])
    assert "maxUnavailable" not in text
    assert "topologySpreadConstraints" not in text


@pytest.mark.parametrize("preset", PRESETS)
def test_several_collectors_are_kept_apart_by_the_operators_own_labels(preset: Preset, record: Callable[..., Run]) -> None:
    spec = record({"preset": preset}).named("OpenTelemetryCollector", "otel").inputs["spec"]
    assert spec["replicas"] == replicas("collector", preset)
    if spec["replicas"] == 1:
        assert "podDisruptionBudget" not in spec
        return
    assert spec["podDisruptionBudget"] == {"maxUnavailable": 1}
    for constraint in spec["topologySpreadConstraints"]:
        assert constraint["labelSelector"]["matchLabels"]["app.kubernetes.io/instance"] == "observability.otel"
    assert "podAntiAffinity" in spec["affinity"]


SELECTED: dict[str, tuple[str, str, str]] = {
    # chart: workload, path of the constraints, preset that has several
    "cert-manager": ("cert-manager-webhook", "webhook.topologySpreadConstraints", "medium"),
    "istiod": ("istiod", "topologySpreadConstraints", "medium"),
    "gateway": ("istio-ingressgateway", "topologySpreadConstraints", "medium"),
    "opentelemetry-operator": ("opentelemetry-operator", "topologySpreadConstraints", "medium"),
    "loki": ("loki-gateway", "gateway.topologySpreadConstraints", "medium"),
}


@pytest.mark.parametrize("chart", SELECTED)
def test_spread_selects_the_pods_of_the_real_chart(chart: str) -> None:
    """A constraint whose labels no pod carries holds nothing apart, and nobody hears of it."""
    workload, path, preset = SELECTED[chart]
    settings = parse({"grafanaAdminPassword": "x", "preset": preset})
    values = {r.chart: v for r, v in chart_values(settings, plan(settings))}[chart]
    (template,) = [
        d["spec"]["template"] for d in reference.rendered(chart) if d["kind"] == "Deployment" and d["metadata"]["name"] == workload
    ]
    constraints = value_at(values, path)
    assert {c["topologyKey"] for c in constraints} == {ZONE, NODE}
    for constraint in constraints:
        assert constraint["labelSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()


# how long

_DURATION = re.compile(r"[1-9]\d*(h|d|m|MiB|GiB|GB)")
_KEYS = ("retention", "retentionSize", "retention_period", "block_retention", "compacted_block_retention")
_NOT_RUNNING = {"loki": ("tableManager.",), "kube-prometheus-stack": ("thanosRuler.",), "tempo-distributed": ("backendScheduler.",)}
"""Parts that our values leave off."""
REQUIRED = {
    "kube-prometheus-stack": {
        "prometheus.prometheusSpec.retention",
        "prometheus.prometheusSpec.retentionSize",
        "alertmanager.alertmanagerSpec.retention",
    },
    "tempo": {"tempo.retention"},
    "tempo-distributed": {"compactor.config.compaction.block_retention"},
    "loki": {"loki.limits_config.retention_period"},
}


@pytest.mark.parametrize("name", STACKS)
def test_every_retention_is_finite(name: str) -> None:
    settings = STACKS[name]
    seen = 0
    for release, values in chart_values(settings, plan(settings)):
        ours = {path for path, _ in leaves(values)}
        assert REQUIRED.get(release.chart, set()) <= ours
        whole = reference.over(reference.defaults(release.chart), values)
        for path, value in leaves(whole):
            if path.split(".")[-1] not in _KEYS or path.startswith(_NOT_RUNNING.get(release.chart, ())):
                continue
            seen += 1
            assert _DURATION.fullmatch(str(value)), (release.chart, path, value)
    assert seen >= 5
    values = {r.chart: v for r, v in chart_values(settings, plan(settings))}
    assert values["loki"]["loki"]["compactor"]["retention_enabled"] is True


@pytest.mark.parametrize("variant", EVERY)
def test_no_custom_resource_keeps_anything_for_ever(variant: str, record: Callable[..., Run]) -> None:
    run = record(EVERY[variant])
    for resource in run.resources.values():
        if resource.kind == "Release":
            continue
        for path, value in leaves(resource.inputs):
            if path.split(".")[-1] in _KEYS:
                assert _DURATION.fullmatch(str(value)), (resource.name, path)


def test_retentions_come_from_settings_to_every_store() -> None:
    settings = stack("small", prometheus={"retentionDays": 5}, tempo={"retentionDays": 4}, loki={"retentionDays": 3})
    values = {r.chart: v for r, v in chart_values(settings, plan(settings))}
    assert values["kube-prometheus-stack"]["prometheus"]["prometheusSpec"]["retention"] == "5d"
    assert values["tempo"]["tempo"]["retention"] == "96h"
    assert values["loki"]["loki"]["limits_config"]["retention_period"] == "72h"
