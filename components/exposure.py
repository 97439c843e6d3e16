"""The entrance: Grafana on a public host, through the mesh gateway, with a certificate of the stack's issuer.

Istio's own Gateway and VirtualService, as docs/decisions/0014-grafana-through-the-mesh-gateway.md says, which also has why http is
redirected by a route and not by the Gateway: ACME's challenges come over http, through the same host.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pulumi
from pulumi import ResourceOptions

from components.layer import Layer, LayerArgs
from components.topology import Entrance, Topology

HTTP, HTTPS = 80, 443


def configuration(topology: Topology) -> dict[str, Any]:
    """Sections of grafana.ini by which Grafana knows its public address; none where there is none."""
    entrance = topology.entrance
    if entrance is None:
        return {}
    return {
        "server": {"domain": entrance.host, "root_url": f"{entrance.url}/"},
        # https ends at the gateway, so Grafana cannot know by itself that its cookies travel over nothing else
        "security": {"cookie_secure": True, "strict_transport_security": True},
    }


def certificate_spec(topology: Topology, entrance: Entrance) -> dict[str, Any]:
    """Spec of the Certificate; renewed by cert-manager with a new key each time."""
    return {
        "secretName": entrance.secret,
        "dnsNames": [entrance.host],
        "issuerRef": {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": topology.issuer},
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
        "usages": ["digital signature", "server auth"],
    }


def gateway_spec(topology: Topology, entrance: Entrance) -> dict[str, Any]:
    """Spec of the Gateway: routes from Grafana's namespace alone may claim the host."""
    hosts = [f"{topology.grafana.namespace}/{entrance.host}"]
    tls = {"mode": "SIMPLE", "credentialName": entrance.secret, "minProtocolVersion": "TLSV1_2"}
    return {
        "selector": {"istio": topology.gateway_label},
        "servers": [
            {"port": {"number": HTTPS, "name": "https", "protocol": "HTTPS"}, "hosts": hosts, "tls": tls},
            {"port": {"number": HTTP, "name": "http", "protocol": "HTTP"}, "hosts": hosts},
        ],
    }


def virtual_service_spec(topology: Topology, entrance: Entrance) -> dict[str, Any]:
    """Spec of the VirtualService: https goes to Grafana, http to https.

    Istio puts routes for every path behind those for certain ones of the same host, whoever made them, so a challenge's path still
    goes to its solver. Source: istio pilot/pkg/networking/core/route/route.go, SortVHostRoutes.
    """
    service = topology.grafana
    return {
        "hosts": [entrance.host],
        "gateways": [f"{entrance.namespace}/{service.name}"],
        "http": [
            {
                "name": "grafana",
                "match": [{"port": HTTPS}],
                "route": [{"destination": {"host": service.host, "port": {"number": service.port}}}],
            },
            {"name": "to-https", "match": [{"port": HTTP}], "redirect": {"scheme": "https", "redirectCode": 301}},
        ],
    }


class Specs(NamedTuple):
    """What opens the entrance, in the order in which it is made."""

    certificate: dict[str, Any]
    gateway: dict[str, Any]
    route: dict[str, Any]


def specs(topology: Topology) -> Specs | None:
    """Specs of all three; None where Grafana has no public host."""
    entrance = topology.entrance
    if entrance is None:
        return None
    return Specs(certificate_spec(topology, entrance), gateway_spec(topology, entrance), virtual_service_spec(topology, entrance))


class Exposure(Layer):
    """Certificate, Gateway and VirtualService of Grafana's public host; nothing where settings name none."""

    token = "entrance:Exposure"

    def __init__(self, name: str, args: LayerArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(name, args, opts)
        found = specs(args.topology)
        if args.topology.entrance is not None and found is not None:
            self._open(args, args.topology.entrance, found)
        self.register_outputs({"url": args.topology.grafana_url})

    def _open(self, args: LayerArgs, entrance: Entrance, found: Specs) -> None:
        home = args.topology.grafana
        if args.settings.cert_manager.issuer == "selfSigned":
            said = f"grafana.exposure.host is {entrance.host}: certManager.issuer is selfSigned, so every browser warns of its certificate"
            pulumi.log.warn(said, self)
        # the gateway's pods read certificates in their own namespace only
        certificate = self._custom("cert-manager.io/v1", "Certificate", home.name, entrance.namespace, found.certificate, [])
        gateway = self._custom("networking.istio.io/v1", "Gateway", home.name, entrance.namespace, found.gateway, [certificate])
        self._custom("networking.istio.io/v1", "VirtualService", home.name, home.namespace, found.route, [gateway])
