"""Each rule: what passes, and one flaw at a time that does not."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from policies import rules
from policies.rules import Broken, Facts
from review.objects import HELM, Key, Object, of_azure, of_kubernetes

FACTS = Facts({"loki": "18.11.0", "gateway": "1.30.3"}, frozenset({"istio-ingress/istio-ingressgateway"}))
RESOURCES = {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "20m", "memory": "32Mi"}}
HARDENED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
POD = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
IMAGE = "docker.io/library/python:3.13.9-alpine"


def container(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "image": IMAGE, "resources": copy.deepcopy(RESOURCES), "securityContext": copy.deepcopy(HARDENED), **more}


def deployment(**pod: Any) -> dict[str, Any]:
    spec = {"securityContext": copy.deepcopy(POD), "containers": [container("main")], **pod}
    metadata = {"name": "shop", "namespace": "shop"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"template": {"spec": spec}}}


def release(chart: str = "loki", version: str | None = "18.11.0", values: dict[str, Any] | None = None) -> Object:
    body = {"kind": "Release", "spec": {"chart": chart, "version": version, "values": values or {}}}
    return Object(Key(HELM, "Release", "loki", "loki"), "logs", body, "loki/loki")


def judged(item: Object) -> list[tuple[str, str]]:
    return [(found.check, found.where) for found in rules.judge(item, FACTS)]


def account(**changes: Any) -> Object:
    good = {"allowBlobPublicAccess": False, "minimumTlsVersion": "TLS1_2", "enableHttpsTrafficOnly": True}
    return of_azure("azure-native:storage:StorageAccount", "account", good | changes, "storage")


def service(kind: str, release: str = "", **spec: Any) -> Object:
    metadata = {"name": "door", "namespace": "shop"}
    return of_kubernetes({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"type": kind, **spec}}, "x", release)


def kubernetes(kind: str, api: str = "v1", **body: Any) -> Object:
    return of_kubernetes({"apiVersion": api, "kind": kind, "metadata": {"name": "it", "namespace": "shop"}, **body}, "x")


GOOD: dict[str, Callable[[], Object]] = {
    "a restricted workload": lambda: of_kubernetes(deployment(), "x"),
    "an image by digest": lambda: of_kubernetes(deployment(containers=[container("a", image=f"ghcr.io/a/b@sha256:{'0' * 64}")]), "x"),
    "a registry with a port": lambda: of_kubernetes(deployment(containers=[container("a", image="localhost:5000/a/b:1.0")]), "x"),
    "a locked release": release,
    "a closed account": account,
    "a closed container": lambda: of_azure("azure-native:storage:BlobContainer", "c", {"publicAccess": "None"}, "storage"),
    "the gateway's Service": lambda: service("LoadBalancer", "istio-ingress/istio-ingressgateway"),
    "a restricted namespace": lambda: of_kubernetes(
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": "a", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        },
        "x",
    ),
    "a reference to a Secret": lambda: kubernetes("ConfigMap", data={"a.yaml": "password: ${PASSWORD}\n"}),
    "a Secret": lambda: kubernetes("Secret", stringData={"password": "hunter2"}),
    "a new TLS": lambda: kubernetes("Gateway", "networking.istio.io/v1", spec={"servers": [{"tls": {"minProtocolVersion": "TLSV1_2"}}]}),
    "a safe sysctl": lambda: of_kubernetes(
        deployment(securityContext={**POD, "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]}), "x"
    ),
    "an init container as good as the rest": lambda: of_kubernetes(deployment(initContainers=[container("first")]), "x"),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_as_it_should_be_breaks_nothing(name: str) -> None:
    assert judged(GOOD[name]()) == []


def with_container(**changes: Any) -> Object:
    return of_kubernetes(deployment(containers=[container("main", **changes)]), "x")


def with_context(**changes: Any) -> Object:
    return with_container(securityContext={**HARDENED, **changes})


def without(kind: str, unit: str) -> Object:
    resources = copy.deepcopy(RESOURCES)
    del resources[kind][unit]
    return with_container(resources=resources)


FLAWS: dict[str, tuple[Callable[[], Object], str]] = {
    "another version": (lambda: release(version="18.10.0"), "chart-version"),
    "no version": (lambda: release(version=None), "chart-version"),
    "a chart that is not locked": (lambda: release(chart="nginx"), "chart-version"),
    "latest": (lambda: with_container(image="nginx:latest"), "exact-image"),
    "no tag": (lambda: with_container(image="docker.io/library/nginx"), "exact-image"),
    "no tag but a port": (lambda: with_container(image="localhost:5000/nginx"), "exact-image"),
    "a branch": (lambda: with_container(image="nginx:main"), "exact-image"),
    "no CPU request": (lambda: without("requests", "cpu"), "resources"),
    "no memory request": (lambda: without("requests", "memory"), "resources"),
    "no CPU limit": (lambda: without("limits", "cpu"), "resources"),
    "no memory limit": (lambda: without("limits", "memory"), "resources"),
    "no resources": (lambda: with_container(resources=None), "resources"),
    "the node's network": (lambda: of_kubernetes(deployment(hostNetwork=True), "x"), "pod-security.host-namespaces"),
    "the node's processes": (lambda: of_kubernetes(deployment(hostPID=True), "x"), "pod-security.host-namespaces"),
    "the node's files": (
        lambda: of_kubernetes(deployment(volumes=[{"name": "a", "hostPath": {"path": "/"}}]), "x"),
        "pod-security.host-path",
    ),
    "another volume": (lambda: of_kubernetes(deployment(volumes=[{"name": "a", "nfs": {}}]), "x"), "pod-security.volumes"),
    "an unsafe sysctl": (
        lambda: of_kubernetes(deployment(securityContext={**POD, "sysctls": [{"name": "kernel.msgmax", "value": "1"}]}), "x"),
        "pod-security.sysctls",
    ),
    "privileged": (lambda: with_context(privileged=True), "pod-security.privileged"),
    "a port of the node": (lambda: with_container(ports=[{"containerPort": 80, "hostPort": 80}]), "pod-security.host-ports"),
    "escalation": (lambda: with_context(allowPrivilegeEscalation=True), "pod-security.privilege-escalation"),
    "escalation by silence": (lambda: with_context(allowPrivilegeEscalation=None), "pod-security.privilege-escalation"),
    "capabilities kept": (lambda: with_context(capabilities={"drop": ["NET_RAW"]}), "pod-security.capabilities"),
    "a capability added": (lambda: with_context(capabilities={"drop": ["ALL"], "add": ["NET_ADMIN"]}), "pod-security.capabilities"),
    "root by number": (lambda: with_context(runAsUser=0), "pod-security.run-as-non-root"),
    "root by silence": (
        lambda: of_kubernetes(deployment(securityContext={**POD, "runAsNonRoot": None}), "x"),
        "pod-security.run-as-non-root",
    ),
    "no seccomp": (lambda: of_kubernetes(deployment(securityContext={**POD, "seccompProfile": None}), "x"), "pod-security.seccomp"),
    "unconfined": (lambda: with_context(seccompProfile={"type": "Unconfined"}), "pod-security.seccomp"),
    "no AppArmor": (lambda: with_context(appArmorProfile={"type": "Unconfined"}), "pod-security.app-armor"),
    "another proc": (lambda: with_context(procMount="Unmasked"), "pod-security.proc-mount"),
    "another SELinux type": (lambda: with_context(seLinuxOptions={"type": "spc_t"}), "pod-security.se-linux"),
    "a host process": (lambda: with_context(windowsOptions={"hostProcess": True}), "pod-security.host-process"),
    "a root to write to": (lambda: with_context(readOnlyRootFilesystem=False), "pod-security.read-only-root"),
    "an init container alone": (
        lambda: of_kubernetes(deployment(initContainers=[container("first", securityContext={**HARDENED, "privileged": True})]), "x"),
        "pod-security.privileged",
    ),
    "a Job": (lambda: kubernetes("Job", "batch/v1", spec={"template": {"spec": {"hostIPC": True}}}), "pod-security.host-namespaces"),
    "a CronJob": (
        lambda: kubernetes("CronJob", "batch/v1", spec={"jobTemplate": {"spec": {"template": {"spec": {"hostIPC": True}}}}}),
        "pod-security.host-namespaces",
    ),
    "a namespace without a level": (
        lambda: of_kubernetes({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}, "x"),
        "namespace-security",
    ),
    "a password in a ConfigMap": (lambda: kubernetes("ConfigMap", data={"a.yaml": "password: hunter2\nuser: me\n"}), "no-secret-literal"),
    "a key in an argument": (
        lambda: with_container(args=[f"AccountKey={'A' * 86}==;"]),
        "no-secret-literal",
    ),
    "a password in values": (lambda: release(values={"adminPassword": "hunter2"}), "no-secret-literal"),
    "public blobs": (lambda: account(allowBlobPublicAccess=True), "no-public-blob"),
    "public blobs by silence": (lambda: account(allowBlobPublicAccess=None), "no-public-blob"),
    "a public container": (
        lambda: of_azure("azure-native:storage:BlobContainer", "c", {"publicAccess": "Blob"}, "storage"),
        "no-public-blob",
    ),
    "an old TLS": (lambda: account(minimumTlsVersion="TLS1_1"), "tls"),
    "no TLS version": (lambda: account(minimumTlsVersion=None), "tls"),
    "plain HTTP": (lambda: account(enableHttpsTrafficOnly=False), "tls"),
    "an old TLS at a gateway": (
        lambda: kubernetes("Gateway", "networking.istio.io/v1", spec={"servers": [{"tls": {"minProtocolVersion": "TLSV1_1"}}]}),
        "tls",
    ),
    "an old TLS in values": (lambda: release(values={"server": {"minVersion": "VersionTLS10"}}), "tls"),
    "a load balancer": (lambda: service("LoadBalancer", "loki/loki"), "no-load-balancer"),
    "a port of every node": (lambda: service("NodePort"), "no-load-balancer"),
    "an external address": (lambda: service("ClusterIP", externalIPs=["203.0.113.7"]), "no-load-balancer"),
    "a load balancer in values": (lambda: release(values={"gateway": {"service": {"type": "LoadBalancer"}}}), "no-load-balancer"),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_flaw_is_found_by_its_rule_and_no_other(flaw: str) -> None:
    make, check = FLAWS[flaw]
    assert {found for found, _ in judged(make())} == {check}


def test_every_rule_is_seen_to_fail() -> None:
    assert {check.partition(".")[0] for _, check in FLAWS.values()} == set(rules.RULES)


def test_what_a_rule_says_names_the_object_the_place_and_what_is_wrong() -> None:
    (found,) = rules.judge(with_container(image="nginx:latest"), FACTS)
    assert found == Broken("exact-image", Key("apps", "Deployment", "shop", "shop"), "main", "image nginx:latest has a tag that moves")


# what operators make of custom resources


def made(kind: str, api: str, spec: dict[str, Any]) -> Iterator[str]:
    return (check for check, _ in judged(kubernetes(kind, api, spec=spec)))


def test_prometheus_and_alertmanager_are_judged_as_the_pods_that_their_operator_makes() -> None:
    good = {"resources": RESOURCES, "securityContext": POD, "image": "quay.io/prometheus/prometheus:v3.14.0"}
    for kind in ("Prometheus", "Alertmanager"):
        api = "monitoring.coreos.com/v1"
        assert list(made(kind, api, good)) == []
        assert set(made(kind, api, {**good, "resources": {}})) == {"resources"}
        assert set(made(kind, api, {**good, "image": "prometheus:latest"})) == {"exact-image"}
        assert set(made(kind, api, {**good, "securityContext": {**POD, "runAsNonRoot": False}})) == {"pod-security.run-as-non-root"}


def test_a_collector_is_judged_as_the_pod_that_its_operator_makes() -> None:
    good = {"resources": RESOURCES, "podSecurityContext": POD, "securityContext": HARDENED, "image": "otel:0.158.0"}
    assert list(made("OpenTelemetryCollector", "opentelemetry.io/v1beta1", good)) == []
    flawed = {**good, "securityContext": {}}
    assert "pod-security.capabilities" in set(made("OpenTelemetryCollector", "opentelemetry.io/v1beta1", flawed))


def test_each_language_of_an_instrumentation_is_an_init_container_and_go_a_privileged_one() -> None:
    good = {"initContainerSecurityContext": HARDENED, "java": {"resources": RESOURCES}, "python": {"resourceRequirements": RESOURCES}}
    assert list(made("Instrumentation", "opentelemetry.io/v1alpha1", good)) == []
    assert list(made("Instrumentation", "opentelemetry.io/v1alpha1", {**good, "python": {"resources": RESOURCES}})) == ["resources"]
    found = set(made("Instrumentation", "opentelemetry.io/v1alpha1", {**good, "go": {"resourceRequirements": RESOURCES}}))
    assert "pod-security.privileged" in found


def test_what_answers_acme_challenges_must_be_sized() -> None:
    def solvers(resources: Any) -> dict[str, Any]:
        return {"acme": {"solvers": [{"http01": {"ingress": {"podTemplate": {"spec": {"resources": resources}}}}}]}}

    assert list(made("ClusterIssuer", "cert-manager.io/v1", solvers(RESOURCES))) == []
    assert list(made("ClusterIssuer", "cert-manager.io/v1", solvers(None))) == ["resources"]
