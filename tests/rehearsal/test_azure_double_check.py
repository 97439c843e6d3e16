"""The azure-native double names what is wrong with inputs, with its configuration and with what is asked of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rehearsal.azure_double import (
    ACCOUNT,
    ASSIGNMENT,
    BLOB_CONTAINER,
    BLOB_SERVICE,
    CONTRIBUTOR,
    CREDENTIAL,
    ENDPOINT,
    GROUP,
    IN_GROUP,
    POLICY,
    RESOURCE_GROUP,
    ROOT,
    STORAGE_ACCOUNT,
    SUBNET,
    Client,
    Refused,
    account_inputs,
    client,
    rule,
)

__all__ = ["client"]
NOBODY = "99999999-0000-4000-8000-000000000000"
LIFECYCLE = {**IN_GROUP, "accountName": ACCOUNT, "managementPolicyName": "default"}
SERVICE = {**IN_GROUP, "accountName": ACCOUNT, "blobServicesName": "default"}


def refused(client: Client, token: str, **inputs: Any) -> str:
    with pytest.raises(Refused) as caught:
        client.make(token, **inputs)
    return str(caught.value)


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"accountName": "a" * 25}, "'accountName' is too long (25): at most 24 characters allowed"),
        ({"accountName": "ab"}, "'accountName' is too short (2): at least 3 characters required"),
        ({"accountName": "my-account"}, "'accountName' does not match expression '^[a-z0-9]+$'"),
        ({"resourceGroupName": "rg/other"}, r"'resourceGroupName' does not match expression '^[-\w._()]+$'"),
        ({"kind": None}, "missing required property 'kind'"),
        ({"sku": {}}, "missing required property 'sku.name'"),
        ({"sku": "Standard_LRS"}, "'sku' should be of type 'object' but got a string"),
        ({"tags": {"cost": 1}}, "'tags.cost' should be of type 'string' but got a number"),
        ({"enableHttpsTrafficOnly": "yes"}, "'enableHttpsTrafficOnly' should be of type 'boolean' but got a string"),
        ({"supportsHttpsTrafficOnly": True}, "unknown property 'supportsHttpsTrafficOnly'"),
        (
            {"networkRuleSet": {"defaultAction": "Deny", "ipRules": [{"value": "1.2.3.4"}]}},
            "unknown property 'networkRuleSet.ipRules[0].value'",
        ),
        ({"networkRuleSet": {"bypass": "None"}}, "missing required property 'networkRuleSet.defaultAction'"),
        ({"keyPolicy": {"keyExpirationPeriodInDays": 1.5}}, "'keyPolicy.keyExpirationPeriodInDays' must be an integer but got 1.500000"),
    ],
)
def test_check_names_the_property_of_an_account_and_the_rule(client: Client, inputs: dict[str, Any], reason: str) -> None:
    _, wrong = client.check(STORAGE_ACCOUNT, account_inputs(**inputs))
    assert reason in wrong


@pytest.mark.parametrize(
    ("token", "inputs", "reason"),
    [
        (BLOB_CONTAINER, {**IN_GROUP, "accountName": ACCOUNT, "containerName": "x"}, "'containerName' is too short (1)"),
        (BLOB_CONTAINER, {**IN_GROUP, "accountName": ACCOUNT, "containerName": "x" * 64}, "'containerName' is too long (64)"),
        (
            BLOB_SERVICE,
            {**SERVICE, "deleteRetentionPolicy": {"enabled": True, "days": 0}},
            "'deleteRetentionPolicy.days' is too low (0.000000 < 1",
        ),
        (
            BLOB_SERVICE,
            {**SERVICE, "containerDeleteRetentionPolicy": {"days": 366}},
            "'containerDeleteRetentionPolicy.days' is too high (366.0",
        ),
        (POLICY, {**LIFECYCLE}, "missing required property 'policy'"),
        (
            POLICY,
            {**LIFECYCLE, "policy": {"rules": [{"name": "x", "type": "Lifecycle"}]}},
            "missing required property 'policy.rules[0].definition'",
        ),
        (
            POLICY,
            {
                **LIFECYCLE,
                "policy": {"rules": [rule(definition={"actions": {"baseBlob": {"delete": {"daysAfterCreationGreaterThan": -1}}}})]},
            },
            "'policy.rules[0].definition.actions.baseBlob.delete.daysAfterCreationGreaterThan' is too low (-1.0",
        ),
        (
            CREDENTIAL,
            {**IN_GROUP, "resourceName": "id-loki", "issuer": "https://x", "subject": "s"},
            "missing required property 'audiences'",
        ),
        (
            CREDENTIAL,
            {
                **IN_GROUP,
                "resourceName": "i",
                "issuer": "i",
                "subject": "s",
                "audiences": ["a"],
                "federatedIdentityCredentialResourceName": "-x",
            },
            "'federatedIdentityCredentialResourceName' does not match expression",
        ),
        (ASSIGNMENT, {"scope": ROOT, "roleDefinitionId": CONTRIBUTOR}, "missing required property 'principalId'"),
        (ENDPOINT, {"privateEndpointName": "pe", "subnet": {"id": SUBNET}}, "missing required property 'resourceGroupName'"),
        (
            RESOURCE_GROUP,
            {"resourceGroupName": "rg"},
            "missing required property 'location'. Either set it explicitly or configure it with",
        ),
        (STORAGE_ACCOUNT, {**IN_GROUP, "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}, "missing required property 'location'."),
    ],
)
def test_check_names_the_property_of_everything_else(client: Client, token: str, inputs: dict[str, Any], reason: str) -> None:
    _, wrong = client.check(token, inputs)
    assert any(found.startswith(reason) for found in wrong), wrong


@pytest.mark.parametrize(
    ("token", "arguments", "text"),
    [
        ("storage:listStorageAccountKeys", {"resourceGroupName": GROUP, "accountName": "nobodys"}, 'Code="ResourceNotFound"'),
        (
            "storage:listStorageAccountKeys",
            {"resourceGroupName": "rg-no", "accountName": ACCOUNT},
            "Resource group 'rg-no' could not be found.",
        ),
        ("storage:listStorageAccountKeys", {"accountName": ACCOUNT}, "missing required property 'resourceGroupName'"),
        ("containerservice:getManagedCluster", {"resourceGroupName": "rg-aks", "resourceName": "no"}, "managedClusters/no' under resource"),
        (
            "containerservice:listManagedClusterUserCredentials",
            {"resourceGroupName": "rg-no", "resourceName": "aks"},
            "ResourceGroupNotFound",
        ),
        (
            "containerservice:listManagedClusterUserCredentials",
            {"resourceGroupName": "rg-aks", "resourceName": "aks"},
            "REHEARSAL_KUBECONFIG",
        ),
        ("resources:getResourceGroup", {"resourceGroupName": "rg-no"}, f"request failed {ROOT}/resourceGroups/rg-no: Status=404"),
        ("storage:listStorageAccountSAS", {}, "has no function azure-native:storage:listStorageAccountSAS"),
    ],
)
def test_functions_fail_as_azure_does(client: Client, token: str, arguments: dict[str, Any], text: str) -> None:
    client.group()
    with pytest.raises(Refused) as caught:
        client.invoke(f"azure-native:{token}", **arguments)
    assert text in str(caught.value)


def test_a_type_that_the_double_does_not_know_is_named(client: Client) -> None:
    assert "does not know the resource type azure-native:storage:Queue;" in refused(client, "azure-native:storage:Queue", queueName="q")


@pytest.mark.parametrize(
    ("variable", "value", "text"),
    [
        ("REHEARSAL_AZURE_STATE", "", "REHEARSAL_AZURE_STATE must name it"),
        ("REHEARSAL_AZURE_EXISTING", "[", "REHEARSAL_AZURE_EXISTING is no JSON"),
        ("REHEARSAL_AZURE_EXISTING", '["rg-aks"]', "REHEARSAL_AZURE_EXISTING names 'rg-aks'"),
        ("REHEARSAL_AZURE_PROPAGATION_SECONDS", "soon", "REHEARSAL_AZURE_PROPAGATION_SECONDS is 'soon'"),
    ],
)
def test_a_wrong_variable_is_named(client: Client, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, text: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(Refused) as caught:
        client.configure()
    assert text in str(caught.value)


def test_an_unknown_cloud_is_named(client: Client) -> None:
    with pytest.raises(Refused, match="environment is 'mars'"):
        client.configure(environment="mars")


def test_a_subscription_that_is_no_guid_is_refused(client: Client) -> None:
    client.configure(subscriptionId="mine")
    assert 'Code="InvalidSubscriptionId"' in refused(client, RESOURCE_GROUP, resourceGroupName="rg", location="westeurope")


def test_containers_need_an_azurite_that_answers(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.account()
    container = {**IN_GROUP, "accountName": ACCOUNT, "containerName": "loki"}
    assert "REHEARSAL_AZURITE must name its address" in refused(client, BLOB_CONTAINER, **container)
    monkeypatch.setenv("REHEARSAL_AZURITE", "http://127.0.0.1:9")
    client.configure()
    assert "Azurite at http://127.0.0.1:9 does not answer" in refused(client, BLOB_CONTAINER, **container)
