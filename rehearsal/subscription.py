"""What stands for Azure in a rehearsal: the azure-native double, Azurite behind its storage accounts, and what a stack expects there."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal import console, kept_azurite, plugins, tools
from rehearsal.doubles.azure_native import ids
from rehearsal.doubles.azure_native import settings as names
from rehearsal.doubles.azure_native.catalogue import BY_TOKEN
from rehearsal.doubles.azure_native.resource_manager import ResourceManager
from rehearsal.plugins import Plugin

STATE = "azure.json"
"""Name of the file, beside a cluster's states, in which the double keeps what ARM would keep."""


@dataclass(frozen=True)
class Subscription:
    """The plugin that answers for Azure, and what to say of it."""

    plugin: Plugin
    description: str
    assumed: tuple[str, ...]
    """Ids of what the stack expects to be there, and the double takes as being there."""
    manager: ResourceManager
    """What ARM would hold, without a plugin around it."""

    def find(self, token: str, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
        """Id and outputs of the resource that such inputs make; None where there is none."""
        kind = BY_TOKEN[token]
        return self.manager.read(kind, self.manager.identifier(kind, inputs))


def is_wanted(config: Mapping[str, Any], project: str, checkpoint: Path) -> bool:
    """Whether a run needs Azure: its stack describes it, or has something there from before."""
    return bool(config.get(f"{project}:azure")) or (checkpoint.exists() and '"azure-native:' in checkpoint.read_text())


def prepare(
    root: Path, directory: Path, state: Path, stack: str, config: Mapping[str, Any], project: str, kubeconfig: Path
) -> Subscription:
    """Brings up what stands for Azure: `state` is the folder of the cluster's states, `kubeconfig` what an AKS cluster hands out."""
    azure = opened(config.get(f"{project}:azure"))
    cluster = opened(config.get(f"{project}:cluster"))
    accounts = list(_accounts(root, config, project, stack))
    running = kept_azurite.attach(directory)
    with console.step("Azurite", quiet_for=1.0 if running else 0.0):
        azurite = kept_azurite.start(directory, accounts)
    existing = list(assumed(azure, cluster))
    state.mkdir(parents=True, exist_ok=True)
    environment = {
        names.STATE: str((state / STATE).absolute()),
        names.AZURITE: azurite.address,
        names.EXISTING: json.dumps(existing),
        names.KUBECONFIG: str(kubeconfig),
    }
    identifiers = tuple(item["id"] for item in existing)
    served = f"Azurite at {azurite.address}" + (f" as {', '.join(accounts)}" if accounts else "")
    taken = f"; taken as there: {', '.join(map(_shown, identifiers))}" if identifiers else ""
    plugin = plugins.azure_double(directory, environment)
    variables = {f"azure-native:config:{key}": azure[key] for key in ("subscriptionId", "tenantId", "environment") if azure.get(key)}
    manager = ResourceManager(names.settings(variables, environment))
    return Subscription(plugin, f"{plugin.description}: nothing is made in Azure; blobs in {served}{taken}", identifiers, manager)


def assumed(azure: Mapping[str, Any], cluster: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What a stack names and does not make: its AKS cluster, a resource group of others, subnets and networks."""
    subscription, location = azure.get("subscriptionId", ""), azure.get("location", "")
    aks = cluster.get("aks") or {}
    if aks:
        managed = (
            f"/subscriptions/{subscription}/resourceGroups/{aks['resourceGroup']}/providers/Microsoft.ContainerService/managedClusters"
        )
        yield {"id": f"{managed}/{aks['name']}", "location": location}
    group = azure.get("resourceGroup") or {}
    if group.get("create") is False:
        yield {"id": f"/subscriptions/{subscription}/resourceGroups/{group['name']}", "location": location}
    network = azure.get("network") or {}
    private = network.get("privateEndpoint") or {}
    for identifier in [*(network.get("subnetIds") or []), private.get("virtualNetworkId"), private.get("subnetId")]:
        if identifier:
            yield {"id": identifier}


def opened(value: Any) -> dict[str, Any]:
    """A configuration value that is an object, as a stack file has it (an object) or as Pulumi hands it over (its JSON)."""
    return dict((json.loads(value) if isinstance(value, str) else value) or {})


def _accounts(root: Path, config: Mapping[str, Any], project: str, stack: str) -> Iterator[str]:
    """Storage accounts that Azurite must serve under their own names. Known to the program's own plan alone."""
    if root != tools.ROOT:
        return
    from components import config as border
    from components import topology

    settings = border.parse({key.removeprefix(f"{project}:"): value for key, value in config.items() if key.startswith(f"{project}:")})
    if settings.storage.kind == "azure":
        yield topology.plan(settings, project, stack).loki_blobs.account


def _shown(identifier: str) -> str:
    resource_type, name = ids.type_and_name(identifier)
    return f"{resource_type.rpartition('/')[2]} {name}"
