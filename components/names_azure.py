"""Names in Azure, made from settings alone: the storage account, its addresses in each cloud, roles and their assignments."""

from __future__ import annotations

from hashlib import sha256
from string import ascii_lowercase, digits
from uuid import UUID, uuid5

from components.settings_azure import AzureSettings

STORAGE_SUFFIXES = {"public": "core.windows.net", "usgovernment": "core.usgovcloudapi.net", "china": "core.chinacloudapi.cn"}
"""What the names of storage hosts end with in each cloud."""
BLOB_DATA_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
"""Storage Blob Data Contributor: read, write and delete blobs. The same GUID in every subscription of every cloud.
https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/storage"""
AUDIENCE = "api://AzureADTokenExchange"
"""What tokens of ServiceAccounts are for that Entra ID takes for its own, in every cloud; a federated credential must say the same. It is
what the workload identity webhook puts into pods: azure-workload-identity pkg/webhook/consts.go, DefaultAudience."""
LOGIN_HOSTS = {
    "public": "login.microsoftonline.com",
    "usgovernment": "login.microsoftonline.us",
    "china": "login.partner.microsoftonline.cn",
}
"""Where Entra ID signs people in, in each cloud. https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud"""
ASSIGNMENTS = UUID("429050a5-ffe5-413e-a1c0-35c9de9881d4")
"""Namespace of our role assignments' names: any UUID, but never another one."""
_ACCOUNT_LETTERS = frozenset(ascii_lowercase + digits)


def account_name(project: str, stack: str, azure: AzureSettings) -> str:
    """Name of the storage account: what settings say, or one that no other stack or subscription has. At most 24 characters.

    Known before the account exists, so that chart values hold no unknown.
    """
    if azure.account_name is not None:
        return azure.account_name
    digest = sha256(f"{project}/{stack}/{azure.subscription_id}".encode()).hexdigest()
    stem = "".join(c for c in f"{project}{stack}".lower() if c in _ACCOUNT_LETTERS)
    return f"{stem[:14]}{digest[:10]}"


def blob_suffix(azure: AzureSettings) -> str:
    """What follows the account in the host of its blobs."""
    return f"blob.{STORAGE_SUFFIXES[azure.environment]}"


def private_zone(azure: AzureSettings) -> str:
    """The private DNS zone in which the account's name points at its private endpoint."""
    return f"privatelink.{blob_suffix(azure)}"


def subscription_path(azure: AzureSettings) -> str:
    """The subscription's id as ARM spells it."""
    return f"/subscriptions/{azure.subscription_id}"


def role_definition_id(azure: AzureSettings, role: str) -> str:
    """Id of a built-in role in the subscription."""
    return f"{subscription_path(azure)}/providers/Microsoft.Authorization/roleDefinitions/{role}"


def assignment_name(*parts: str) -> str:
    """Name of a role assignment, which must be a GUID: the same for the same parts, and for no others."""
    return str(uuid5(ASSIGNMENTS, "/".join(parts)))
