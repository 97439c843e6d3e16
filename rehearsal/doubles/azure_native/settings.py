"""What the double is told: by the provider's arguments, and by the environment."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rehearsal.doubles.azure_native import ids
from rehearsal.doubles.kubernetes.errors import Refusal

_PREFIX = "azure-native:config:"
STATE = "REHEARSAL_AZURE_STATE"
"""The file that ARM's double keeps; the one variable that must be set."""
AZURITE = "REHEARSAL_AZURITE"
"""Azurite's address without account, http://127.0.0.1:<port>; needed as soon as a container is made, looked at or removed."""
EXISTING = "REHEARSAL_AZURE_EXISTING"
"""JSON list of what the subscription holds without our doing: ids, or objects with id, location, properties. Their parents exist, too."""
PROPAGATION = "REHEARSAL_AZURE_PROPAGATION_SECONDS"
"""How long role assignments and new identities take until all of Azure knows them (default 0)."""
KUBECONFIG = "REHEARSAL_KUBECONFIG"
"""Path of the kubeconfig that every AKS cluster hands out."""
# Recognizable as nobody's: what stands for the subscription and directory of a machine that has neither.
NO_SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"
NO_TENANT = "00000000-0000-4000-8000-000000000002"
_CLOUDS = {
    "": "public",
    "public": "public",
    "azurecloud": "public",
    "usgovernment": "usgovernment",
    "usgov": "usgovernment",
    "azureusgovernment": "usgovernment",
    "azureusgovernmentcloud": "usgovernment",
    "china": "china",
    "azurechinacloud": "china",
}
SUFFIXES = {"public": "core.windows.net", "usgovernment": "core.usgovcloudapi.net", "china": "core.chinacloudapi.cn"}
"""What the addresses of storage end with in each cloud."""


@dataclass(frozen=True)
class Settings:
    """What Configure and the environment said."""

    state: Path
    subscription: str = NO_SUBSCRIPTION
    tenant: str = NO_TENANT
    cloud: str = "public"
    location: str = ""
    """Where things go that have neither a location nor a group that has one."""
    azurite: str = ""
    """Address of Azurite, without account: `http://127.0.0.1:10000`."""
    existing: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """What is in the subscription without our doing, by ARM's key."""
    propagation_seconds: float = 0.0
    """How long a role assignment, and a new identity, takes until all of Azure knows it."""
    kubeconfig: str = ""
    """Path of the kubeconfig that AKS hands out."""


def settings(variables: Mapping[str, str], environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings from the engine's variables and the environment. Refuses what cannot be."""
    cloud = variables.get(f"{_PREFIX}environment", environment.get("ARM_ENVIRONMENT", ""))
    if cloud.lower() not in _CLOUDS:
        raise Refusal(f"environment is {cloud!r}: must be public, usgovernment or china")
    if not environment.get(STATE):
        raise Refusal(f"the azure-native double keeps what ARM would keep in a file: {STATE} must name it")
    return Settings(
        state=Path(environment[STATE]),
        subscription=variables.get(f"{_PREFIX}subscriptionId") or environment.get("ARM_SUBSCRIPTION_ID") or NO_SUBSCRIPTION,
        tenant=variables.get(f"{_PREFIX}tenantId") or environment.get("ARM_TENANT_ID") or NO_TENANT,
        cloud=_CLOUDS[cloud.lower()],
        location=variables.get(f"{_PREFIX}location", ""),
        azurite=environment.get(AZURITE, "").rstrip("/"),
        existing=_existing(environment.get(EXISTING, "")),
        propagation_seconds=_seconds(environment.get(PROPAGATION, "")),
        kubeconfig=environment.get(KUBECONFIG, ""),
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text or 0)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= 86_400:
        raise Refusal(f"{PROPAGATION} is {text!r}: must be a number of seconds, up to a day")
    return seconds


def _existing(text: str) -> dict[str, dict[str, Any]]:
    """What a JSON list names: ids, or objects with an id and whatever of the resource matters. What holds it exists, too."""
    try:
        listed = json.loads(text) if text else []
    except ValueError:
        raise Refusal(f"{EXISTING} is no JSON: must be a list of ids, or of objects with an id") from None
    found: dict[str, dict[str, Any]] = {}
    for item in listed if isinstance(listed, list) else [listed]:
        resource = {"id": item} if isinstance(item, str) else item
        identifier = resource.get("id") if isinstance(resource, dict) else None
        if not isinstance(identifier, str) or not ids.is_id(identifier):
            raise Refusal(f"{EXISTING} names {item!r}: must be a list of ids (/subscriptions/…), or of objects with an id")
        for outer in ids.ancestors(identifier):
            found.setdefault(ids.key(outer), {"id": outer})
        found[ids.key(identifier)] = resource
    return found
