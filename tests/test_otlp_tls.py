"""OTLP under TLS: an authority of the collector's own, everybody who sends given it, and each way to lose a signal by it named."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from components import opentelemetry, otlp_tls, signals
from components.config import parse
from components.errors import ConfigurationError
from components.settings import Settings
from components.signals import reading
from components.signals.configured import Configured, configured
from components.topology import plan
from tests import reference
from tests.recorder import Run
from tests.stacks import IMAGE, PASSWORD
from tests.test_graph import Record

CONFIG: dict[str, Any] = {"opentelemetry": {"tls": True, "trustingNamespaces": ["shop"]}, "sampleApp": {"image": IMAGE}}


def settings(**config: Any) -> Settings:
    return parse({"grafanaAdminPassword": PASSWORD, **config})


ENCRYPTED = settings(**CONFIG)
NAMES = plan(ENCRYPTED)
HOST = "otel-collector.observability.svc.cluster.local"


def test_without_the_setting_nothing_is_encrypted(record: Record) -> None:
    chosen = settings()
    assert plan(chosen).otlp_http.url == f"http://{HOST}:4318"
    assert "tls" not in str(opentelemetry.collector_spec(chosen, plan(chosen))["config"]["receivers"])
    run = record({})
    assert not [r for kind in ("Certificate", "Issuer", "DestinationRule", "CronJob") for r in run.of_kind(kind)]


def test_both_receivers_take_tls_alone_from_1_2_on_and_read_a_renewed_certificate() -> None:
    spec = opentelemetry.collector_spec(ENCRYPTED, NAMES)
    for said in spec["config"]["receivers"]["otlp"]["protocols"].values():
        assert said["tls"]["min_version"] == "1.2"
        assert said["tls"]["reload_interval"] == "1h"
        assert said["tls"]["cert_file"].startswith(f"{otlp_tls.MOUNT}/")
    (volume,) = spec["volumes"]
    assert volume["secret"]["secretName"] == otlp_tls.certificate_spec(NAMES)["secretName"]


def test_the_operator_knows_every_field_that_encryption_sets() -> None:
    definitions = {d["metadata"]["name"]: d for d in reference.definitions("opentelemetry-operator")}

    def fields(name: str, version: str) -> dict[str, Any]:
        (found,) = [v for v in definitions[name]["spec"]["versions"] if v["name"] == version]
        return found["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]

    collector = fields("opentelemetrycollectors.opentelemetry.io", "v1beta1")
    for key, value in otlp_tls.collector_fields(NAMES).items():
        assert set(value[0]) <= set(collector[key]["items"]["properties"])
    tls = fields("instrumentations.opentelemetry.io", "v1alpha1")["exporter"]["properties"]["tls"]["properties"]
    assert set(otlp_tls.exporter_tls()) <= set(tls)


def test_the_authority_keeps_its_key_and_outlives_every_certificate_it_signs() -> None:
    authority, certificate = otlp_tls.authority_spec(), otlp_tls.certificate_spec(NAMES)
    assert authority["isCA"] is True
    assert authority["privateKey"]["rotationPolicy"] == "Never"
    assert int(authority["renewBefore"].rstrip("h")) > int(certificate["duration"].rstrip("h"))
    assert int(certificate["renewBefore"].rstrip("h")) >= 24 * 30
    assert HOST in certificate["dnsNames"]


def test_proxies_encrypt_at_their_own_port_and_leave_the_applications_tls_alone() -> None:
    spec = otlp_tls.destination_spec(NAMES)
    assert "tls" not in spec["trafficPolicy"]
    (port,) = spec["trafficPolicy"]["portLevelSettings"]
    assert port["port"]["number"] == 4317
    assert port["tls"] == {
        "mode": "SIMPLE",
        "sni": HOST,
        "subjectAltNames": [HOST],
        "credentialName": "configmap://observability/otlp-ca",
    }
    (service_port,) = otlp_tls.collector_fields(NAMES)["ports"]
    assert (service_port["port"], service_port["appProtocol"]) == (4318, "https")


def test_the_job_reads_the_authoritys_certificate_and_not_its_key() -> None:
    spec = otlp_tls.job_spec(["observability", "shop"], "script", ENCRYPTED)["template"]["spec"]
    (secret,) = [volume["secret"] for volume in spec["volumes"] if "secret" in volume]
    assert secret == {"secretName": "otlp-ca", "items": [{"key": "ca.crt", "path": "ca.crt"}]}


@pytest.fixture(scope="module")
def run(record: Record) -> Run:
    return record(CONFIG)


def test_trust_is_given_in_the_collectors_the_named_and_the_samples_namespace(run: Run) -> None:
    places = {r.inputs["metadata"]["namespace"] for r in run.of_kind("ConfigMap") if r.inputs["metadata"]["name"] == otlp_tls.AUTHORITY}
    assert places == {"observability", "shop", "sample"} == set(otlp_tls.trusting_namespaces(ENCRYPTED, NAMES))
    written = {
        r.name: r.inputs["spec"]["template"]["spec"]["containers"][0]["env"][2]["value"]
        for r in run.of_kind("Job")
        if r.name.startswith(otlp_tls.AUTHORITY)
    }
    assert written == {"otlp-ca": "observability,shop", "otlp-ca-sample": "sample"}
    (weekly,) = run.of_kind("CronJob")
    assert "'observability,shop,sample'" in str(weekly.inputs)


def test_the_right_to_write_is_to_one_config_map_of_each_namespace(run: Run) -> None:
    roles = [r.inputs for r in run.of_kind("Role") if r.inputs["metadata"]["name"] == otlp_tls.AUTHORITY]
    assert len(roles) == 3
    for role in roles:
        assert role["rules"] == [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["otlp-ca"], "verbs": ["get", "patch"]}]


def test_no_proxy_is_told_to_encrypt_before_the_certificate_is_written_and_no_sample_starts_before_both(run: Run) -> None:
    rule = run.named("DestinationRule", "otel-collector")
    written, own = run.named("Job", "otlp-ca"), run.named("Job", "otlp-ca-sample")
    assert written.urn in run.waits_for(rule)
    sample = run.waits_for(run.named("Deployment", "rolldice"))
    assert {rule.urn, written.urn, own.urn} <= sample


# what gets lost


def fresh() -> Any:
    return copy.deepcopy(configured(ENCRYPTED, NAMES))


def defects(c: Configured) -> list[str]:
    return signals.defects(reading.read(c))


def test_an_encrypted_stack_is_sound() -> None:
    assert defects(fresh()) == []


def test_applications_that_send_in_clear_are_named() -> None:
    c = fresh()
    c.instrumentation["exporter"] = {"endpoint": f"http://{HOST}:4318"}
    assert defects(c) == [
        "Instrumentation exporter.endpoint is otel-collector.observability:4318: otlp/http is sent in clear to a port that takes TLS alone"
    ]


def test_applications_that_encrypt_for_a_collector_in_clear_are_named() -> None:
    c = fresh()
    del c.collector["config"]["receivers"]["otlp"]["protocols"]["http"]["tls"]
    found = defects(c)
    assert (
        "Instrumentation exporter.endpoint is otel-collector.observability:4318: otlp/http over TLS is TLS to a port that takes none"
        in found
    )


def test_proxies_without_a_rule_are_named() -> None:
    c = fresh()
    object.__setattr__(c, "destination", None)
    assert (
        "meshConfig.extensionProviders.otel is otel-collector.observability:4317: otlp/grpc is sent in clear to a port that takes TLS alone"
    ) in defects(c)


def test_a_rule_for_another_host_is_as_good_as_none() -> None:
    c = fresh()
    c.destination["host"] = "collector.observability.svc.cluster.local"
    assert any("otlp/grpc is sent in clear" in line for line in defects(c))


@pytest.mark.parametrize(
    "credential", [None, "otlp-ca", "configmap://otlp-ca", "configmap://observability/other", "configmap://kube-system/otlp-ca"]
)
def test_a_proxy_that_trusts_nobody_of_ours_is_named(credential: str | None) -> None:
    c = fresh()
    tls = c.destination["trafficPolicy"]["portLevelSettings"][0]["tls"]
    tls.pop("credentialName")
    if credential:
        tls["credentialName"] = credential
    (line,) = defects(c)
    assert line.startswith(
        f"DestinationRule of the collector, port 4317, tls.credentialName is {credential or 'not set'}: no proxy would trust"
    )


def test_an_application_without_the_authority_is_named() -> None:
    c = fresh()
    del c.instrumentation["exporter"]["tls"]
    (line,) = defects(c)
    assert line.startswith("Instrumentation exporter.tls is no ConfigMap, no file: no SDK would trust the collector; its authority is")


def test_a_sample_whose_namespace_lacks_the_authority_is_named() -> None:
    c = fresh()
    object.__setattr__(c, "trusting", ("observability",))
    assert defects(c) == [
        "Instrumentation exporter.tls names ConfigMap otlp-ca: there is none in namespace sample, so its pods do not start"
    ]


def test_a_certificate_for_another_name_is_named() -> None:
    c = fresh()
    c.certificate["dnsNames"] = ["collector.example.com"]
    found = defects(c)
    assert f"Instrumentation exporter.endpoint is {HOST}: the collector's certificate is for collector.example.com" in found
    assert any("subjectAltNames" in line for line in found)


def test_a_certificate_that_is_not_mounted_is_named() -> None:
    c = fresh()
    c.collector["volumes"] = []
    lines = defects(c)
    assert len(lines) == 4
    assert all("no volume of the collector has the Certificate's Secret otlp-collector there" in line for line in lines)


def test_a_port_that_a_sidecar_would_take_for_http_is_named() -> None:
    c = fresh()
    del c.collector["ports"]
    (line,) = defects(c)
    assert line == "collector.spec.ports has appProtocol http for 4318: a sidecar would look for HTTP in what its application encrypts"


@pytest.mark.parametrize(
    ("chosen", "line"),
    [
        (
            {"trustingNamespaces": ["shop"]},
            "opentelemetry.trustingNamespaces is set while opentelemetry.tls is false: there is no authority to trust; remove the key",
        ),
        ({"tls": True, "trustingNamespaces": ["shop", "shop"]}, "opentelemetry.trustingNamespaces.1 is shop: it stands there twice"),
        (
            {"tls": True, "trustingNamespaces": ["observability"]},
            "opentelemetry.trustingNamespaces.0 is observability: that is the collector's, which has the authority; remove it",
        ),
        (
            {"tls": True, "trustingNamespaces": ["sample"]},
            "opentelemetry.trustingNamespaces.0 is sample: that is the sample's, which trusts already; remove it",
        ),
    ],
)
def test_trust_that_makes_no_sense_is_refused(chosen: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        settings(opentelemetry=chosen)
    assert refused.value.lines == (line,)
