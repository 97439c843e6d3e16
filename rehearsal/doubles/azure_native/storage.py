"""Microsoft.Storage: accounts. Their blob service, containers and lifecycle are in storage_parts."""

import ipaddress
from typing import Any

from rehearsal.doubles.azure_native import catalogue, identity, ids
from rehearsal.doubles.azure_native.errors import ArmError, linked_id_invalid
from rehearsal.doubles.azure_native.locations import PAIRED
from rehearsal.doubles.azure_native.request import Request, now
from rehearsal.doubles.azure_native.settings import SUFFIXES
from rehearsal.doubles.azure_native.store import Record

_SERVICES = ("blob", "dfs", "file", "queue", "table", "web")
_NETWORK = {"bypass": "AzureServices", "defaultAction": "Allow", "ipRules": [], "virtualNetworkRules": []}
_UNCHANGEABLE = ("isHnsEnabled", "enableNfsV3", "dnsEndpointType", "immutableStorageWithVersioning")
# REST's names in messages, where the SDK has others.
_REST = {"enableNfsV3": "isNfsV3Enabled"}
DEFAULTS: dict[str, Any] = {"networkRuleSet": _NETWORK}
"""What Azure takes an argument for that was there and is not any more; the real plugin asks for these by name."""


def put_account(request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    """Creates or changes a storage account."""
    name = request.name
    for other in request.records.all():
        is_account = ids.type_and_name(other.id)[0].lower() == catalogue.ACCOUNT.arm_type.lower()
        if is_account and ids.name_of(other.id) == name and ids.key(other.id) != ids.key(request.id):
            raise ArmError(409, "StorageAccountAlreadyTaken", f"The storage account named {name} is already taken.")
    _check_values(request)
    _check_network(request)
    if request.before is not None:
        _check_change(request)
    # What a request does not mention stays as it was, except tags.
    body = {**{key: value for key, value in request.was.items() if key in catalogue.ACCOUNT.body}, "tags": {}, **request.body}
    made = request.was.get("creationTime") or now()
    sku, location = body["sku"]["name"], body["location"]
    outputs = request.outputs(
        **_defaults(body, made),
        **body,
        **_endpoints(request, sku, location),
        provisioningState="Succeeded",
        creationTime=made,
        keyCreationTime={"key1": made, "key2": made},
        primaryLocation=location,
        statusOfPrimary="available",
        privateEndpointConnections=request.was.get("privateEndpointConnections", []),
    )
    outputs["sku"] = {"name": sku, "tier": sku.partition("_")[0]}
    outputs["networkRuleSet"] = {**_NETWORK, **outputs["networkRuleSet"]}
    if "identity" in body:
        outputs["identity"] = _identity(request, body["identity"])
    return outputs, {}


def see_account(record: Record, connections: list[dict[str, Any]]) -> dict[str, Any]:
    """An account as it is read: with the private endpoints that lead to it now."""
    return {**record.outputs, "privateEndpointConnections": connections}


def _defaults(body: dict[str, Any], made: str) -> dict[str, Any]:
    service = {"enabled": True, "keyType": "Account", "lastEnabledTime": made}
    defaults = {
        "allowBlobPublicAccess": False,
        "allowCrossTenantReplication": False,
        "enableHttpsTrafficOnly": True,
        "minimumTlsVersion": "TLS1_0",
        "networkRuleSet": _NETWORK,
        "encryption": {"keySource": "Microsoft.Storage", "services": {"blob": service, "file": service}},
        **({"accessTier": "Hot"} if body["kind"] in ("StorageV2", "BlobStorage") else {}),
    }
    return {key: value for key, value in defaults.items() if key not in body}


def _endpoints(request: Request, sku: str, location: str) -> dict[str, Any]:
    suffix = SUFFIXES[request.settings.cloud]
    found: dict[str, Any] = {"primaryEndpoints": {service: f"https://{request.name}.{service}.{suffix}/" for service in _SERVICES}}
    if "GRS" in sku or "GZRS" in sku:
        found |= {"secondaryLocation": PAIRED.get(location), "statusOfSecondary": "available"}
    if "_RA" in sku:
        found["secondaryEndpoints"] = {
            service: f"https://{request.name}-secondary.{service}.{suffix}/" for service in _SERVICES if service != "file"
        }
    return found


def _identity(request: Request, wanted: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"type": wanted["type"]}
    if "SystemAssigned" in wanted["type"]:
        found |= {"principalId": identity.principal_of(request.id), "tenantId": request.settings.tenant}
    # Kept from before they are a map already.
    users = {}
    for user in wanted.get("userAssignedIdentities", []):
        record = request.records.get(user)
        if record is None:
            raise ArmError(
                400,
                "FailedIdentityOperation",
                f"Identity operation for resource '{request.id}' failed: the identity '{user}' was not found.",
            )
        users[user] = {key: record.outputs[key] for key in ("clientId", "principalId")}
    return {**found, **({"userAssignedIdentities": users} if users else {})}


def _check_values(request: Request) -> None:
    body, wrong = request.body, []
    if body["kind"] == "BlobStorage" and "accessTier" not in body and not request.was:
        wrong.append("accessTier")
    premium = body["sku"]["name"].startswith("Premium")
    if body["kind"] in (("BlobStorage",) if premium else ("BlockBlobStorage", "FileStorage")):
        wrong.append("sku.name")
    if any(not _is_public(rule["iPAddressOrRange"]) for rule in body.get("networkRuleSet", {}).get("ipRules", [])):
        wrong.append("networkAcls.ipRule[*].value")
    if wrong:
        raise invalid_values(wrong)
    if "GRS" in body["sku"]["name"] and body["location"] not in PAIRED:
        raise ArmError(
            409,
            "SkuNotAvailable",
            f"The requested SKU {body['sku']['name']} is not available in the region {body['location']}, which is paired with no other.",
        )


def invalid_values(paths: list[str]) -> ArmError:
    """Values that the storage provider does not take, by their REST names."""
    return ArmError(
        400,
        "InvalidValuesForRequestParameters",
        f"Values for request parameters are invalid: {','.join(paths)}. For more information, see - https://aka.ms/storageaccountparams",
    )


def _is_public(address: str) -> bool:
    """Whether the firewall takes an address: public IPv4, and no range so small that the addresses are to be listed."""
    try:
        network = ipaddress.IPv4Network(address)
    except ValueError:
        return False
    return not network.is_private and ("/" not in address or network.prefixlen <= 30)


def _check_network(request: Request) -> None:
    for at, rule in enumerate(request.body.get("networkRuleSet", {}).get("virtualNetworkRules", [])):
        subnet = rule["virtualNetworkResourceId"]
        if not ids.is_id(subnet) or "/subnets/" not in subnet.lower():
            raise linked_id_invalid(subnet, f"properties.networkAcls.virtualNetworkRules[{at}].id")
        record = request.records.get(subnet)
        network, _, name = subnet.rpartition("/subnets/")
        if record is None:
            raise _network_failure(f"SubnetsNotFound:Subnets {name} of the virtual network {network} do not exist.")
        endpoints = record.outputs.get("properties", {}).get("serviceEndpoints")
        if endpoints is not None and not any(item.get("service", "").startswith("Microsoft.Storage") for item in endpoints):
            raise _network_failure(
                f"SubnetsHaveNoServiceEndpointsConfigured:Subnets {name} of virtual network {network} do not have ServiceEndpoints "
                "for Microsoft.Storage resources configured. Add Microsoft.Storage to subnet's ServiceEndpoints collection before "
                "trying to ACL Microsoft.Storage resources to these subnets."
            )


def _network_failure(reason: str) -> ArmError:
    return ArmError(400, "NetworkAclsValidationFailure", f"Validation of network acls failure: {reason}.")


def _check_change(request: Request) -> None:
    was, body = request.was, request.body
    changed = [key for key in _UNCHANGEABLE if key in body and body[key] != was.get(key) and (body[key] or was.get(key))]
    # A first-generation account becomes a second-generation one, and that is all.
    if body["kind"] != was["kind"] and not (body["kind"] == "StorageV2" and was["kind"] in ("Storage", "BlobStorage")):
        changed.append("kind")
    old, new = was["sku"]["name"], body["sku"]["name"]
    if old.partition("_")[0] != new.partition("_")[0] or ("ZRS" in old) != ("ZRS" in new):
        changed.append("sku.name")
    if body.get("encryption", {}).get("requireInfrastructureEncryption", False) != was["encryption"].get(
        "requireInfrastructureEncryption", False
    ):
        changed.append("encryption.requireInfrastructureEncryption")
    if changed:
        name = _REST.get(changed[0], changed[0])
        raise ArmError(
            400,
            "AccountPropertyCannotBeUpdated",
            f"The property '{name}' was specified in the input, but it cannot be updated as it is read-only. "
            "For more information, see - https://aka.ms/storageaccountupdate",
        )
