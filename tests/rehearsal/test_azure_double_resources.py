"""The azure-native double makes, changes, reads and deletes as the real plugin does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rehearsal.doubles.azure_native.store import Store
from tests.rehearsal.azure_double import (
    ACCOUNT,
    ACCOUNT_ID,
    ASSIGNMENT,
    BLOB_SERVICE,
    CONTRIBUTOR,
    ENDPOINT,
    GROUP,
    IN_GROUP,
    LINK,
    NETWORK,
    POLICY,
    RESOURCE_GROUP,
    ROOT,
    STORAGE_ACCOUNT,
    SUBNET,
    TENANT,
    ZONE,
    ZONE_GROUP,
    Client,
    Refused,
    account_inputs,
    client,
)

__all__ = ["client"]
GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def test_an_account_says_what_azure_says(client: Client) -> None:
    made = client.account(sku={"name": "Standard_RAGRS"}, location="West Europe", enableHttpsTrafficOnly=True)
    assert made.id == ACCOUNT_ID
    outputs = made.outputs
    assert outputs["primaryEndpoints"]["blob"] == f"https://{ACCOUNT}.blob.core.windows.net/"
    assert outputs["secondaryEndpoints"]["blob"] == f"https://{ACCOUNT}-secondary.blob.core.windows.net/"
    assert (outputs["location"], outputs["primaryLocation"], outputs["secondaryLocation"]) == ("westeurope", "westeurope", "northeurope")
    assert outputs["sku"] == {"name": "Standard_RAGRS", "tier": "Standard"}
    assert outputs["networkRuleSet"] == {"bypass": "AzureServices", "defaultAction": "Allow", "ipRules": [], "virtualNetworkRules": []}
    assert (outputs["provisioningState"], outputs["accessTier"], outputs["tags"]) == ("Succeeded", "Hot", {})


@pytest.mark.parametrize(
    ("cloud", "location", "host"),
    [("usgovernment", "usgovvirginia", "blob.core.usgovcloudapi.net"), ("china", "chinanorth3", "blob.core.chinacloudapi.cn")],
)
def test_each_cloud_has_its_own_addresses_and_places(client: Client, cloud: str, location: str, host: str) -> None:
    client.configure(environment=cloud)
    client.make(RESOURCE_GROUP, **IN_GROUP, location=location)
    made = client.make(STORAGE_ACCOUNT, **account_inputs(location=location))
    assert made.outputs["primaryEndpoints"]["blob"] == f"https://{ACCOUNT}.{host}/"
    with pytest.raises(Refused, match="LocationNotAvailableForResourceType"):
        client.make(STORAGE_ACCOUNT, **account_inputs(location="westeurope", accountName="elsewhere"))


def test_an_identity_keeps_its_ids_as_long_as_it_lives(client: Client) -> None:
    client.group()
    made = client.identity()
    ids = {key: made.outputs[key] for key in ("clientId", "principalId", "tenantId")}
    assert ids["tenantId"] == TENANT
    assert all(GUID.fullmatch(value) for value in ids.values())
    changed = client.change(made, **{**made.inputs, "tags": {"a": "b"}})
    assert {key: changed.outputs[key] for key in ids} == ids
    client.delete(made)
    again = client.identity()
    assert again.outputs["clientId"] != ids["clientId"], "another identity of the same name is another one"
    # this provider alone spells the group's part of the id like that
    assert made.id == f"{ROOT}/resourcegroups/{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-loki"


def test_a_role_assignment_says_who_may_what_where(client: Client) -> None:
    account = client.account()
    principal = client.identity().outputs["principalId"]
    role = CONTRIBUTOR.removeprefix(ROOT)
    made = client.make(ASSIGNMENT, scope=account.id, principalId=principal, roleDefinitionId=role)
    assert made.id.startswith(f"{account.id}/providers/Microsoft.Authorization/roleAssignments/")
    assert (made.outputs["scope"], made.outputs["roleDefinitionId"]) == (account.id, CONTRIBUTOR)
    assert made.outputs["principalType"] == "ServicePrincipal"


def test_a_private_endpoint_is_approved_and_shown_by_its_account(client: Client) -> None:
    account = client.account()
    connection = {"name": "blob", "privateLinkServiceId": account.id, "groupIds": ["blob"]}
    endpoint = client.make(
        ENDPOINT, **IN_GROUP, privateEndpointName="pe", subnet={"id": SUBNET}, privateLinkServiceConnections=[connection]
    )
    shown = endpoint.outputs["privateLinkServiceConnections"][0]
    assert shown["privateLinkServiceConnectionState"]["status"] == "Approved"
    assert endpoint.outputs["customDnsConfigs"][0]["fqdn"] == f"{ACCOUNT}.blob.core.windows.net"
    seen = client.read(account)
    assert seen and [item["privateEndpoint"]["id"] for item in seen.outputs["privateEndpointConnections"]] == [endpoint.id]
    zone = client.make(ZONE, **IN_GROUP, privateZoneName="privatelink.blob.core.windows.net", location="global")
    link = client.make(
        LINK,
        **IN_GROUP,
        privateZoneName=zone.outputs["name"],
        virtualNetworkLinkName="nodes",
        location="global",
        virtualNetwork={"id": NETWORK},
    )
    assert link.outputs["virtualNetworkLinkState"] == "Completed"
    group = client.make(
        ZONE_GROUP,
        **IN_GROUP,
        privateEndpointName="pe",
        privateDnsZoneGroupName="default",
        privateDnsZoneConfigs=[{"name": "blob", "privateDnsZoneId": zone.id}],
    )
    assert group.outputs["privateDnsZoneConfigs"][0]["privateDnsZoneId"] == zone.id
    counted = client.read(zone)
    assert counted and counted.outputs["tags"] == {}


def test_an_update_changes_what_it_names_and_keeps_the_rest(client: Client) -> None:
    made = client.account(allowSharedKeyAccess=False, tags={"a": "b"})
    inputs = {key: value for key, value in made.inputs.items() if key not in ("allowSharedKeyAccess", "tags")}
    changed = client.change(made, **{**inputs, "sku": {"name": "Standard_GRS"}})
    assert changed.outputs["sku"]["name"] == "Standard_GRS"
    assert changed.outputs["allowSharedKeyAccess"] is False, "Azure keeps what a request does not mention"
    assert changed.outputs["tags"] == {}
    assert changed.outputs["creationTime"] == made.outputs["creationTime"]


def test_a_firewall_that_is_not_asked_for_any_more_is_opened(client: Client) -> None:
    made = client.account(networkRuleSet={"defaultAction": "Deny"})
    inputs = {key: value for key, value in made.inputs.items() if key != "networkRuleSet"}
    assert client.change(made, **inputs).outputs["networkRuleSet"]["defaultAction"] == "Allow"


def test_the_blob_service_comes_with_its_account_and_goes_with_it(client: Client) -> None:
    client.account()
    service = {**IN_GROUP, "accountName": ACCOUNT, "blobServicesName": "default"}
    found = client.find(BLOB_SERVICE, f"{ACCOUNT_ID}/blobServices/default")
    assert found and found.outputs["deleteRetentionPolicy"]["enabled"] is False
    made = client.make(BLOB_SERVICE, **service, deleteRetentionPolicy={"enabled": True, "days": 7})
    client.delete(made)
    seen = client.read(made)
    assert seen and seen.outputs["deleteRetentionPolicy"]["enabled"] is False, "deleting it gives it its defaults"
    client.delete(client.account_found())
    assert client.read(made) is None
    with pytest.raises(Refused, match="ResourceNotFound"):
        client.delete(made)


def test_a_refresh_takes_what_somebody_changed_and_nothing_else(client: Client, tmp_path: Path) -> None:
    made = client.account(tags={"a": "b"}, networkRuleSet={"defaultAction": "Deny"})
    seen = client.read(made)
    assert seen and seen.inputs == made.inputs
    with Store(tmp_path / "azure.json").opened() as records:
        record = records.get(made.id)
        assert record
        record.outputs["tags"] = {"a": "changed", "by": "hand"}
        record.outputs["networkRuleSet"]["defaultAction"] = "Allow"
        record.outputs["statusOfPrimary"] = "unavailable"
    seen = client.read(made)
    assert seen and seen.inputs["tags"] == {"a": "changed", "by": "hand"}
    assert seen.inputs["networkRuleSet"] == {"defaultAction": "Allow"}, "what Azure added itself is not asked for"
    assert "statusOfPrimary" not in seen.inputs
    assert seen.outputs["statusOfPrimary"] == "unavailable"


def test_what_is_there_can_be_imported(client: Client) -> None:
    client.account(tags={"a": "b"})
    found = client.find(STORAGE_ACCOUNT, ACCOUNT_ID.upper().replace("/SUBSCRIPTIONS/", "/subscriptions/"))
    assert found and (found.inputs["accountName"], found.inputs["tags"]) == (ACCOUNT.upper(), {"a": "b"})
    assert "primaryEndpoints" not in found.inputs
    group = client.find(RESOURCE_GROUP, f"{ROOT}/resourceGroups/rg-aks")
    assert group and group.inputs["resourceGroupName"] == "rg-aks", "what was there before us, too"
    with pytest.raises(Refused, match="is no id of a azure-native:storage:ManagementPolicy"):
        client.find(POLICY, ACCOUNT_ID)


def test_what_is_gone_is_found_gone(client: Client) -> None:
    made = client.account()
    client.delete(made)
    assert client.read(made) is None
    client.delete(made)


def test_a_group_takes_everything_in_it_along(client: Client) -> None:
    account = client.account()
    identity = client.identity()
    given = {"scope": account.id, "roleDefinitionId": CONTRIBUTOR, "principalId": identity.outputs["principalId"]}
    inside = [account, identity, client.make(ASSIGNMENT, **given)]
    group = client.find(RESOURCE_GROUP, f"{ROOT}/resourceGroups/{GROUP}")
    assert group
    client.delete(group)
    assert [client.read(made) for made in inside] == [None, None, None]
    assert client.account().id == ACCOUNT_ID, "the name is free again"
