"""What a program registers, as an ARM template with the names that Azure's REST API has."""

from __future__ import annotations

import pytest

from rehearsal.doubles.azure_native.arm import template
from rehearsal.doubles.kubernetes.errors import Refusal
from rehearsal.doubles.kubernetes.values import UNKNOWN, UNKNOWN_TEXT
from tests.rehearsal.azure_double import (
    ACCOUNT,
    ACCOUNT_ID,
    ASSIGNMENT,
    BLOB_CONTAINER,
    BLOB_SERVICE,
    CONTRIBUTOR,
    CREDENTIAL,
    ENDPOINT,
    GROUP,
    IDENTITY,
    IN_GROUP,
    LINK,
    NETWORK,
    POLICY,
    RESOURCE_GROUP,
    STORAGE_ACCOUNT,
    SUBNET,
    SUBSCRIPTION,
    ZONE,
    ZONE_GROUP,
    account_inputs,
    rule,
)

UNKNOWN_PARAMETER = "[parameters('knownAfterDeployment')]"


def one(token: str, **inputs: object) -> dict:
    [resource] = template([(token, inputs)], SUBSCRIPTION)["resources"]
    return resource


def test_an_account_has_its_rest_names() -> None:
    resource = one(
        STORAGE_ACCOUNT,
        **account_inputs(
            enableHttpsTrafficOnly=True,
            allowBlobPublicAccess=False,
            minimumTlsVersion="TLS1_2",
            tags={"a": "b"},
            azureApiVersion="2024-01-01",
            networkRuleSet={
                "defaultAction": "Deny",
                "ipRules": [{"iPAddressOrRange": "1.2.3.4"}],
                "virtualNetworkRules": [{"virtualNetworkResourceId": SUBNET}],
            },
            encryption={"keySource": "Microsoft.Keyvault", "keyVaultProperties": {"keyName": "k", "keyVaultUri": "https://vault"}},
            identity={"type": "UserAssigned", "userAssignedIdentities": ["/subscriptions/a"]},
        ),
    )
    assert resource == {
        "type": "Microsoft.Storage/storageAccounts",
        "apiVersion": "2024-01-01",
        "name": ACCOUNT,
        "location": "westeurope",
        "kind": "StorageV2",
        "sku": {"name": "Standard_LRS"},
        "tags": {"a": "b"},
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {"/subscriptions/a": {}}},
        "properties": {
            "supportsHttpsTrafficOnly": True,
            "allowBlobPublicAccess": False,
            "minimumTlsVersion": "TLS1_2",
            "networkAcls": {"defaultAction": "Deny", "ipRules": [{"value": "1.2.3.4"}], "virtualNetworkRules": [{"id": SUBNET}]},
            "encryption": {"keySource": "Microsoft.Keyvault", "keyvaultproperties": {"keyname": "k", "keyvaulturi": "https://vault"}},
        },
    }


