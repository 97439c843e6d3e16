"""The azure-native double refuses what Azure refuses, in its words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rehearsal.doubles.azure_native.identity import principal_of
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
    ROOT,
    STORAGE_ACCOUNT,
    SUBNET,
    TENANT,
    ZONE,
    ZONE_GROUP,
    Client,
    Made,
    Refused,
    account_inputs,
    client,
    rule,
    running,
)

__all__ = ["client"]
NOBODY = "99999999-0000-4000-8000-000000000000"
LIFECYCLE = {**IN_GROUP, "accountName": ACCOUNT, "managementPolicyName": "default"}
SERVICE = {**IN_GROUP, "accountName": ACCOUNT, "blobServicesName": "default"}


def refused(client: Client, token: str, **inputs: Any) -> str:
    with pytest.raises(Refused) as caught:
        client.make(token, **inputs)
    return str(caught.value)


ARM = [
    # what there has to be before, what is asked for, how ARM answers
    ("", RESOURCE_GROUP, {"resourceGroupName": "rg.", "location": "westeurope"}, "400", "InvalidResourceGroup", "name 'rg.' has these"),
    ("", RESOURCE_GROUP, {"resourceGroupName": "rg", "location": "mars"}, "400", "LocationNotAvailableForResourceType", "location 'mars'"),
    ("", STORAGE_ACCOUNT, account_inputs(), "404", "ResourceGroupNotFound", f"Resource group '{GROUP}' could not be found."),
    ("group", STORAGE_ACCOUNT, account_inputs(kind="StorageV3"), "400", "InvalidValuesForRequestParameters", "invalid: kind."),
    ("group", STORAGE_ACCOUNT, account_inputs(sku={"name": "LRS"}), "400", "InvalidValuesForRequestParameters", "invalid: sku.name."),
    ("group", STORAGE_ACCOUNT, account_inputs(minimumTlsVersion="1.2"), "400", "InvalidValuesForRequestParameters", "minimumTlsVersion"),
    ("group", STORAGE_ACCOUNT, account_inputs(kind="BlockBlobStorage"), "400", "InvalidValuesForRequestParameters", "sku.name"),
    (
        "group",
        STORAGE_ACCOUNT,
        account_inputs(location="polandcentral", sku={"name": "Standard_GRS"}),
        *("409", "SkuNotAvailable", "polandcentral"),
    ),
    (
        "group",
        STORAGE_ACCOUNT,
        account_inputs(networkRuleSet={"defaultAction": "Deny", "ipRules": [{"iPAddressOrRange": "10.0.0.0/8"}]}),
        *("400", "InvalidValuesForRequestParameters", "networkAcls.ipRule[*].value"),
    ),
    (
        "group",
        STORAGE_ACCOUNT,
        account_inputs(networkRuleSet={"defaultAction": "Deny", "virtualNetworkRules": [{"virtualNetworkResourceId": "vnet/subnets/a"}]}),
        *("400", "LinkedInvalidPropertyId", "Property id 'vnet/subnets/a' at path 'properties.networkAcls.virtualNetworkRules[0].id'"),
    ),
    (
        "group",
        STORAGE_ACCOUNT,
        account_inputs(
            networkRuleSet={"defaultAction": "Deny", "virtualNetworkRules": [{"virtualNetworkResourceId": f"{NETWORK}/subnets/no"}]}
        ),
        *("400", "NetworkAclsValidationFailure", f"Subnets no of the virtual network {NETWORK} do not exist"),
    ),
    (
        "group",
        STORAGE_ACCOUNT,
        account_inputs(identity={"type": "UserAssigned", "userAssignedIdentities": [f"{ROOT}/resourceGroups/rg/providers/a/b/c"]}),
        *("400", "FailedIdentityOperation", "was not found"),
    ),
    ("group", STORAGE_ACCOUNT, account_inputs(tags={"a/b": "c"}), "400", "InvalidTagName", "tags"),
    ("group", STORAGE_ACCOUNT, account_inputs(tags={"a": "c" * 257}), "400", "InvalidTagValueLength", "256"),
    ("", BLOB_CONTAINER, {**IN_GROUP, "accountName": ACCOUNT, "containerName": "loki"}, "404", "ResourceGroupNotFound", GROUP),
    ("group", BLOB_CONTAINER, {**IN_GROUP, "accountName": ACCOUNT, "containerName": "loki"}, "404", "ParentResourceNotFound", ACCOUNT_ID),
    ("account", BLOB_CONTAINER, {**IN_GROUP, "accountName": ACCOUNT, "containerName": "Loki"}, "400", "InvalidResourceName", "characters"),
    ("account", BLOB_CONTAINER, {**IN_GROUP, "accountName": ACCOUNT, "containerName": "a--b"}, "400", "InvalidResourceName", "characters"),
    ("account", BLOB_CONTAINER, {**IN_GROUP, "accountName": ACCOUNT, "containerName": "a-b-"}, "400", "InvalidResourceName", "characters"),
    (
        "account",
        BLOB_CONTAINER,
        {**IN_GROUP, "accountName": ACCOUNT, "containerName": "loki", "publicAccess": "Blob"},
        *("409", "PublicAccessNotPermitted", "Public access is not permitted on this storage account."),
    ),
    ("group", POLICY, {**LIFECYCLE, "policy": {"rules": [rule()]}}, "404", "ParentResourceNotFound", ACCOUNT_ID),
    (
        "account",
        POLICY,
        {**LIFECYCLE, "managementPolicyName": "lifecycle", "policy": {"rules": [rule()]}},
        *("404", "HttpResourceNotFound", f"{ACCOUNT_ID}/managementPolicies/lifecycle?api-version=2024-01-01 is not found."),
    ),
    ("account", POLICY, {**LIFECYCLE, "policy": {"rules": []}}, "400", "InvalidRequestPropertyValue", "1 to 100 rules"),
    (
        "account",
        POLICY,
        {**LIFECYCLE, "policy": {"rules": [rule(), rule()]}},
        "400",
        "InvalidRequestPropertyValue",
        "names of a policy's rules",
    ),
    (
        "account",
        POLICY,
        {**LIFECYCLE, "policy": {"rules": [rule(definition={"actions": {}, "filters": {"blobTypes": ["blockBlob"]}})]}},
        *("400", "InvalidRequestPropertyValue", "Rule loki has no action"),
    ),
    (
        "account",
        POLICY,
        {**LIFECYCLE, "policy": {"rules": [rule(definition={"actions": {"baseBlob": {"delete": {"daysAfterCreationGreaterThan": 9}}}})]}},
        *("400", "InvalidRequestPropertyValue", "The filter blobTypes of rule loki"),
    ),
    ("account", BLOB_SERVICE, {**SERVICE, "blobServicesName": "mine"}, "404", "HttpResourceNotFound", "/blobServices/mine?"),
    (
        "account",
        BLOB_SERVICE,
        {**SERVICE, "deleteRetentionPolicy": {"enabled": True}},
        *("400", "InvalidValuesForRequestParameters", "deleteRetentionPolicy"),
    ),
    (
        "account",
        BLOB_SERVICE,
        {**SERVICE, "deleteRetentionPolicy": {"enabled": True, "days": 7}, "restorePolicy": {"enabled": True, "days": 7}},
        *("400", "InvalidValuesForRequestParameters", "restorePolicy"),
    ),
    ("group", IDENTITY, {**IN_GROUP, "resourceName": "-x", "location": "westeurope"}, "400", "InvalidResourceName", "Resource name -x is"),
    ("", IDENTITY, {**IN_GROUP, "resourceName": "id", "location": "westeurope"}, "404", "ResourceGroupNotFound", GROUP),
    (
        "group",
        CREDENTIAL,
        {**IN_GROUP, "resourceName": "id-loki", "issuer": "https://issuer", "subject": "s", "audiences": ["a"]},
        *("404", "ParentResourceNotFound", "userAssignedIdentities/id-loki"),
    ),
    (
        "identity",
        CREDENTIAL,
        {**IN_GROUP, "resourceName": "id-loki", "issuer": "https://issuer", "subject": "s", "audiences": []},
        *("400", "InvalidFederatedIdentityCredentialsAudienceLength", "must have exactly 1 audience"),
    ),
    (
        "identity",
        CREDENTIAL,
        {**IN_GROUP, "resourceName": "id-loki", "issuer": "http://issuer", "subject": "s", "audiences": ["a"]},
        *("400", "InvalidFederatedIdentityCredentialsIssuer", "http://issuer"),
    ),
    (
        "identity",
        CREDENTIAL,
        {**IN_GROUP, "resourceName": "id-loki", "issuer": "https://issuer", "subject": "", "audiences": ["a"]},
        *("400", "BadRequest", "must specify 'issuer', 'subject' and 'audience'"),
    ),
    (
        "group",
        ASSIGNMENT,
        {"scope": ROOT, "roleAssignmentName": "loki", "principalId": NOBODY, "roleDefinitionId": CONTRIBUTOR},
        *("400", "InvalidRoleAssignmentId", "The role assignment ID 'loki' is not valid. The role assignment ID must be a GUID."),
    ),
    (
        "group",
        ASSIGNMENT,
        {"scope": ROOT, "principalId": NOBODY, "roleDefinitionId": CONTRIBUTOR, "principalType": "ServicePrincipal"},
        *("400", "PrincipalNotFound", f"Principal {NOBODY.replace('-', '')} does not exist in the directory {TENANT}."),
    ),
    (
        "group",
        ASSIGNMENT,
        {"scope": ROOT, "principalId": "me", "roleDefinitionId": CONTRIBUTOR},
        *("400", "InvalidPrincipalId", "The Principal ID 'me' is not valid. Principal ID must be a GUID."),
    ),
    (
        "group",
        ASSIGNMENT,
        {"scope": ROOT, "principalId": NOBODY, "roleDefinitionId": "ba92f5b4-2d11-453d-a403-e96b0029c9fe"},
        *("400", "BadRequestFormat", "The request was incorrectly formatted."),
    ),
    (
        "group",
        ASSIGNMENT,
        {"scope": ROOT, "principalId": NOBODY, "roleDefinitionId": f"{ROOT}/providers/Microsoft.Authorization/roleDefinitions/{NOBODY}"},
        *("404", "RoleDefinitionDoesNotExist", NOBODY.replace("-", "")),
    ),
    (
        "group",
        ASSIGNMENT,
        {"scope": ACCOUNT_ID, "principalId": NOBODY, "roleDefinitionId": CONTRIBUTOR},
        "404",
        "ResourceNotFound",
        ACCOUNT,
    ),
    ("", ASSIGNMENT, {"scope": ACCOUNT_ID, "principalId": NOBODY, "roleDefinitionId": CONTRIBUTOR}, "404", "ResourceGroupNotFound", GROUP),
    ("", ASSIGNMENT, {"scope": "storage", "principalId": NOBODY, "roleDefinitionId": CONTRIBUTOR}, "400", "MissingSubscription", "storage"),
    (
        "account",
        ENDPOINT,
        {**IN_GROUP, "privateEndpointName": "pe", "subnet": {"id": f"{NETWORK}/subnets/no"}},
        *(
            "400",
            "InvalidResourceReference",
            f"Resource {NETWORK}/subnets/no referenced by resource {ROOT}/resourceGroups/{GROUP}/providers/",
        ),
    ),
    ("account", ENDPOINT, {**IN_GROUP, "privateEndpointName": "pe"}, "400", "InvalidRequestFormat", "needs a subnet"),
    (
        "account",
        ENDPOINT,
        {**IN_GROUP, "privateEndpointName": "pe", "subnet": {"id": SUBNET}},
        *("400", "InvalidRequestFormat", "must have exactly one connection"),
    ),
    (
        "account",
        ENDPOINT,
        {
            **IN_GROUP,
            "privateEndpointName": "pe",
            "subnet": {"id": SUBNET},
            "privateLinkServiceConnections": [{"name": "blob", "privateLinkServiceId": ACCOUNT_ID, "groupIds": ["blobs"]}],
        },
        *("400", "PrivateEndpointInvalidGroupId", "['blobs']"),
    ),
    (
        "group",
        ZONE,
        {**IN_GROUP, "privateZoneName": "privatelink.blob.core.windows.net"},
        "400",
        "LocationNotAvailableForResourceType",
        "'global'",
    ),
    ("group", ZONE, {**IN_GROUP, "privateZoneName": "blob", "location": "global"}, "400", "BadRequest", "'blob' is invalid"),
    (
        "zone",
        LINK,
        {**IN_GROUP, "privateZoneName": "a.b", "location": "global", "virtualNetwork": {"id": f"{NETWORK}2"}},
        *("400", "InvalidResourceReference", f"Resource {NETWORK}2 referenced"),
    ),
    (
        "group",
        LINK,
        {**IN_GROUP, "privateZoneName": "a.b", "location": "global", "virtualNetwork": {"id": NETWORK}},
        *("404", "ParentResourceNotFound", "privateDnsZones/a.b"),
    ),
    (
        "group",
        ZONE_GROUP,
        {**IN_GROUP, "privateEndpointName": "pe", "privateDnsZoneGroupName": "default"},
        *("404", "ParentResourceNotFound", "privateEndpoints/pe"),
    ),
]


def prepare(client: Client, what: str) -> Made | None:
    if what == "account":
        return client.account()
    if what:
        client.group()
    if what == "identity":
        return client.identity()
    if what == "zone":
        return client.make(ZONE, **IN_GROUP, privateZoneName="a.b", location="global")
    return None


@pytest.mark.parametrize(
    ("before", "token", "inputs", "status", "code", "text"),
    ARM,
    ids=[f"{case[4]}-{case[1].rpartition(':')[2]}-{at}" for at, case in enumerate(ARM)],
)
def test_azure_refuses(client: Client, before: str, token: str, inputs: dict[str, Any], status: str, code: str, text: str) -> None:
    prepare(client, before)
    message = refused(client, token, **inputs)
    assert message.startswith(f'Status={status} Code="{code}" Message="'), message
    assert text in message


def test_a_second_account_of_the_same_name_is_taken_wherever_it_is(client: Client, tmp_path: Any) -> None:
    client.account()
    client.make(RESOURCE_GROUP, resourceGroupName="rg-other", location="eastus")
    message = refused(client, STORAGE_ACCOUNT, **account_inputs(resourceGroupName="rg-other"))
    assert message == f'Status=409 Code="StorageAccountAlreadyTaken" Message="The storage account named {ACCOUNT} is already taken."'
    with running() as elsewhere:
        elsewhere.configure(subscriptionId=NOBODY)
        elsewhere.group()
        assert "StorageAccountAlreadyTaken" in refused(elsewhere, STORAGE_ACCOUNT, **account_inputs())


def test_what_exists_is_not_created(client: Client) -> None:
    client.account()
    assert refused(client, STORAGE_ACCOUNT, **account_inputs()) == f"cannot create already existing resource '{ACCOUNT_ID}'"
    group = {"resourceGroupName": GROUP.upper(), "location": "westeurope"}
    assert refused(client, RESOURCE_GROUP, **group) == f"cannot create already existing resource '{ROOT}/resourceGroups/{GROUP.upper()}'"
    group = {"resourceGroupName": "rg-aks", "location": "westeurope"}
    assert "already existing" in refused(client, RESOURCE_GROUP, **group), "what was there before us exists, too"


def test_what_cannot_change_in_place_is_not_changed(client: Client) -> None:
    account = client.account(encryption={"requireInfrastructureEncryption": True})
    for change, name in (
        ({"kind": "BlobStorage"}, "kind"),
        ({"sku": {"name": "Standard_ZRS"}}, "sku.name"),
        ({"enableNfsV3": True}, "isNfsV3Enabled"),
        ({"encryption": {"requireInfrastructureEncryption": False}}, "encryption.requireInfrastructureEncryption"),
    ):
        with pytest.raises(Refused, match=f"AccountPropertyCannotBeUpdated.*'{name}' was specified in the input"):
            client.change(account, **{**account.inputs, **change})
    with pytest.raises(Refused, match=r"InvalidResourceLocation.*already exists in location 'westeurope'"):
        client.change(account, **{**account.inputs, "location": "northeurope"})


def test_an_identity_trusts_a_subject_once(client: Client) -> None:
    client.group()
    client.identity()
    credential = {**IN_GROUP, "resourceName": "id-loki", "issuer": "https://issuer", "subject": "system:serviceaccount:loki:loki"}
    client.make(CREDENTIAL, **credential, audiences=["api://AzureADTokenExchange"], federatedIdentityCredentialResourceName="loki")
    message = refused(
        client, CREDENTIAL, **credential, audiences=["api://AzureADTokenExchange"], federatedIdentityCredentialResourceName="again"
    )
    assert "Issuer and subject combination already exists for this Managed Identity." in message


def test_a_role_is_given_once_and_never_to_somebody_else(client: Client) -> None:
    client.group()
    principal, other = (client.identity(name).outputs["principalId"] for name in ("id-loki", "id-tempo"))
    given = {"scope": f"{ROOT}/resourceGroups/{GROUP}", "roleDefinitionId": CONTRIBUTOR, "principalType": "ServicePrincipal"}
    made = client.make(ASSIGNMENT, **given, principalId=principal, roleAssignmentName=NOBODY)
    again = {**given, "principalId": principal, "roleAssignmentName": TENANT}
    assert f"The ID of the conflicting role assignment is {NOBODY.replace('-', '')}." in refused(client, ASSIGNMENT, **again)
    with pytest.raises(Refused, match="RoleAssignmentUpdateNotPermitted"):
        client.change(made, **{**made.inputs, "principalId": other})
    assert "UnmatchedPrincipalType" in refused(client, ASSIGNMENT, **{**given, "principalId": other, "principalType": "User"})


def test_a_new_identity_without_its_type_is_not_found_until_azure_knows_it(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REHEARSAL_AZURE_PROPAGATION_SECONDS", "60")
    client.configure()
    client.group()
    principal = client.identity().outputs["principalId"]
    given = {"scope": ROOT, "roleDefinitionId": CONTRIBUTOR, "principalId": principal}
    assert "PrincipalNotFound" in refused(client, ASSIGNMENT, **given)
    assert client.make(ASSIGNMENT, **given, principalType="ServicePrincipal").outputs["principalId"] == principal


def test_whoever_runs_the_program_may_have_a_role(client: Client) -> None:
    mine = client.invoke("azure-native:authorization:getClientConfig")["objectId"]
    assert mine == principal_of(ROOT)
    assert client.make(ASSIGNMENT, scope=ROOT, roleDefinitionId=CONTRIBUTOR, principalId=mine).outputs["principalId"] == mine


def test_a_zone_with_links_is_not_deleted(client: Client) -> None:
    client.group()
    zone = client.make(ZONE, **IN_GROUP, privateZoneName="a.b", location="global")
    network = {"location": "global", "virtualNetwork": {"id": NETWORK}}
    link = client.make(LINK, **IN_GROUP, privateZoneName="a.b", virtualNetworkLinkName="nodes", **network)
    with pytest.raises(Refused, match=r'Status=409 Code="CannotDeleteResource".*virtualNetworkLinks/nodes'):
        client.delete(zone)
    assert "exists in this zone already" in refused(
        client, LINK, **IN_GROUP, privateZoneName="a.b", virtualNetworkLinkName="two", **network
    )
    client.delete(link)
    client.delete(zone)
    assert client.read(zone) is None


def test_a_subnet_needs_the_service_endpoint(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REHEARSAL_AZURE_EXISTING", json.dumps([{"id": SUBNET, "properties": {"serviceEndpoints": []}}]))
    client.configure()
    client.group()
    rules = {"defaultAction": "Deny", "virtualNetworkRules": [{"virtualNetworkResourceId": SUBNET}]}
    assert "SubnetsHaveNoServiceEndpointsConfigured:Subnets nodes" in refused(
        client, STORAGE_ACCOUNT, **account_inputs(networkRuleSet=rules)
    )
