"""What facts about a cluster mean for a stack: pure, one function per question, each finding with its fix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from components.exposure import HTTP, HTTPS
from components.istio import ACCESS_LOG_PROVIDER, TRACING_PROVIDER
from components.preflight.facts import Facts, Workload
from components.settings import Settings
from components.settings_canary import UNNAMED
from components.topology import Release, Topology

OLDEST = (1, 31)
"""First version in which Job pod failure policies are stable, which our gates use. The charts ask for 1.25 at most."""
IDENTITY_WEBHOOK = "mutation.azure-workload-identity.io"
POLICY_ENGINES = ("azure-npm", "calico-node", "cilium", "antrea-agent", "kube-router", "anetd")
"""DaemonSets that enforce network policies; without one the API server takes policies and nobody acts on them."""


class Finding(NamedTuple):
    """Something about the cluster: what it is, and what to do."""

    blocks: bool
    """Whether `up` would fail, or run into what is there."""
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.what}: {self.fix}"


class Product(NamedTuple):
    """Something that a cluster may have already, known by the image it runs."""

    key: str
    name: str
    image: str
    release: Callable[[Topology], Release]


PRODUCTS = (
    Product("certManager", "cert-manager", "/cert-manager-controller:", lambda t: t.releases.cert_manager),
    Product("prometheus", "the Prometheus operator", "/prometheus-operator:", lambda t: t.releases.prometheus),
    Product("opentelemetry", "the OpenTelemetry operator", "/opentelemetry-operator:", lambda t: t.releases.otel_operator),
    Product("istio", "Istio", "/pilot:", lambda t: t.releases.istiod),
)


def judge(facts: Facts, settings: Settings, topology: Topology) -> list[Finding]:
    """All that a cluster lacks for a stack, or has already in its way; what blocks first."""
    found = [finding for question in QUESTIONS for finding in question(facts, settings, topology)]
    return sorted(found, key=lambda finding: not finding.blocks)


def _version(facts: Facts, _settings: Settings, _topology: Topology) -> Iterator[Finding]:
    if facts.version < OLDEST:
        here, needed = (".".join(map(str, version)) for version in (facts.version, OLDEST))
        yield Finding(True, f"Kubernetes is {here}", f"upgrade to {needed} or newer (`az aks upgrade`)")


def _storage_class(facts: Facts, _settings: Settings, _topology: Topology) -> Iterator[Finding]:
    classes = facts.default_storage_classes
    if not classes:
        yield Finding(
            True,
            "there is no default StorageClass",
            'volumes would stay pending; `kubectl annotate storageclass <name> storageclass.kubernetes.io/is-default-class="true"`',
        )
    elif len(classes) > 1:
        yield Finding(False, f"default StorageClasses are {', '.join(classes)}", "the newest is taken; leave one")


def _tokens_sign_in(settings: Settings) -> bool:
    """Whether Grafana shows Entra ID a token of the cluster."""
    entra = settings.grafana.entra_id
    return entra is not None and entra.client_authentication == "workloadIdentity"


def _issuer(facts: Facts, settings: Settings, _topology: Topology) -> Iterator[Finding]:
    if not settings.storage.keyless and not _tokens_sign_in(settings):
        return
    turn_on = "`az aks update --enable-oidc-issuer --enable-workload-identity` brings one that Azure can reach"
    if facts.issuer is None:
        yield Finding(False, "the OIDC issuer cannot be read", "workload identity needs one; check it with `az aks show`")
        return
    host = urlsplit(facts.issuer).hostname or ""
    if host.endswith((".cluster.local", ".svc", ".azmk8s.io")) or host == "kubernetes.default":
        yield Finding(True, f"the OIDC issuer is {facts.issuer}, inside the cluster", turn_on)
    elif settings.cluster.oidc_issuer is not None and settings.cluster.oidc_issuer.rstrip("/") != facts.issuer.rstrip("/"):
        yield Finding(True, f"cluster.oidcIssuer is {settings.cluster.oidc_issuer}", f"the cluster's own is {facts.issuer}; set that")


def _identity_webhook(facts: Facts, settings: Settings, _topology: Topology) -> Iterator[Finding]:
    if settings.storage.keyless and IDENTITY_WEBHOOK not in facts.mutating_webhooks:
        yield Finding(
            True,
            "there is no workload identity webhook",
            "`az aks update --enable-oidc-issuer --enable-workload-identity`, or set storage.auth to accountKey",
        )


def _network_policy(facts: Facts, _settings: Settings, _topology: Topology) -> Iterator[Finding]:
    if not any(workload.name.startswith(POLICY_ENGINES) for workload in facts.workloads):
        yield Finding(
            False,
            "nothing here enforces network policies",
            "policies would be taken and not acted on; `az aks update --network-dataplane cilium --network-policy cilium`",
        )


def _products(facts: Facts, settings: Settings, topology: Topology) -> Iterator[Finding]:
    sources = {
        "certManager": settings.cert_manager.source,
        "prometheus": settings.prometheus.source,
        "opentelemetry": settings.opentelemetry.source,
        "istio": settings.istio.source,
    }
    for product in PRODUCTS:
        found = [w for w in facts.workloads if any(product.image in f"/{image}" for image in w.images)]
        if sources[product.key] == "existing":
            yield from _missing(product, found, topology)
        else:
            yield from _in_the_way(product, found, settings, topology)


def _missing(product: Product, found: list[Workload], topology: Topology) -> Iterator[Finding]:
    expected = product.release(topology).namespace
    if not found:
        yield Finding(True, f"{product.key}.source is existing and {product.name} is not here", "set source to install")
    elif product.key in {"certManager", "istio"} and expected not in {w.namespace for w in found}:
        where = found[0].namespace
        yield Finding(
            True, f"{product.name} is in namespace {where}, not in {expected}", f"set {product.key}.existing.namespace to {where}"
        )


def _in_the_way(product: Product, found: list[Workload], settings: Settings, topology: Topology) -> Iterator[Finding]:
    canary = topology.releases.istiod_canary if product.key == "istio" else None
    ours = {(release.namespace, release.name) for release in (product.release(topology), canary) if release}
    for workload in found:
        if (workload.namespace, workload.release) in ours:
            continue  # this stack's own, from an earlier `up`
        if product.key == "istio" and settings.istio.revision is not None and not workload.name.endswith(f"-{settings.istio.revision}"):
            continue  # control planes of different revisions live side by side
        yield Finding(
            True,
            f"{product.name} is here already, as {workload.namespace}/{workload.name}",
            f"set {product.key}.source to existing, or remove it first",
        )


def _existing_prometheus(facts: Facts, settings: Settings, topology: Topology) -> Iterator[Finding]:
    if settings.prometheus.source != "existing":
        return
    namespace = topology.prometheus.namespace
    here = [server for server in facts.prometheus_servers if server.namespace == namespace]
    if not here:
        yield Finding(True, f"prometheus.existing.namespace is {namespace}", "no Prometheus is there")
    for server in here:
        for works, key, why in (
            (server.remote_write, "enableRemoteWriteReceiver: true", "span metrics would be refused"),
            (server.otlp, "enableOTLPReceiver: true", "the applications' metrics would be refused"),
            (server.exemplars, "enableFeatures: [exemplar-storage]", "no metric would lead to a trace"),
        ):
            if not works:
                yield Finding(True, f"Prometheus {namespace}/{server.name} lacks {key}", f"{why}; set it in its spec")


def _existing_mesh(facts: Facts, settings: Settings, topology: Topology) -> Iterator[Finding]:
    if settings.istio.source != "existing":
        return
    namespace = topology.releases.istiod.namespace
    there = facts.mesh_providers.get(namespace)
    missing = [name for name in (ACCESS_LOG_PROVIDER, TRACING_PROVIDER) if there is not None and name not in there]
    if missing:
        yield Finding(
            True,
            f"the mesh in {namespace} has no extension provider {', '.join(missing)}",
            "add them to its meshConfig as docs/operations.md shows, or requests leave neither log nor trace",
        )


def _existing_gateway(facts: Facts, settings: Settings, topology: Topology) -> Iterator[Finding]:
    if settings.istio.own_gateway:
        return
    gateway = topology.gateway
    ports = facts.services.get((gateway.namespace, gateway.name))
    wanted = (HTTP, HTTPS) if topology.entrance is not None else (HTTP,)
    missing = [str(port) for port in wanted if port not in (ports or ())]
    if ports is None:
        yield Finding(True, f"istio.existing.gateway is {gateway.namespace}/{gateway.name}", "there is no such Service; name the gateway's")
    elif missing:
        yield Finding(
            True,
            f"gateway {gateway.namespace}/{gateway.name} does not listen at {' and '.join(missing)}",
            "add the port to its Service, or remove istio.existing.gateway to get one that does",
        )


def _followers(facts: Facts, settings: Settings, _topology: Topology) -> Iterator[Finding]:
    """Before a control plane is removed, nobody follows it any more."""
    istio = settings.istio
    if istio.source == "existing" or istio.mode == "ambient":
        return
    served = {istio.revision or UNNAMED, istio.tag, istio.canary.revision if istio.canary else None}
    for revision, namespaces in facts.mesh_followers.items():
        if revision not in served:
            yield Finding(
                False,
                f"{', '.join(namespaces)} follow the mesh's revision {revision}, which is not in these settings",
                "where its control plane is one of this stack's, `up` removes it and new pods there start without a proxy: move them first "
                "or keep it as istio.canary (docs/upgrade.md)",
            )


QUESTIONS: tuple[Callable[[Facts, Settings, Topology], Iterator[Finding]], ...] = (
    _version,
    _storage_class,
    _issuer,
    _identity_webhook,
    _products,
    _existing_prometheus,
    _existing_mesh,
    _existing_gateway,
    _followers,
    _network_policy,
)
