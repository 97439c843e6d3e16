"""Rules between Grafana's settings and those of other layers, as in components/settings_rules.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from components.settings import Settings

PRIVATE_NAMES = ("internal", "invalid", "lan", "local", "localhost", "test")
"""Last labels of names that no public authority signs (RFC 2606, RFC 6762 and what networks use by habit)."""
PUBLIC_AUTHORITIES = (".letsencrypt.org",)


def _the_host_is_reached(settings: Settings) -> Iterator[str]:
    exposure = settings.grafana.exposure
    if exposure is not None and settings.istio.own_gateway and settings.istio.gateway_service == "ClusterIP":
        yield f"grafana.exposure.host is {exposure.host}: istio.gatewayService is ClusterIP, so nobody outside reaches it; set LoadBalancer"


def _the_authority_signs_the_host(settings: Settings) -> Iterator[str]:
    exposure, acme = settings.grafana.exposure, settings.cert_manager.acme
    if exposure is None or acme is None or not f".{urlsplit(acme.server).hostname}".endswith(PUBLIC_AUTHORITIES):
        return
    if exposure.host.rpartition(".")[2] in PRIVATE_NAMES:
        yield (
            f"grafana.exposure.host is {exposure.host}: {urlsplit(acme.server).hostname} signs public names only; take one, "
            "or certManager.issuer selfSigned"
        )


def _sign_in_needs_an_address(settings: Settings) -> Iterator[str]:
    if settings.grafana.entra_id is not None and settings.grafana.exposure is None:
        yield "grafana.entraId is set: Entra ID sends browsers back to https://<host>/login/azuread; set grafana.exposure.host"


def _the_tenant_is_said(settings: Settings) -> Iterator[str]:
    entra = settings.grafana.entra_id
    if entra is not None and entra.tenant_id is None and settings.azure is None:
        yield "grafana.entraId.tenantId is missing: it must say whose people may sign in, as azure.tenantId is not set"


def _entra_knows_the_issuer(settings: Settings) -> Iterator[str]:
    entra = settings.grafana.entra_id
    known = settings.cluster.aks is not None or settings.cluster.oidc_issuer is not None
    if entra is not None and entra.client_authentication == "workloadIdentity" and not known:
        yield (
            "grafana.entraId.clientAuthentication is workloadIdentity: Entra ID must know the issuer of the cluster's tokens; "
            "set cluster.oidcIssuer or cluster.aks, or clientSecret"
        )


RULES = (
    _the_host_is_reached,
    _the_authority_signs_the_host,
    _sign_in_needs_an_address,
    _the_tenant_is_said,
    _entra_knows_the_issuer,
)
