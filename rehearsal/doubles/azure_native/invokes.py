"""Functions: what a program asks Azure without making anything."""

import base64
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rehearsal.doubles.azure_native import catalogue, identity, ids
from rehearsal.doubles.azure_native.errors import ArmError, group_not_found, not_found
from rehearsal.doubles.azure_native.resource_manager import ResourceManager
from rehearsal.doubles.azure_native.settings import KUBECONFIG
from rehearsal.doubles.azure_native.store import Record
from rehearsal.doubles.kubernetes.errors import Refusal

KUBERNETES_VERSION = "1.36.3"
"""What the rehearsal's API server is."""
_CLUSTER = "Microsoft.ContainerService/managedClusters"
_CLUSTER_API = "2025-09-01"
_Answer = Callable[[ResourceManager, Mapping[str, Any]], dict[str, Any]]


def call(token: str, manager: ResourceManager, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What a function answers. Refusal where Azure would refuse, or where the double has no such function."""
    if token not in _FUNCTIONS:
        raise Refusal(f"the azure-native double has no function {token}; it knows {', '.join(sorted(_FUNCTIONS))}")
    given = {key: value for key, value in arguments.items() if value is not None}
    return _FUNCTIONS[token](manager, given)


def _client_config(manager: ResourceManager, arguments: Mapping[str, Any]) -> dict[str, Any]:
    settings = manager.settings
    subscription = f"/subscriptions/{settings.subscription}"
    return {
        "clientId": identity.principal_of(f"{subscription}/client"),
        "objectId": identity.principal_of(subscription),
        "subscriptionId": settings.subscription,
        "tenantId": settings.tenant,
    }


def _group(manager: ResourceManager, arguments: Mapping[str, Any]) -> dict[str, Any]:
    record = _found(manager, f"{_subscription(manager)}/resourceGroups/{_argument(arguments, 'resourceGroupName')}")
    known = {"name": ids.name_of(record.id), "type": catalogue.GROUP.arm_type, "properties": {"provisioningState": "Succeeded"}}
    return {**known, **record.outputs, "id": record.id, "azureApiVersion": catalogue.GROUP.api_version}


def _account_keys(manager: ResourceManager, arguments: Mapping[str, Any]) -> dict[str, Any]:
    name = _argument(arguments, "accountName")
    identifier = manager.identifier(
        catalogue.ACCOUNT, {"resourceGroupName": _argument(arguments, "resourceGroupName"), "accountName": name}
    )
    record = _found(manager, identifier)
    made = record.outputs.get("keyCreationTime", {})
    return {
        "keys": [
            {"keyName": label, "value": value, "permissions": "FULL", "creationTime": made.get(label, "")}
            for label, value in zip(("key1", "key2"), manager.blobs.keys(name), strict=True)
        ]
    }


def _cluster(manager: ResourceManager, arguments: Mapping[str, Any]) -> dict[str, Any]:
    record = _cluster_record(manager, arguments)
    name, location = ids.name_of(record.id), record.outputs.get("location", "westeurope")
    number = uuid.uuid5(uuid.NAMESPACE_URL, ids.key(record.id))
    known: dict[str, Any] = {
        "name": name,
        "type": _CLUSTER,
        "location": location,
        "kubernetesVersion": KUBERNETES_VERSION,
        "currentKubernetesVersion": KUBERNETES_VERSION,
        "provisioningState": "Succeeded",
        "powerState": {"code": "Running"},
        "dnsPrefix": name,
        "fqdn": f"{name}-{str(number)[:8]}.hcp.{location}.azmk8s.io",
        "nodeResourceGroup": f"MC_{ids.group_name(record.id)}_{name}_{location}",
        "enableRBAC": True,
        "oidcIssuerProfile": {"enabled": True, "issuerURL": issuer(manager, record.id, location)},
        "securityProfile": {"workloadIdentity": {"enabled": True}},
        "networkProfile": {
            "networkPlugin": "azure",
            "networkPluginMode": "overlay",
            "networkDataplane": "cilium",
            "networkPolicy": "cilium",
        },
    }
    # What the cluster is said to be counts; null takes something away.
    said = {**known, **record.outputs.get("properties", {}), "id": record.id, "azureApiVersion": _CLUSTER_API}
    return {key: value for key, value in said.items() if value is not None}


def issuer(manager: ResourceManager, identifier: str, location: str) -> str:
    """Where a cluster's issuer would be: an address like AKS's own, at which nobody answers."""
    number = uuid.uuid5(uuid.NAMESPACE_URL, ids.key(identifier))
    return f"https://{location}.oic.prod-aks.azure.com/{manager.settings.tenant}/{number}/"


def _cluster_credentials(manager: ResourceManager, arguments: Mapping[str, Any]) -> dict[str, Any]:
    _cluster_record(manager, arguments)
    path = manager.settings.kubeconfig
    if not path:
        raise Refusal(f"the azure-native double hands out a kubeconfig of the rehearsal: {KUBECONFIG} must name its file")
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise Refusal(f"{KUBECONFIG} names {path}, which cannot be read: {error.strerror}") from None
    return {"kubeconfigs": [{"name": "clusterUser", "value": base64.b64encode(text).decode()}]}


def _cluster_record(manager: ResourceManager, arguments: Mapping[str, Any]) -> Record:
    group, name = _argument(arguments, "resourceGroupName"), _argument(arguments, "resourceName")
    return _found(manager, f"{_subscription(manager)}/resourceGroups/{group}/providers/{_CLUSTER}/{name}")


def _subscription(manager: ResourceManager) -> str:
    return f"/subscriptions/{manager.settings.subscription}"


def _argument(arguments: Mapping[str, Any], name: str) -> str:
    if not isinstance(arguments.get(name), str):
        raise Refusal(f"missing required property '{name}'")
    return arguments[name]


def _found(manager: ResourceManager, identifier: str) -> Record:
    """A resource that a function is about; the refusal says which request failed, as the real plugin does."""
    with manager.store.opened() as records:
        record, group = records.get(identifier), records.get(ids.group_id(identifier))
    if record is not None:
        return record
    error: ArmError = group_not_found(ids.group_name(identifier))
    if group is not None:
        error = not_found(*ids.type_and_name(identifier), ids.group_name(identifier))
    raise Refusal(f"request failed {identifier}: {error}")


_FUNCTIONS: Mapping[str, _Answer] = {
    "azure-native:authorization:getClientConfig": _client_config,
    "azure-native:containerservice:getManagedCluster": _cluster,
    "azure-native:containerservice:listManagedClusterUserCredentials": _cluster_credentials,
    "azure-native:resources:getResourceGroup": _group,
    "azure-native:storage:listStorageAccountKeys": _account_keys,
}
