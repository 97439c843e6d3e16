"""A program that keeps blobs in Azure as ours does, small enough to be run many times."""

from typing import Any

import pulumi
from pulumi import InvokeOptions, Output, ResourceOptions
from pulumi_azure_native import Provider, authorization, containerservice, managedidentity, network, privatedns, resources, storage

config = pulumi.Config()
target = config.require_object("azure")
provider = Provider("azure", subscription_id=target["subscription"], tenant_id=target["tenant"])
mine, asked = ResourceOptions(provider=provider), InvokeOptions(provider=provider)
subscription = f"/subscriptions/{target['subscription']}"
group_name, account_name = "rg-cloud", target["account"]
role = f"{subscription}/providers/Microsoft.Authorization/roleDefinitions/ba92f5b4-2d11-453d-a403-e96b0029c9fe"

cluster = containerservice.get_managed_cluster(resource_group_name="rg-aks", resource_name="aks", opts=asked)
credentials = containerservice.list_managed_cluster_user_credentials(resource_group_name="rg-aks", resource_name="aks", opts=asked)
assert cluster.oidc_issuer_profile is not None, "the cluster has no issuer"
group = resources.ResourceGroup("group", resource_group_name=group_name, location="westeurope", opts=mine)
account = storage.StorageAccount(
    "account",
    account_name=account_name,
    resource_group_name=group.name,
    kind=storage.Kind.STORAGE_V2,
    sku=storage.SkuArgs(name=config.get("sku") or storage.SkuName.STANDARD_LRS),
    allow_blob_public_access=False,
    minimum_tls_version=storage.MinimumTlsVersion.TLS1_2,
    network_rule_set=storage.NetworkRuleSetArgs(
        default_action=storage.DefaultAction.DENY,
        virtual_network_rules=[storage.VirtualNetworkRuleArgs(virtual_network_resource_id=target["subnet"])],
    ),
    opts=mine,
)
inside: dict[str, Any] = {"account_name": account.name, "resource_group_name": group.name}
soft_delete = storage.DeleteRetentionPolicyArgs(enabled=True, days=7)
storage.BlobServiceProperties("blobs", **inside, blob_services_name="default", delete_retention_policy=soft_delete, opts=mine)
for store in ("tempo", "loki"):
    container = storage.BlobContainer(store, **inside, container_name=store, opts=mine)
    identity = managedidentity.UserAssignedIdentity(store, resource_name_=f"id-{store}", resource_group_name=group.name, opts=mine)
    managedidentity.FederatedIdentityCredential(
        store,
        resource_group_name=group.name,
        resource_name_=identity.name,
        federated_identity_credential_resource_name=store,
        issuer=cluster.oidc_issuer_profile.issuer_url,
        subject=f"system:serviceaccount:{store}:{store}",
        audiences=["api://AzureADTokenExchange"],
        opts=mine,
    )
    authorization.RoleAssignment(
        store,
        scope=container.id,
        principal_id=identity.principal_id,
        principal_type=authorization.PrincipalType.SERVICE_PRINCIPAL,
        role_definition_id=role,
        opts=mine,
    )
delete = storage.DateAfterModificationArgs(days_after_modification_greater_than=config.require_int("retentionDays"))
rule = storage.ManagementPolicyRuleArgs(
    name="expire",
    type=storage.RuleType.LIFECYCLE,
    definition=storage.ManagementPolicyDefinitionArgs(
        actions=storage.ManagementPolicyActionArgs(base_blob=storage.ManagementPolicyBaseBlobArgs(delete=delete)),
        filters=storage.ManagementPolicyFilterArgs(blob_types=["blockBlob"], prefix_match=["tempo/", "loki/"]),
    ),
)
policy = storage.ManagementPolicySchemaArgs(rules=[rule])
storage.ManagementPolicy("lifecycle", **inside, management_policy_name="default", policy=policy, opts=mine)
zone = privatedns.PrivateZone(
    "zone", private_zone_name="privatelink.blob.core.windows.net", resource_group_name=group.name, location="global", opts=mine
)
privatedns.VirtualNetworkLink(
    "nodes",
    resource_group_name=group.name,
    private_zone_name=zone.name,
    virtual_network_link_name="nodes",
    location="global",
    virtual_network=privatedns.SubResourceArgs(id=target["subnet"].rpartition("/subnets/")[0]),
    opts=mine,
)
connection = network.PrivateLinkServiceConnectionArgs(name="blob", group_ids=["blob"], private_link_service_id=account.id)
endpoint = network.PrivateEndpoint(
    "endpoint",
    private_endpoint_name="pe-cloud",
    resource_group_name=group.name,
    subnet=network.SubnetArgs(id=target["subnet"]),
    private_link_service_connections=[connection],
    opts=mine,
)
network.PrivateDnsZoneGroup(
    "endpoint",
    resource_group_name=group.name,
    private_endpoint_name=endpoint.name,
    private_dns_zone_group_name="default",
    private_dns_zone_configs=[network.PrivateDnsZoneConfigArgs(name="blob", private_dns_zone_id=zone.id)],
    opts=mine,
)
keys = storage.list_storage_account_keys_output(**inside, opts=asked)
pulumi.export("blobEndpoint", account.primary_endpoints.blob)
pulumi.export("accountKey", Output.secret(keys.keys[0].value))
pulumi.export("kubeconfigBytes", len(credentials.kubeconfigs[0].value))
