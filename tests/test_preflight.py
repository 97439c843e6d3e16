"""The preflight: what it makes of a cluster's facts, and how it asks for them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.config import parse
from components.errors import ConfigurationError
from components.preflight import __main__ as preflight
from components.preflight.facts import Facts, PrometheusServer, Workload
from components.preflight.judgement import IDENTITY_WEBHOOK, judge
from components.topology import plan
from tests.azure_stacks import EXISTING, KEYLESS, SUBSCRIPTION
from tests.recorder import ISSUER

FIT = Facts(
    version=(1, 36),
    default_storage_classes=("managed-csi",),
    issuer=ISSUER,
    mutating_webhooks=(IDENTITY_WEBHOOK,),
    workloads=(Workload("kube-system", "cilium", ("mcr.microsoft.com/oss/cilium/cilium:1.17",)),),
)
IMAGES = {
    "certManager": "quay.io/jetstack/cert-manager-controller:v1.18.0",
    "prometheus": "quay.io/prometheus-operator/prometheus-operator:v0.80.0",
    "opentelemetry": "ghcr.io/open-telemetry/opentelemetry-operator/opentelemetry-operator:0.120.0",
    "istio": "docker.io/istio/pilot:1.28.0-distroless",
}
OURS = {
    "certManager": ("cert-manager", "cert-manager"),
    "prometheus": ("prometheus", "prom"),
    "opentelemetry": ("opentelemetry-operator", "opentelemetry-operator"),
    "istio": ("istio-system", "istiod"),
}


def said(facts: Facts, config: dict[str, Any] | None = None) -> list[str]:
    """What blocks, as it is printed."""
    settings = parse({"grafanaAdminPassword": "x", **(config or {})})
    return [str(finding) for finding in judge(facts, settings, plan(settings)) if finding.blocks]


def notes(facts: Facts, config: dict[str, Any] | None = None) -> list[str]:
    settings = parse({"grafanaAdminPassword": "x", **(config or {})})
    return [str(finding) for finding in judge(facts, settings, plan(settings)) if not finding.blocks]


def having(*workloads: Workload) -> Facts:
    return replace(FIT, workloads=(*FIT.workloads, *workloads))


@pytest.mark.parametrize("config", [{}, KEYLESS])
def test_a_fit_cluster_is_let_through(config: dict[str, Any]) -> None:
    assert said(FIT, config) == notes(FIT, config) == []


@pytest.mark.parametrize(("version", "old"), [((1, 30), True), ((1, 31), False), ((2, 0), False)])
def test_an_old_kubernetes_is_named_with_the_one_it_takes(version: tuple[int, int], old: bool) -> None:
    expected = [f"Kubernetes is 1.{version[1]}: upgrade to 1.31 or newer (`az aks upgrade`)"] if old else []
    assert said(replace(FIT, version=version)) == expected


def test_without_a_default_storage_class_volumes_would_wait_for_ever() -> None:
    (line,) = said(replace(FIT, default_storage_classes=()))
    assert line.startswith("there is no default StorageClass: ")
    assert "is-default-class" in line


def test_two_default_storage_classes_are_worth_a_note() -> None:
    assert notes(replace(FIT, default_storage_classes=("a", "b"))) == ["default StorageClasses are a, b: the newest is taken; leave one"]


@pytest.mark.parametrize(
    "issuer", ["https://kubernetes.default.svc.cluster.local", "https://x.hcp.westeurope.azmk8s.io", "https://kubernetes.default.svc"]
)
def test_an_issuer_that_azure_cannot_reach_is_named_with_its_fix(issuer: str) -> None:
    (line,) = said(replace(FIT, issuer=issuer), KEYLESS)
    assert issuer in line
    assert "--enable-oidc-issuer" in line
    assert said(replace(FIT, issuer=issuer)) == []


def test_grafanas_token_needs_an_issuer_that_entra_id_reaches_but_no_webhook() -> None:
    entra = {"clientId": SUBSCRIPTION, "tenantId": SUBSCRIPTION}
    signing = {"cluster": {"oidcIssuer": ISSUER}, "grafana": {"exposure": {"host": "grafana.example.com"}, "entraId": entra}}
    (line,) = said(replace(FIT, issuer="https://kubernetes.default.svc", mutating_webhooks=()), signing)
    assert line.startswith("the OIDC issuer is https://kubernetes.default.svc, inside the cluster: ")
    assert said(replace(FIT, mutating_webhooks=()), signing) == []


def test_an_issuer_that_is_not_the_clusters_is_found_before_azure_refuses_its_tokens() -> None:
    config = {**KEYLESS, "cluster": {"oidcIssuer": "https://another.example.com/"}}
    assert said(FIT, config) == [f"cluster.oidcIssuer is https://another.example.com/: the cluster's own is {ISSUER}; set that"]
    assert said(FIT, {**KEYLESS, "cluster": {"oidcIssuer": ISSUER.rstrip("/")}}) == []


def test_the_identity_webhook_is_missed_only_by_those_who_need_it() -> None:
    without = replace(FIT, mutating_webhooks=())
    assert said(without) == []
    (line,) = said(without, KEYLESS)
    assert line.startswith("there is no workload identity webhook: ")


THEIR_GATEWAY = {"istio": {**EXISTING["istio"]}}
THEIR_MESH = Workload("istio-system", "istiod", (IMAGES["istio"],), labels={"app": "istiod"})


@pytest.mark.parametrize(
    ("ports", "grafana", "part"),
    [
        (None, {}, "istio.existing.gateway is edge/edge-gateway: there is no such Service"),
        ((8080,), {}, "gateway edge/edge-gateway does not listen at 80: "),
        ((80,), {"exposure": {"host": "grafana.example.com"}}, "gateway edge/edge-gateway does not listen at 443: "),
        ((80,), {}, ""),
        ((80, 443), {"exposure": {"host": "grafana.example.com"}}, ""),
    ],
)
def test_a_gateway_of_others_must_listen_where_people_come_in(ports: tuple[int, ...] | None, grafana: dict[str, Any], part: str) -> None:
    services = {} if ports is None else {("edge", "edge-gateway"): ports}
    lines = [
        line for line in said(replace(having(THEIR_MESH), services=services), {**THEIR_GATEWAY, "grafana": grafana}) if "gateway" in line
    ]
    assert len(lines) == bool(part)
    assert all(line.startswith(part) for line in lines)


def test_policies_that_nobody_enforces_are_worth_a_note() -> None:
    (line,) = notes(replace(FIT, workloads=()))
    assert line.startswith("nothing here enforces network policies: ")


@pytest.mark.parametrize("key", IMAGES)
def test_what_is_here_already_is_in_the_way_and_the_setting_that_takes_it_is_named(key: str) -> None:
    (line,) = said(having(Workload("theirs", "it", (IMAGES[key],))))
    assert "is here already, as theirs/it" in line
    assert line.endswith(f"set {key}.source to existing, or remove it first")


@pytest.mark.parametrize("key", IMAGES)
def test_the_stacks_own_is_not_in_its_own_way(key: str) -> None:
    namespace, release = OURS[key]
    assert said(having(Workload(namespace, "it", (IMAGES[key],), release))) == []
    assert len(said(having(Workload(namespace, "it", (IMAGES[key],), "another")))) == 1


def test_another_revision_of_the_mesh_may_stay() -> None:
    theirs = Workload("istio-system", "istiod-green", (IMAGES["istio"],), "istiod-green")
    assert said(having(theirs), {"istio": {"revision": "blue"}}) == []
    assert len(said(having(theirs))) == 1


def test_who_still_follows_a_control_plane_that_would_go_is_named() -> None:
    facts = replace(FIT, mesh_followers={"1-30-3": ("cart", "shop"), "prod": ("sample",)})
    chosen = {"istio": {"revision": "1-31-0", "tag": "prod"}}
    (line,) = notes(facts, chosen)
    assert line.startswith("cart, shop follow the mesh's revision 1-30-3, which is not in these settings: ")
    kept = {"istio": {**chosen["istio"], "canary": {"revision": "1-30-3"}}}
    assert notes(facts, kept) == []
    assert len(notes(replace(FIT, mesh_followers={"default": ("shop",)}), chosen)) == 1
    assert notes(replace(FIT, mesh_followers={"default": ("shop",)})) == []


@pytest.mark.parametrize("key", IMAGES)
def test_what_is_said_to_exist_must_be_here(key: str) -> None:
    lines = said(FIT, {key: EXISTING[key]})
    assert any(line.startswith(f"{key}.source is existing and") and line.endswith("set source to install") for line in lines)


def test_what_exists_elsewhere_than_said_is_found() -> None:
    facts = having(Workload("certs", "cert-manager", (IMAGES["certManager"],)))
    assert said(facts, {"certManager": EXISTING["certManager"]}) == [
        "cert-manager is in namespace certs, not in pki: set certManager.existing.namespace to certs"
    ]


def test_an_existing_prometheus_must_take_what_is_sent_to_it() -> None:
    operator = Workload("monitoring", "operator", (IMAGES["prometheus"],))
    config = {"prometheus": EXISTING["prometheus"]}
    deaf = replace(having(operator), prometheus_servers=(PrometheusServer("monitoring", "k8s", False, False, False),))
    assert [line.split(" lacks ")[1].split(": ")[0] for line in said(deaf, config)] == [
        "enableRemoteWriteReceiver",
        "enableOTLPReceiver",
        "enableFeatures",
    ]
    able = replace(deaf, prometheus_servers=(PrometheusServer("monitoring", "k8s", True, True, True),))
    assert said(able, config) == []
    assert said(having(operator), config) == ["prometheus.existing.namespace is monitoring: no Prometheus is there"]


def test_an_existing_mesh_must_know_the_collector() -> None:
    config = {"istio": {"source": "existing"}}
    facts = having(Workload("istio-system", "istiod", (IMAGES["istio"],), labels={"app": "istiod"}))
    (line,) = said(replace(facts, mesh_providers={"istio-system": ("otel",)}), config)
    assert line.startswith("the mesh in istio-system has no extension provider otel-tracing: ")
    assert said(replace(facts, mesh_providers={"istio-system": ("otel", "otel-tracing")}), config) == []


def test_what_blocks_stands_first() -> None:
    settings = parse({"grafanaAdminPassword": "x"})
    findings = judge(replace(FIT, version=(1, 20), workloads=(), default_storage_classes=("a", "b")), settings, plan(settings))
    assert [finding.blocks for finding in findings] == [True, False, False]


# asking


def items(*found: dict[str, Any]) -> dict[str, Any]:
    return {"items": list(found)}


def deployment(namespace: str, name: str, image: str, **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"namespace": namespace, "name": name, **metadata},
        "spec": {"template": {"spec": {"containers": [{"image": image}]}}},
    }


ANSWERS: dict[str, Any] = {
    "/version": {"major": "1", "minor": "33+"},
    "/apis/apps/v1/deployments": items(
        deployment("istio-system", "istiod", IMAGES["istio"], labels={"app": "istiod"}, annotations={"meta.helm.sh/release-name": "istiod"})
    ),
    "/apis/apps/v1/daemonsets": items(deployment("kube-system", "azure-npm", "npm:1")),
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations": items({"webhooks": [{"name": IDENTITY_WEBHOOK}]}, {}),
    "/apis/storage.k8s.io/v1/storageclasses": items(
        {"metadata": {"name": "default", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}},
        {"metadata": {"name": "fast"}},
    ),
    "/.well-known/openid-configuration": {"issuer": ISSUER},
    "/apis/monitoring.coreos.com/v1/prometheuses": items(
        {"metadata": {"namespace": "m", "name": "p"}, "spec": {"enableOTLPReceiver": True, "enableFeatures": ["exemplar-storage"]}}
    ),
    "/api/v1/services": items(
        {"metadata": {"namespace": "edge", "name": "edge-gateway"}, "spec": {"ports": [{"port": 80}, {"port": 443}]}}
    ),
    "/api/v1/namespaces": items(
        {"metadata": {"name": "old", "labels": {"istio-injection": "enabled"}}},
        {"metadata": {"name": "kube-system"}},
    ),
    "/api/v1/pods?labelSelector=istio.io/rev": items(
        {"metadata": {"name": "istiod-1", "namespace": "istio-system", "labels": {"istio.io/rev": "1-30-3", "app": "istiod"}}},
        {"metadata": {"name": "cart-1", "namespace": "shop", "labels": {"istio.io/rev": "default"}}},
    ),
    "/api/v1/namespaces/istio-system/configmaps": items(
        {"metadata": {"name": "istio"}, "data": {"mesh": "extensionProviders: [{name: otel}]"}},
        {"metadata": {"name": "istio-ca-root-cert"}},
    ),
}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[dict[str, Any], Path]]:
    """Answers of an API server by path, to be changed by a test, and a kubeconfig that leads to it."""
    answers = dict(ANSWERS)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answers.get(self.path, {})).encode()
            self.send_response(200 if self.path in answers else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Keeps the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
                "users": [{"name": "u", "user": {"token": "t"}}],
                "contexts": [{"name": "aks-dev", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "aks-dev",
            }
        )
    )
    yield answers, kubeconfig
    server.shutdown()
    server.server_close()


def ask(kubeconfig: Path, context: str | None = None) -> Facts:
    return preflight.ask(parse({"grafanaAdminPassword": "x", "cluster": {"kubeconfig": str(kubeconfig)}}), context)


def test_facts_are_what_the_api_server_says(cluster: tuple[dict[str, Any], Path]) -> None:
    facts = ask(cluster[1])
    assert facts.version == (1, 33)
    assert facts.default_storage_classes == ("default",)
    assert facts.issuer == ISSUER
    assert facts.mutating_webhooks == (IDENTITY_WEBHOOK,)
    assert facts.services == {("edge", "edge-gateway"): (80, 443)}
    assert [(w.namespace, w.name, w.release) for w in facts.workloads] == [
        ("istio-system", "istiod", "istiod"),
        ("kube-system", "azure-npm", None),
    ]
    assert facts.prometheus_servers == (PrometheusServer("m", "p", False, True, True),)
    assert facts.mesh_providers == {"istio-system": ("otel",)}
    assert facts.mesh_followers == {"default": ("old", "shop")}


def test_what_a_cluster_does_not_know_is_a_fact_too(cluster: tuple[dict[str, Any], Path]) -> None:
    answers, kubeconfig = cluster
    del answers["/apis/monitoring.coreos.com/v1/prometheuses"], answers["/.well-known/openid-configuration"]
    facts = ask(kubeconfig)
    assert facts.prometheus_servers == ()
    assert facts.issuer is None


def test_a_cluster_that_refuses_gets_one_line(cluster: tuple[dict[str, Any], Path]) -> None:
    del cluster[0]["/version"]
    with pytest.raises(ConfigurationError, match=r"^the cluster of the current context refuses to answer: 404 Not Found$"):
        ask(cluster[1])


def test_a_context_that_is_not_there_gets_one_line(cluster: tuple[dict[str, Any], Path]) -> None:
    with pytest.raises(ConfigurationError, match=r"^context prod cannot be used: "):
        ask(cluster[1], "prod")


def test_nobody_there_gets_one_line(cluster: tuple[dict[str, Any], Path]) -> None:
    text = yaml.safe_load(cluster[1].read_text())
    text["clusters"][0]["cluster"]["server"] = "http://127.0.0.1:9"
    cluster[1].write_text(yaml.safe_dump(text))
    with pytest.raises(ConfigurationError, match=r"^the cluster of the current context does not answer: ") as caught:
        ask(cluster[1])
    assert "\n" not in str(caught.value)


def test_the_command_says_what_is_in_the_way_and_ends_with_one(
    cluster: tuple[dict[str, Any], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(preflight, "ROOT", tmp_path)
    stack = {"istio-stack:cluster": {"kubeconfig": str(cluster[1])}, "istio-stack:grafanaAdminPassword": {"secure": "v1:x"}}
    (tmp_path / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": stack}))
    assert preflight.main(["--stack", "dev"]) == 0
    assert capsys.readouterr().out == "nothing in the way\n"
    cluster[0]["/version"] = {"major": "1", "minor": "28"}
    assert preflight.main(["--stack", "dev"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "blocks  Kubernetes is 1.28: upgrade to 1.31 or newer (`az aks upgrade`)",
        "1 in the way of stack dev, 0 to note",
    ]
    assert preflight.main(["--stack", "nope"]) == 2
    assert capsys.readouterr().err == "error: stack is nope: there is no Pulumi.nope.yaml\n"
