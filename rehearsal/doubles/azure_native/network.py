"""Microsoft.Network: private endpoints, and the private DNS zones in which their names are found."""

import hashlib
import ipaddress
from typing import Any

from rehearsal.doubles.azure_native import catalogue, ids
from rehearsal.doubles.azure_native.errors import ArmError, linked_id_invalid, missing_reference
from rehearsal.doubles.azure_native.request import Request, new_etag
from rehearsal.doubles.azure_native.settings import SUFFIXES
from rehearsal.doubles.azure_native.store import Record, Records

_STORAGE_GROUPS = ("blob", "dfs", "file", "queue", "table", "web", "blob_secondary", "dfs_secondary", "file_secondary", "queue_secondary",
                   "table_secondary", "web_secondary")  # fmt: skip
_APPROVED = {"status": "Approved", "description": "Auto-Approved", "actionsRequired": "None"}
_ADDRESSES = ipaddress.ip_network("10.224.0.0/16")


def put_endpoint(request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    """Creates or changes a private endpoint: its target approves it at once, and it has an address from then on."""
    subnet = request.body.get("subnet", {}).get("id")
    if not subnet:
        raise ArmError(400, "InvalidRequestFormat", f"Private endpoint {request.id} needs a subnet.")
    _check_reference(request, subnet, "properties.subnet.id")
    connections = [*request.body.get("privateLinkServiceConnections", []), *request.body.get("manualPrivateLinkServiceConnections", [])]
    if len(connections) != 1:
        raise ArmError(
            400, "InvalidRequestFormat", f"Private endpoint {request.id} must have exactly one connection, it has {len(connections)}."
        )
    for connection in connections:
        _check_target(request, connection)
    nic = f"{ids.group_id(request.id)}/providers/Microsoft.Network/networkInterfaces/{_interface(request)}"
    outputs = request.outputs(
        etag=new_etag(),
        provisioningState="Succeeded",
        tags=request.body.get("tags", {}),
        subnet={"id": subnet},
        privateLinkServiceConnections=[_connected(request, item) for item in request.body.get("privateLinkServiceConnections", [])],
        manualPrivateLinkServiceConnections=[
            _connected(request, item) for item in request.body.get("manualPrivateLinkServiceConnections", [])
        ],
        customNetworkInterfaceName=request.body.get("customNetworkInterfaceName", ""),
        ipConfigurations=request.body.get("ipConfigurations", []),
        networkInterfaces=[{"id": nic}],
        customDnsConfigs=[_dns(request, item) for item in connections],
    )
    outputs.pop("id", None)
    return outputs, {}


def connections_to(account: str, records: Records) -> list[dict[str, Any]]:
    """The private endpoints that lead to a storage account, as the account shows them."""
    found = []
    for endpoint in records.of(catalogue.ENDPOINT.token):
        for connection in endpoint.outputs["privateLinkServiceConnections"]:
            if ids.key(connection["privateLinkServiceId"]) == ids.key(account):
                name = f"{ids.name_of(account)}.{_digest(endpoint.id)}"
                found.append(
                    {
                        "id": f"{account}/privateEndpointConnections/{name}",
                        "name": name,
                        "type": f"{catalogue.ACCOUNT.arm_type}/privateEndpointConnections",
                        "privateEndpoint": {"id": endpoint.id},
                        "privateLinkServiceConnectionState": {
                            "status": "Approved",
                            "description": "Auto-Approved",
                            "actionRequired": "None",
                        },
                        "provisioningState": "Succeeded",
                    }
                )
    return found


def put_zone_group(request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    """Puts the addresses of an endpoint into private DNS zones, and keeps them there."""
    configs = request.body.get("privateDnsZoneConfigs", [])
    for config in configs:
        zone = config.get("privateDnsZoneId", "")
        _check_reference(request, zone, "properties.privateDnsZoneConfigs.properties.privateDnsZoneId")
        if not config.get("name"):
            raise ArmError(400, "InvalidRequestFormat", f"Each zone of the private DNS zone group {request.id} must have a name.")
    outputs = request.outputs(
        etag=new_etag(),
        provisioningState="Succeeded",
        privateDnsZoneConfigs=[{**config, "recordSets": []} for config in configs],
    )
    # This type says neither its type nor, beside the resource's own, an id.
    return {key: value for key, value in outputs.items() if key not in ("type", "id")} | {"name": request.name}, {}


def put_zone(request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    """Creates or changes a private DNS zone."""
    labels = request.name.split(".")
    if len(labels) < 2 or any(not label or len(label) > 63 for label in labels):
        raise ArmError(
            400, "BadRequest", f"The zone name '{request.name}' is invalid: it must hold two labels or more, of 1 to 63 characters."
        )
    links = sum(record.token == catalogue.LINK.token for record in request.records.within(request.id))
    outputs = request.outputs(
        etag=new_etag(),
        tags=request.body.get("tags", {}),
        provisioningState="Succeeded",
        internalId=_digest(request.id),
        maxNumberOfRecordSets=25_000,
        maxNumberOfVirtualNetworkLinks=1_000,
        maxNumberOfVirtualNetworkLinksWithRegistration=100,
        numberOfRecordSets=1,
        numberOfVirtualNetworkLinks=links,
        numberOfVirtualNetworkLinksWithRegistration=0,
    )
    return outputs, {}


def put_link(request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    """Lets the machines of a virtual network ask a private DNS zone."""
    network = request.body.get("virtualNetwork", {}).get("id", "")
    _check_reference(request, network, "properties.virtualNetwork.id")
    if request.was and ids.key(request.was["virtualNetwork"]["id"]) != ids.key(network):
        raise ArmError(400, "BadRequest", "The virtual network of a virtual network link cannot be changed.")
    for other in request.records.within(ids.ancestors(request.id)[-1]):
        is_link = other.token == catalogue.LINK.token and ids.key(other.id) != ids.key(request.id)
        if is_link and ids.key(other.outputs["virtualNetwork"]["id"]) == ids.key(network):
            raise ArmError(409, "Conflict", f"A virtual network link to {network} exists in this zone already: {other.outputs['name']}.")
    outputs = request.outputs(
        etag=new_etag(),
        tags=request.body.get("tags", {}),
        registrationEnabled=request.body.get("registrationEnabled", False),
        resolutionPolicy=request.body.get("resolutionPolicy", "Default"),
        provisioningState="Succeeded",
        virtualNetworkLinkState="Completed",
    )
    return outputs, {}


def check_zone_is_empty(zone: Record, records: Records) -> None:
    """A zone with links is not deleted."""
    links = [record.id for record in records.within(zone.id) if record.token == catalogue.LINK.token]
    if links:
        raise ArmError(
            409,
            "CannotDeleteResource",
            f"Cannot delete resource while nested resources exist. Some existing nested resource IDs include: '{links[0]}'. "
            "Please delete all nested resources before deleting this resource.",
        )


def _check_reference(request: Request, identifier: str, path: str) -> None:
    if not ids.is_id(identifier):
        raise linked_id_invalid(identifier, path)
    if request.records.get(identifier) is None:
        raise missing_reference(identifier, request.id)


def _check_target(request: Request, connection: dict[str, Any]) -> None:
    target = connection.get("privateLinkServiceId", "")
    _check_reference(request, target, "properties.privateLinkServiceConnections.properties.privateLinkServiceId")
    is_account = ids.type_and_name(target)[0].lower() == catalogue.ACCOUNT.arm_type.lower()
    groups = connection.get("groupIds", [])
    if is_account and (len(groups) != 1 or groups[0] not in _STORAGE_GROUPS):
        raise ArmError(
            400,
            "PrivateEndpointInvalidGroupId",
            f"Private endpoint {request.id} asks {target} for the group ids {groups}: it must ask for one of {', '.join(_STORAGE_GROUPS)}.",
        )


def _connected(request: Request, connection: dict[str, Any]) -> dict[str, Any]:
    name = connection.get("name") or request.name
    return {
        **connection,
        "name": name,
        "id": f"{request.id}/privateLinkServiceConnections/{name}",
        "type": f"{request.kind.arm_type}/privateLinkServiceConnections",
        "etag": new_etag(),
        "provisioningState": "Succeeded",
        "privateLinkServiceConnectionState": _APPROVED,
    }


def _dns(request: Request, connection: dict[str, Any]) -> dict[str, Any]:
    target = ids.name_of(connection["privateLinkServiceId"])
    service = (connection.get("groupIds") or ["blob"])[0].removesuffix("_secondary")
    number = int(_digest(request.id), 16) % (_ADDRESSES.num_addresses - 5)
    return {"fqdn": f"{target}.{service}.{SUFFIXES[request.settings.cloud]}", "ipAddresses": [str(_ADDRESSES[number + 4])]}


def _interface(request: Request) -> str:
    return request.body.get("customNetworkInterfaceName") or f"{request.name}.nic.{_digest(request.id)}"


def _digest(identifier: str) -> str:
    return hashlib.sha256(ids.key(identifier).encode()).hexdigest()[:32]
