"""Before it makes anything the azure-native double names, previews and compares as the real plugin does."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pulumi.runtime.proto import provider_pb2

from rehearsal.doubles.kubernetes.values import UNKNOWN
from tests.rehearsal.azure_double import (
    ACCOUNT,
    ACCOUNT_ID,
    ASSIGNMENT,
    BLOB_CONTAINER,
    CONTRIBUTOR,
    CREDENTIAL,
    ENDPOINT,
    GROUP,
    IDENTITY,
    IN_GROUP,
    POLICY,
    RESOURCE_GROUP,
    ROOT,
    STORAGE_ACCOUNT,
    SUBNET,
    Client,
    account_inputs,
    client,
    rule,
)

__all__ = ["client"]
GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
AUDIENCES = ["api://AzureADTokenExchange"]
KINDS = provider_pb2.PropertyDiff.Kind


def kinds(response: provider_pb2.DiffResponse) -> dict[str, str]:
    return {path: KINDS.Name(change.kind) for path, change in response.detailedDiff.items()}


def test_missing_names_are_made_as_the_real_plugin_makes_them(client: Client) -> None:
    group, _ = client.check(RESOURCE_GROUP, {"location": "westeurope"})
    assert re.fullmatch(r"storage[0-9a-f]{8}", group["resourceGroupName"]), "alone in its provider: with a random part"
    assert group["__createBeforeDelete"] is True
    container, _ = client.check(BLOB_CONTAINER, {**IN_GROUP, "accountName": ACCOUNT})
    assert container["containerName"] == "storage", "inside something else: its own name"
    assert "__createBeforeDelete" not in container
    assignment, _ = client.check(ASSIGNMENT, {"scope": ROOT, "principalId": "x", "roleDefinitionId": CONTRIBUTOR})
    assert GUID.fullmatch(assignment["roleAssignmentName"])
    policy, _ = client.check(POLICY, {**IN_GROUP, "accountName": ACCOUNT, "policy": {"rules": [rule()]}})
    assert policy["managementPolicyName"] == "storage", "which ARM then refuses: a name must be given"


def test_a_name_stays_over_runs_and_comes_from_the_seed(client: Client) -> None:
    first, _ = client.check(RESOURCE_GROUP, {"location": "westeurope"}, seed=b"one")
    assert client.check(RESOURCE_GROUP, {"location": "westeurope"}, seed=b"one")[0] == first
    assert client.check(RESOURCE_GROUP, {"location": "westeurope"}, seed=b"two")[0] != first
    assert client.check(RESOURCE_GROUP, {"location": "westeurope"}, olds=first, seed=b"two")[0] == first


def test_the_engine_decides_on_names_where_it_is_told_to(client: Client) -> None:
    options = provider_pb2.CheckRequest.AutonamingOptions
    asked = {"location": "westeurope"}
    proposed, _ = client.check(RESOURCE_GROUP, asked, autonaming=options(mode=options.PROPOSE, proposed_name="dev-storage"))
    assert proposed["resourceGroupName"] == "dev-storage"
    _, wrong = client.check(RESOURCE_GROUP, asked, autonaming=options(mode=options.DISABLE))
    assert wrong == ["missing required property 'resourceGroupName'"]


def test_what_has_no_location_goes_where_its_group_is(client: Client) -> None:
    client.make(RESOURCE_GROUP, **IN_GROUP, location="North Europe")
    inputs, wrong = client.check(IDENTITY, {**IN_GROUP, "resourceName": "id-loki"})
    assert (inputs["location"], wrong) == ("northeurope", [])
    unknown, wrong = client.check(IDENTITY, {"resourceGroupName": UNKNOWN, "resourceName": "id-loki"})
    assert (unknown["location"], wrong) == (UNKNOWN, [])
    client.configure(location="eastus")
    assert client.check(IDENTITY, {**IN_GROUP, "resourceName": "id-loki"})[0]["location"] == "eastus"


def test_the_version_of_the_api_is_an_input_and_an_output(client: Client) -> None:
    made = client.account()
    assert made.inputs["azureApiVersion"] == made.outputs["azureApiVersion"] == "2024-01-01"


def test_a_preview_knows_what_the_inputs_say_and_nothing_else(client: Client) -> None:
    known = client.preview(STORAGE_ACCOUNT, **account_inputs(networkRuleSet={"defaultAction": "Deny"}, tags={"a": "b"}))
    assert (known["kind"], known["location"], known["tags"]) == ("StorageV2", "westeurope", {"a": "b"})
    assert known["sku"] == {"name": "Standard_LRS", "tier": UNKNOWN}
    assert known["networkRuleSet"]["defaultAction"] == "Deny"
    for computed in ("name", "primaryEndpoints", "provisioningState", "creationTime", "encryption"):
        assert known[computed] is UNKNOWN, computed
    assert not client.find(STORAGE_ACCOUNT, ACCOUNT_ID), "a preview makes nothing"


def test_unknown_inputs_stay_unknown(client: Client) -> None:
    given = {"resourceGroupName": UNKNOWN, "resourceName": "id", "issuer": UNKNOWN, "subject": "s", "audiences": AUDIENCES}
    known = client.preview(CREDENTIAL, **given)
    assert (known["issuer"], known["subject"], known["audiences"]) == (UNKNOWN, "s", AUDIENCES)


def test_a_preview_of_an_update_knows_name_and_place(client: Client) -> None:
    made = client.account()
    known = client.change(made, preview=True, **{**made.inputs, "tags": {"a": "b"}}).outputs
    assert (known["name"], known["location"], known["primaryEndpoints"]) == (ACCOUNT, "westeurope", UNKNOWN)
    found = client.read(made)
    assert found and found.outputs["tags"] == {}


def test_nothing_changes_where_nothing_changed(client: Client) -> None:
    made = client.account(tags={"a": "b"})
    inputs = {key: value for key, value in made.inputs.items() if key != "azureApiVersion"}
    response = client.diff(made, **{**inputs, "location": "West Europe"})
    assert response.changes == provider_pb2.DiffResponse.DIFF_NONE
    assert not response.detailedDiff


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"accountName": "another"}, {"accountName": "UPDATE_REPLACE"}),
        ({"resourceGroupName": "rg-other"}, {"resourceGroupName": "UPDATE_REPLACE"}),
        ({"location": "northeurope"}, {"location": "UPDATE_REPLACE"}),
        ({"isHnsEnabled": True}, {"isHnsEnabled": "ADD_REPLACE"}),
        # Azure upgrades some kinds in place and refuses others, so the real plugin leaves it to Azure.
        ({"kind": "BlobStorage"}, {"kind": "UPDATE"}),
        ({"sku": {"name": "Standard_GRS"}}, {"sku.name": "UPDATE"}),
        ({"tags": {"a": "c", "d": "e"}}, {"tags.a": "UPDATE", "tags.d": "ADD"}),
        ({"networkRuleSet": None}, {"networkRuleSet": "DELETE"}),
        (
            {"networkRuleSet": {"defaultAction": "Deny", "ipRules": [{"iPAddressOrRange": "1.2.3.4"}, {"iPAddressOrRange": "1.2.3.5"}]}},
            {"networkRuleSet.ipRules[0].iPAddressOrRange": "UPDATE", "networkRuleSet.ipRules[1]": "ADD"},
        ),
    ],
)
def test_a_change_of_an_account_is_named_by_its_path(client: Client, change: dict[str, Any], expected: dict[str, str]) -> None:
    made = client.account(tags={"a": "b"}, networkRuleSet={"defaultAction": "Deny", "ipRules": [{"iPAddressOrRange": "1.2.3.3"}]})
    response = client.diff(made, **{**made.inputs, **change})
    assert kinds(response) == expected
    replaced = sorted(path for path, kind in expected.items() if kind.endswith("_REPLACE"))
    assert list(response.replaces) == replaced
    assert response.deleteBeforeReplace == bool(replaced), "its name is taken as long as it lives"


def test_everything_that_makes_an_id_replaces(client: Client) -> None:
    client.group()
    client.identity()
    credential = client.make(
        CREDENTIAL,
        **IN_GROUP,
        resourceName="id-loki",
        issuer="https://issuer",
        subject="system:serviceaccount:loki:loki",
        audiences=AUDIENCES,
    )
    assert kinds(client.diff(credential, **{**credential.inputs, "subject": "other"})) == {"subject": "UPDATE"}
    assert kinds(client.diff(credential, **{**credential.inputs, "resourceName": "id-tempo"})) == {"resourceName": "UPDATE_REPLACE"}
    principal = client.find(IDENTITY, f"{ROOT}/resourceGroups/{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-loki")
    assert principal
    given = {"scope": ROOT, "roleDefinitionId": CONTRIBUTOR, "principalId": principal.outputs["principalId"]}
    assignment = client.make(ASSIGNMENT, **given)
    for changed in ("scope", "principalId"):
        response = client.diff(assignment, **{**given, changed: UNKNOWN})
        assert kinds(response) == {changed: "UPDATE_REPLACE"}
        assert not response.deleteBeforeReplace, "its name is random, so that both can be"


def test_what_azure_had_chosen_already_is_no_replacement(client: Client) -> None:
    made = client.account()
    made.outputs["isHnsEnabled"] = False
    assert kinds(client.diff(made, **{**made.inputs, "isHnsEnabled": False})) == {"isHnsEnabled": "ADD"}


def test_another_subnet_is_another_endpoint(client: Client) -> None:
    account = client.account()
    connection = {"name": "blob", "privateLinkServiceId": account.id, "groupIds": ["blob"]}
    made = client.make(ENDPOINT, **IN_GROUP, privateEndpointName="pe", subnet={"id": SUBNET}, privateLinkServiceConnections=[connection])
    assert kinds(client.diff(made, **{**made.inputs, "subnet": {"id": f"{SUBNET}2"}})) == {"subnet.id": "UPDATE_REPLACE"}
