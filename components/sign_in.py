"""Who signs in to Grafana: Microsoft Entra ID, as chart values of Grafana's `auth.azuread`. Pure; nothing of it is a secret.

The administrator's password goes on working beside it, for the day on which Entra ID does not answer (docs/grafana.md).
"""

from __future__ import annotations

from typing import Any

from components.names_azure import AUDIENCE, LOGIN_HOSTS
from components.settings import Settings
from components.settings_grafana import EntraIdSettings
from components.topology import SecretKey, Topology

SECTION = "auth.azuread"
SECRET_VARIABLE = "GF_AUTH_AZUREAD_CLIENT_SECRET"
"""Environment variable that Grafana reads in the place of `client_secret`, so that no chart value holds or names one."""
TOKEN_VOLUME, TOKEN_FOLDER, TOKEN_FILE = "entra-id-token", "/var/run/secrets/entra-id", "token"
TOKEN_SECONDS = 3600
"""How long a token is good for; the kubelet writes a new one in time, and Grafana reads the file at every sign-in."""
ORGANISATION = 1
"""Id of Grafana's one organisation, in which people get their roles."""


def values(settings: Settings, topology: Topology) -> dict[str, Any]:
    """Helm values of the chart grafana that let people of one tenant in; none where settings do not ask for it."""
    entra = settings.grafana.entra_id
    if entra is None:
        return {}
    return {"grafana.ini": {SECTION: configuration(settings, entra)}, **_credential(entra, topology)}


def configuration(settings: Settings, entra: EntraIdSettings) -> dict[str, Any]:
    """Grafana's section `auth.azuread`; what it does not say is Grafana's default: PKCE, refresh tokens, no server administrators."""
    azure = settings.azure
    tenant = entra.tenant_id or (azure.tenant_id if azure else "")
    endpoints = f"https://{LOGIN_HOSTS[azure.environment if azure else 'public']}/{tenant}/oauth2/v2.0"
    section: dict[str, Any] = {
        "enabled": True,
        "name": "Microsoft Entra ID",
        "client_id": entra.client_id,
        "auth_url": f"{endpoints}/authorize",
        "token_url": f"{endpoints}/token",
        # who comes from another tenant, and who has no role, stays out instead of becoming a viewer
        "allowed_organizations": tenant,
        "role_attribute_strict": True,
    }
    if entra.groups is not None:
        section["org_mapping"] = " ".join(f"{group}:{ORGANISATION}:{role}" for role, groups in entra.groups.by_role() for group in groups)
    if entra.client_authentication == "clientSecret":
        return section | {"client_authentication": "client_secret_post"}
    return section | {
        "client_authentication": "workload_identity",
        "workload_identity_token_file": f"{TOKEN_FOLDER}/{TOKEN_FILE}",
        "federated_credential_audience": AUDIENCE,
    }


def secrets(settings: Settings, topology: Topology) -> tuple[SecretKey, ...]:
    """The Secret that Grafana needs for it, if it needs one."""
    entra = settings.grafana.entra_id
    return (topology.grafana_client,) if entra is not None and entra.client_authentication == "clientSecret" else ()


def _credential(entra: EntraIdSettings, topology: Topology) -> dict[str, Any]:
    """How Grafana's container gets what it shows Entra ID: the secret by reference, or a token of its own ServiceAccount.

    The token is a volume of ours instead of the workload identity webhook's work, so that no webhook stands between a new pod and sign-in.
    """
    if entra.client_authentication == "clientSecret":
        return {"envValueFrom": {SECRET_VARIABLE: {"secretKeyRef": topology.grafana_client.reference}}}
    token = {"serviceAccountToken": {"audience": AUDIENCE, "expirationSeconds": TOKEN_SECONDS, "path": TOKEN_FILE}}
    return {
        # mounted into Grafana's container alone: extraSecretMounts would hand the token to the one that downloads dashboards, too
        "extraContainerVolumes": [{"name": TOKEN_VOLUME, "projected": {"sources": [token]}}],
        "extraVolumeMounts": [{"name": TOKEN_VOLUME, "mountPath": TOKEN_FOLDER, "readOnly": True}],
    }
