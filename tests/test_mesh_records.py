"""Whose record it is: access logs come without a resource, and leave the collector with one (components/mesh_records.py)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from components import mesh_records, opentelemetry, sample_app
from components.charts import ROOT, open_lock
from components.topology import plan
from tests import reference
from tests.recorder import Run
from tests.stacks import EVERY, settings_of
from tests.test_graph import Record

NAMES = plan(settings_of("local"))
CONFIG = opentelemetry.collector_config(NAMES)
K8S_DISTRIBUTION = {
    "receivers": {"otlp"},
    "processors": {"batch", "memory_limiter", "k8s_attributes", "transform", "resource", "tail_sampling"},
    "exporters": {"otlp_grpc", "otlp_http", "debug", "load_balancing"},
    "extensions": {"health_check", "file_storage"},
}
"""Of what the collector's distribution for Kubernetes has in 0.158.0 (opentelemetry-collector-releases distributions/otelcol-k8s), what
a stack of ours may use."""


def injected(template: str) -> set[str]:
    """Environment variables that Istio's injector sets in a proxy of that template."""
    (config,) = [
        o for o in reference.rendered("istiod") if o["kind"] == "ConfigMap" and o["metadata"]["name"].startswith("istio-sidecar-injector")
    ]
    text = config["data"]["config"].split(f"\n  {template}: |", 1)[1]
    return set(re.findall(r"- name: ([A-Z_]+)$", re.split(r"\n  \w[\w-]*: \|", text)[0], re.MULTILINE))


@pytest.mark.parametrize(
    ("template", "lacks"), [("sidecar", set()), ("gateway", {mesh_records.RESOURCE}), ("waypoint", {mesh_records.RESOURCE})]
)
def test_what_the_labels_ask_for_is_in_a_proxys_environment(template: str, lacks: set[str]) -> None:
    there = injected(template)
    for label, text in mesh_records.LOG_LABELS.items():
        (name,) = re.findall(r"^%ENVIRONMENT\((\w+)\)%$", text)
        assert (name in there) is (label not in lacks), name


def test_the_connection_is_asked_before_the_batch_hides_it() -> None:
    for signal in ("traces", "logs"):
        processors = CONFIG["service"]["pipelines"][signal]["processors"]
        assert processors.index(mesh_records.POD_LOOKUP) < processors.index("batch")
    logs = CONFIG["service"]["pipelines"]["logs"]["processors"]
    assert logs.index(mesh_records.POD_LOOKUP) < logs.index(mesh_records.LABELS_LOOKUP)


def test_a_pod_is_known_by_the_address_of_its_connection() -> None:
    lookup = CONFIG["processors"][mesh_records.POD_LOOKUP]
    assert lookup["pod_association"] == [{"sources": [{"from": "connection"}]}]
    assert {"service.name", "k8s.namespace.name", "k8s.pod.name", "service.version"} <= set(lookup["extract"]["metadata"])


def resource_of(resource: dict[str, str], labels: dict[str, str]) -> dict[str, str]:
    """What the statements make of a resource, by OTTL's rules for the three forms they have."""
    result, record = dict(resource), dict(labels)
    for statement in CONFIG["processors"][mesh_records.LABELS_LOOKUP]["log_statements"]:
        said = re.search(r'log\.attributes\["([^"]+)"\] != nil and log\.attributes\["\1"\] != "-"', statement)
        if move := re.match(r'set\(resource\.attributes\["(.+?)"\], log\.attributes\["(.+?)"\]\)', statement):
            assert said, statement
            if move[1] not in result and record.get(move[2], "-") != "-":
                result[move[1]] = record[move[2]]
        elif merged := re.match(
            r'merge_maps\(resource\.attributes, ParseKeyValue\(log\.attributes\["(.+?)"\], "=", ","\), "insert"\)', statement
        ):
            if record.get(merged[1], "-") != "-":
                result = {**dict(pair.split("=") for pair in record[merged[1]].split(",")), **result}
        else:
            gone = re.fullmatch(r'delete_matching_keys\(log\.attributes, "(.+)"\)', statement)
            assert gone, statement
            record = {key: value for key, value in record.items() if not re.search(gone[1], key)}
    assert not [key for key in record if key.startswith(mesh_records.PREFIX)]
    return result


LABELS = {
    mesh_records.POD: "cart-1",
    mesh_records.NAMESPACE: "shop",
    mesh_records.WORKLOAD: "cart-deployment",
    mesh_records.RESOURCE: "service.namespace=shop,service.version=2.1",
}


def test_a_record_from_an_unknown_address_is_named_by_what_its_proxy_says() -> None:
    assert resource_of({}, LABELS) == {
        "k8s.pod.name": "cart-1",
        "k8s.namespace.name": "shop",
        "service.namespace": "shop",
        "service.name": "cart-deployment",
        "service.version": "2.1",
    }


def test_what_the_lookup_found_stays() -> None:
    found = {"k8s.pod.name": "p", "k8s.namespace.name": "n", "service.namespace": "n", "service.name": "s", "service.version": "v"}
    assert resource_of(found, LABELS) == found


def test_what_a_proxys_environment_lacks_is_not_written_as_a_dash() -> None:
    assert resource_of({}, dict.fromkeys(mesh_records.LOG_LABELS, "-")) == {}


def test_a_log_of_an_application_is_left_alone() -> None:
    assert resource_of({"service.name": "cart"}, {"service.name": "other", "customer": "7"}) == {"service.name": "cart"}


def test_the_collectors_image_is_the_operators_own_choice_of_the_locked_version_and_has_every_component() -> None:
    settings = settings_of("local")
    image = opentelemetry.collector_spec(settings, NAMES)["image"]
    (manager,) = [o for o in reference.rendered("opentelemetry-operator") if o["kind"] == "Deployment"]
    arguments = manager["spec"]["template"]["spec"]["containers"][0]["args"]
    assert f"--collector-image={image}" in arguments
    assert image.rpartition(":")[2] == open_lock(str(ROOT / "charts.yaml"))["opentelemetry-operator"].app_version
    for kind, known in K8S_DISTRIBUTION.items():
        assert {name.partition("/")[0] for name in CONFIG[kind]} <= known, kind


def test_the_collector_may_look_pods_up_and_nothing_else(record: Record) -> None:
    run: Run = record(EVERY["local"])
    collector = run.named("OpenTelemetryCollector", "otel")
    account = NAMES.collector_account
    assert collector.inputs["spec"]["serviceAccount"] == account.name
    made = run.named("ServiceAccount", account.name)
    (role,) = run.of_kind("ClusterRole")
    (binding,) = run.of_kind("ClusterRoleBinding")
    assert role.inputs["rules"] == [{"apiGroups": [""], "resources": ["pods", "namespaces"], "verbs": ["get", "list", "watch"]}]
    assert binding.inputs["roleRef"]["name"] == role.inputs["metadata"]["name"]
    (subject,) = binding.inputs["subjects"]
    assert (subject["namespace"], subject["name"]) == (account.namespace, account.name)
    assert {made.urn, binding.urn} <= run.waits_for(collector)


def test_the_sample_says_its_version_where_sdk_mesh_and_collector_look() -> None:
    template: Any = sample_app.deployment_spec(settings_of("ambient"), NAMES)["template"]
    assert template["metadata"]["labels"]["app.kubernetes.io/version"] == template["metadata"]["labels"]["version"]