@pytest.mark.parametrize(
    ("token", "inputs", "expected"),
    [
        (RESOURCE_GROUP, {**IN_GROUP, "location": "westeurope"}, ("Microsoft.Resources/resourceGroups", GROUP, {"location": "westeurope"})),
        (
            BLOB_CONTAINER,
            {**IN_GROUP, "accountName": ACCOUNT, "containerName": "loki", "publicAccess": "None"},
            (
                "Microsoft.Storage/storageAccounts/blobServices/containers",
                f"{ACCOUNT}/default/loki",
                {"properties": {"publicAccess": "None"}},
            ),
        ),
        (
            BLOB_SERVICE,
            {**IN_GROUP, "accountName": ACCOUNT, "blobServicesName": "default", "deleteRetentionPolicy": {"enabled": True, "days": 7}},
            (
                "Microsoft.Storage/storageAccounts/blobServices",
                f"{ACCOUNT}/default",
                {"properties": {"deleteRetentionPolicy": {"enabled": True, "days": 7}}},
            ),
        ),
        (
            POLICY,
            {**IN_GROUP, "accountName": ACCOUNT, "managementPolicyName": "default", "policy": {"rules": [rule()]}},
            ("Microsoft.Storage/storageAccounts/managementPolicies", f"{ACCOUNT}/default", {"properties": {"policy": {"rules": [rule()]}}}),
        ),
        (
            IDENTITY,
            {**IN_GROUP, "resourceName": "id-loki", "location": "westeurope"},
            ("Microsoft.ManagedIdentity/userAssignedIdentities", "id-loki", {"location": "westeurope"}),
        ),
        (
            CREDENTIAL,
            {
                **IN_GROUP,
                "resourceName": "id-loki",
                "federatedIdentityCredentialResourceName": "loki",
                "issuer": UNKNOWN,
                "subject": "s",
                "audiences": ["a"],
            },
            (
                "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials",
                "id-loki/loki",
                {"properties": {"issuer": UNKNOWN_PARAMETER, "subject": "s", "audiences": ["a"]}},
            ),
        ),
        (
            ASSIGNMENT,
            {"scope": ACCOUNT_ID, "roleAssignmentName": "n", "principalId": UNKNOWN_TEXT, "roleDefinitionId": CONTRIBUTOR},
            (
                "Microsoft.Authorization/roleAssignments",
                "n",
                {"scope": ACCOUNT_ID, "properties": {"principalId": UNKNOWN_PARAMETER, "roleDefinitionId": CONTRIBUTOR}},
            ),
        ),
        (
            ENDPOINT,
            {
                **IN_GROUP,
                "privateEndpointName": "pe",
                "location": "westeurope",
                "subnet": {"id": SUBNET},
                "privateLinkServiceConnections": [{"name": "blob", "privateLinkServiceId": ACCOUNT_ID, "groupIds": ["blob"]}],
            },
            (
                "Microsoft.Network/privateEndpoints",
                "pe",
                {
                    "location": "westeurope",
                    "properties": {
                        "subnet": {"id": SUBNET},
                        "privateLinkServiceConnections": [
                            {"name": "blob", "properties": {"privateLinkServiceId": ACCOUNT_ID, "groupIds": ["blob"]}}
                        ],
                    },
                },
            ),
        ),
        (
            ZONE_GROUP,
            {
                **IN_GROUP,
                "privateEndpointName": "pe",
                "privateDnsZoneGroupName": "default",
                "privateDnsZoneConfigs": [{"name": "blob", "privateDnsZoneId": "/subscriptions/z"}],
            },
            (
                "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
                "pe/default",
                {"properties": {"privateDnsZoneConfigs": [{"name": "blob", "properties": {"privateDnsZoneId": "/subscriptions/z"}}]}},
            ),
        ),
        (
            ZONE,
            {**IN_GROUP, "privateZoneName": "a.b", "location": "global"},
            ("Microsoft.Network/privateDnsZones", "a.b", {"location": "global"}),
        ),
        (
            LINK,
            {
                **IN_GROUP,
                "privateZoneName": "a.b",
                "virtualNetworkLinkName": "nodes",
                "location": "global",
                "virtualNetwork": {"id": NETWORK},
                "registrationEnabled": False,
            },
            (
                "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
                "a.b/nodes",
                {"location": "global", "properties": {"virtualNetwork": {"id": NETWORK}, "registrationEnabled": False}},
            ),
        ),
    ],
)
def test_every_other_type_has_its_rest_names(token: str, inputs: dict, expected: tuple[str, str, dict]) -> None:
    resource = one(token, **inputs)
    del resource["apiVersion"]
    arm_type, name, rest = expected
    assert resource == {"type": arm_type, "name": name, **rest}


def test_a_template_is_whole() -> None:
    container = {**IN_GROUP, "accountName": ACCOUNT, "containerName": "loki"}
    document = template(
        [
            ("istio-stack:storage:AzureStorage", {}),
            ("pulumi:providers:azure-native", {"subscriptionId": SUBSCRIPTION}),
            (STORAGE_ACCOUNT, account_inputs(tags={"a": UNKNOWN, "b": None})),
            (BLOB_CONTAINER, container),
            ("kubernetes:core/v1:Secret", {"stringData": {"key": "secret"}}),
        ],
        SUBSCRIPTION,
    )
    assert document["$schema"].endswith("/deploymentTemplate.json#")
    assert document["contentVersion"] == "1.0.0.0"
    assert document["parameters"] == {"knownAfterDeployment": {"type": "string"}}
    account, inside = document["resources"]
    assert account["tags"] == {"a": UNKNOWN_PARAMETER}, "what has no value is not there"
    assert "dependsOn" not in account
    assert inside["dependsOn"] == [f"[resourceId('Microsoft.Storage/storageAccounts', '{ACCOUNT}')]"]
    assert "secret" not in str(document)


def test_two_resources_whose_names_are_not_known_are_both_there() -> None:
    assignment = {"scope": ACCOUNT_ID, "principalId": UNKNOWN, "roleDefinitionId": CONTRIBUTOR}
    assert len(template([(ASSIGNMENT, assignment)] * 2, SUBSCRIPTION)["resources"]) == 2


@pytest.mark.parametrize(
    ("token", "inputs", "text"),
    [
        ("azure-native:storage:Queue", {}, "no template can be made of azure-native:storage:Queue"),
        (STORAGE_ACCOUNT, account_inputs(supportsHttpsTrafficOnly=True), "it has no argument supportsHttpsTrafficOnly"),
    ],
)
def test_nothing_is_lost_on_the_way(token: str, inputs: dict, text: str) -> None:
    with pytest.raises(Refusal, match=text):
        template([(token, inputs)], SUBSCRIPTION)
