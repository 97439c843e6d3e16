"""Which pods a node of the signal graph is, and which stand behind a Service: charts and operators name both."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields

from components.addresses import Release
from components.signals.configured import Configured
from components.topology import kube_prometheus_fullname

NAME, INSTANCE, COMPONENT = (f"app.kubernetes.io/{part}" for part in ("name", "instance", "component"))
NAMESPACE = "kubernetes.io/metadata.name"
"""The label with its own name that Kubernetes gives every namespace."""


@dataclass(frozen=True, slots=True, order=True)
class Pods:
    """Pods by namespace and labels, as a policy selects them."""

    name: str
    """What they are called, and the policy that guards them."""
    namespace: str
    """Empty for every namespace."""
    labels: tuple[tuple[str, str], ...] = ()


ANYONE = Pods("anyone", "")
"""Every pod of the cluster: applications send signals from wherever they are, and so do proxies."""


@dataclass(frozen=True, slots=True)
class Door:
    """A Service: the pods behind it, and at which of their ports its own port arrives where that is another."""

    pods: Pods
    ports: tuple[tuple[int, int], ...] = ()

    def port(self, of_service: int) -> int:
        """The pods' port that a port of the Service leads to."""
        return dict(self.ports).get(of_service, of_service)


METRICS = {
    "istiod": (15014,),
    "cert-manager": (9402,),
    "collector": (8888,),
    "tail": (8888,),
    "tempo": (3200,),
    # the second is memcached's exporter, which Loki's monitor finds as well
    "loki": (3100, 9150),
    "alloy": (12345,),
    "grafana": (3000,),
    "operator": (8443,),
}
"""Node to the ports of its pods that give metrics; a test follows every monitor to its pods."""


def collector_pods(namespace: str, name: str) -> Pods:
    """Pods of an OpenTelemetryCollector. Source: opentelemetry-operator internal/manifests/manifestutils/labels.go, `SelectorLabels`."""
    labels = ((COMPONENT, "opentelemetry-collector"), (INSTANCE, f"{namespace}.{name}"))
    return Pods(f"{name}-collector", namespace, labels)


def _of_release(release: Release, component: str = "", name: str = "") -> Pods:
    labels = ((NAME, name or release.name), *(((COMPONENT, component),) if component else ()))
    return Pods("-".join(filter(None, (release.name, component))), release.namespace, labels)


def pods_of(node: str, c: Configured) -> Pods:
    """The pods that a node of the graph is; KeyError for a node that nobody has placed here."""
    names, releases = c.topology, c.topology.releases
    places = {
        **dict.fromkeys(("applications", "sidecars", "waypoints", "pods"), ANYONE),
        "gateway": Pods("gateway", names.gateway.namespace, (("istio", names.gateway_label),)),
        "istiod": Pods("istiod", releases.istiod.namespace, (("app", "istiod"),)),
        "cert-manager": Pods("cert-manager", releases.cert_manager.namespace, ((INSTANCE, releases.cert_manager.name),)),
        "operator": _of_release(releases.otel_operator),
        "collector": collector_pods(names.telemetry_namespace, names.collector),
        "tail": collector_pods(names.telemetry_namespace, names.tail_collector),
        "tempo": _of_release(releases.tempo),
        "generator": _of_release(releases.tempo),  # a part of Tempo in either mode
        "loki": _of_release(releases.loki),
        "prometheus": _prometheus(c),
        "alloy": _of_release(releases.alloy),
        "grafana": _of_release(releases.grafana),
    }
    return places[node]


def _prometheus(c: Configured) -> Pods:
    """Ours by its labels; the cluster's own by its namespace, as nobody knows how it is labelled."""
    labels = ((NAME, "prometheus"),) if c.prometheus is not None else ()
    return Pods("prometheus", c.topology.prometheus.namespace, labels)


def own_namespaces(c: Configured) -> set[str]:
    """Namespaces that this stack makes for what it runs; not those of what the cluster has already."""
    every: list[Release | None] = [getattr(c.topology.releases, field.name) for field in fields(c.topology.releases)]
    azurite = {blobs.endpoint.namespace for blobs in (c.topology.tempo_blobs, c.topology.loki_blobs) if blobs.endpoint}
    installed = {release.namespace for release in every if release is not None and release.chart in c.topology.charts}
    return installed | azurite | {c.topology.telemetry_namespace}


def doors(c: Configured) -> dict[str, Door]:
    """Host (`<name>.<namespace>`) to what stands behind it, of every Service that takes signals and is guarded here."""
    return dict(_doors(c))


def _doors(c: Configured) -> Iterator[tuple[str, Door]]:
    names, releases = c.topology, c.topology.releases
    tempo, loki = releases.tempo, releases.loki
    if tempo.chart == "tempo":
        yield f"{tempo.name}.{tempo.namespace}", Door(_of_release(tempo))
    else:
        for part in ("distributor", "query-frontend"):
            yield f"{tempo.name}-{part}.{tempo.namespace}", Door(_of_release(tempo, part))
    yield f"{loki.name}-gateway.{loki.namespace}", Door(_of_release(loki, "gateway"), ((80, 8080),))
    yield f"{loki.name}.{loki.namespace}", Door(_of_release(loki, "single-binary"))
    yield f"{releases.grafana.name}.{releases.grafana.namespace}", Door(_of_release(releases.grafana), ((80, 3000),))
    azurite = names.azurite
    yield f"{azurite.name}.{azurite.namespace}", Door(Pods(azurite.name, azurite.namespace, ((NAME, azurite.name),)))
    if c.prometheus is not None:
        prometheus = releases.prometheus
        yield f"{kube_prometheus_fullname(prometheus.name)}-prometheus.{prometheus.namespace}", Door(_prometheus(c))


def door(host: str, c: Configured) -> Door | None:
    """What stands behind a host; None where that is no Service, or one that is not this stack's."""
    made = re.fullmatch(rf"([a-z0-9-]+)-collector(?:-headless|-monitoring)?\.{c.topology.telemetry_namespace}", host)
    if made:  # by the operator, whichever collector it is of
        return Door(collector_pods(c.topology.telemetry_namespace, made[1]))
    return doors(c).get(host)
