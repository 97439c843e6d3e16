"""Blob storage in Azure: one account, a container per store, and for each store an identity of its own or the account's key.

Imported only where settings ask for Azure (components/storage.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pulumi import Input, InvokeOptions, Output, ResourceOptions
from pulumi_azure_native import authorization, managedidentity, network, privatedns, resources, storage

from components.errors import ConfigurationError
from components.grants import store_grant
from components.names_azure import (
    AUDIENCE,
    assignment_name,
    private_zone,
    role_definition_id,
    subscription_path,
)
from components.settings_azure import AzureSettings, NetworkSettings, PrivateEndpointSettings
from components.storage import Access, IdentityAccess, KeyAccess, Storage, StorageArgs
from components.topology import BlobStore

DEFAULT = "default"
"""The only name that Azure allows for an account's blob service and for its management policy."""


def lifecycle_rule(blobs: BlobStore) -> storage.ManagementPolicyRuleArgs:
    """Deletes what a store should have deleted itself days ago: the backstop of its own retention, and longer than that."""
    days = storage.DateAfterModificationArgs(days_after_modification_greater_than=blobs.lifecycle_days)
    return storage.ManagementPolicyRuleArgs(
        name=f"{blobs.container}-retention",
        enabled=True,
        type=storage.RuleType.LIFECYCLE,
        definition=storage.ManagementPolicyDefinitionArgs(
            actions=storage.ManagementPolicyActionArgs(base_blob=storage.ManagementPolicyBaseBlobArgs(delete=days)),
            filters=storage.ManagementPolicyFilterArgs(blob_types=["blockBlob"], prefix_match=list(blobs.data)),
        ),
    )


def firewall(choice: NetworkSettings) -> storage.NetworkRuleSetArgs:
    """Who may reach the account's public address; `bypass` lets Azure's own backup and monitoring in."""
    return storage.NetworkRuleSetArgs(
        default_action=storage.DefaultAction.DENY if choice.default == "deny" else storage.DefaultAction.ALLOW,
        bypass=storage.Bypass.AZURE_SERVICES,
        virtual_network_rules=[
            storage.VirtualNetworkRuleArgs(virtual_network_resource_id=subnet, action=storage.Action.ALLOW) for subnet in choice.subnet_ids
        ],
    )


def key_name(generation: int) -> str:
    """Which of the account's keys a generation uses. They take turns, so that the old one lives until the pods have moved to the new."""
    return "key1" if generation % 2 else "key2"


class AzureStorage(Storage):
    """The account with its containers, and for each store the way into its own."""

    token = "storage:AzureStorage"

    def __init__(self, name: str, args: StorageArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(name, args, opts)
        assert args.settings.azure is not None, "settings allow storage.kind azure only with azure described"
        self._choice: AzureSettings = args.settings.azure
        self._stores = (args.topology.tempo_blobs, args.topology.loki_blobs)
        self._group = self._resource_group()
        self._account = self._storage_account(args.settings.storage.keyless)
        self._service()
        containers = {blobs.container: self._container(blobs) for blobs in self._stores}
        if self._choice.network.private_endpoint is not None:
            self._private_endpoint(self._choice.network.private_endpoint)
        self.access = {blobs.container: self._access(blobs, containers[blobs.container], args.issuer) for blobs in self._stores}
        self.register_outputs({"account": self._stores[0].account, "endpoint": self._stores[0].url})

    def _kept(self) -> ResourceOptions:
        """Options of what holds data: where settings protect it, neither `destroy` nor a replacement takes it."""
        return self._child(protect=self._choice.protect, retain_on_delete=self._choice.protect)

    def _resource_group(self) -> Input[str]:
        """The group's name, made or looked for: one that is missing shows at preview."""
        choice = self._choice.resource_group
        if not choice.create:
            group_id = f"{subscription_path(self._choice)}/resourceGroups/{choice.name}"
            return resources.ResourceGroup.get("group", group_id, opts=self._child()).name
        group = resources.ResourceGroup(
            "group", resource_group_name=choice.name, location=self._choice.location, tags=self._choice.tags, opts=self._kept()
        )
        return group.name

    def _storage_account(self, keyless: bool) -> storage.StorageAccount:
        choice = self._choice
        closed = choice.network.private_endpoint is not None and not choice.network.subnet_ids
        return storage.StorageAccount(
            "account",
            account_name=self._stores[0].account,
            resource_group_name=self._group,
            location=choice.location,
            kind=storage.Kind.STORAGE_V2,
            sku=storage.SkuArgs(name=choice.replication),
            access_tier=storage.AccessTier.HOT,
            minimum_tls_version=storage.MinimumTlsVersion.TLS1_2,
            enable_https_traffic_only=True,
            allow_blob_public_access=False,
            allow_cross_tenant_replication=False,
            allow_shared_key_access=not keyless,
            default_to_o_auth_authentication=keyless,
            public_network_access=storage.PublicNetworkAccess.DISABLED if closed else storage.PublicNetworkAccess.ENABLED,
            network_rule_set=firewall(choice.network),
            tags=choice.tags,
            opts=self._kept(),
        )

    def _service(self) -> None:
        """What holds for every container: what is deleted can be brought back for a while, and is gone for good after long enough."""
        kept = storage.DeleteRetentionPolicyArgs(enabled=True, days=self._choice.soft_delete_days)
        storage.BlobServiceProperties(
            "blobs",
            blob_services_name=DEFAULT,
            account_name=self._account.name,
            resource_group_name=self._group,
            delete_retention_policy=kept,
            container_delete_retention_policy=kept,
            opts=self._kept(),
        )
        storage.ManagementPolicy(
            "lifecycle",
            management_policy_name=DEFAULT,
            account_name=self._account.name,
            resource_group_name=self._group,
            policy=storage.ManagementPolicySchemaArgs(rules=[lifecycle_rule(blobs) for blobs in self._stores]),
            opts=self._kept(),
        )

    def _container(self, blobs: BlobStore) -> storage.BlobContainer:
        return storage.BlobContainer(
            blobs.container,
            container_name=blobs.container,
            account_name=self._account.name,
            resource_group_name=self._group,
            public_access=storage.PublicAccess.NONE,
            opts=self._kept(),
        )

    def _private_endpoint(self, choice: PrivateEndpointSettings) -> None:
        """An address of the account in the cluster's network, and the zone in which its name leads there."""
        account, zone_name = self._stores[0].account, private_zone(self._choice)
        where: dict[str, Any] = {"resource_group_name": self._group, "tags": self._choice.tags}
        endpoint = network.PrivateEndpoint(
            "endpoint",
            private_endpoint_name=f"{account}-blob",
            location=self._choice.location,
            subnet=network.SubnetArgs(id=choice.subnet_id),
            private_link_service_connections=[
                network.PrivateLinkServiceConnectionArgs(name="blob", group_ids=["blob"], private_link_service_id=self._account.id)
            ],
            opts=self._child(),
            **where,
        )
        zone = privatedns.PrivateZone("zone", private_zone_name=zone_name, location="Global", opts=self._child(), **where)
        privatedns.VirtualNetworkLink(
            "zone-link",
            virtual_network_link_name=account,
            private_zone_name=zone.name,
            location="Global",
            registration_enabled=False,
            virtual_network=privatedns.SubResourceArgs(id=choice.virtual_network_id),
            opts=self._child(),
            **where,
        )
        network.PrivateDnsZoneGroup(
            "zone-group",
            private_dns_zone_group_name=DEFAULT,
            private_endpoint_name=endpoint.name,
            resource_group_name=self._group,
            private_dns_zone_configs=[network.PrivateDnsZoneConfigArgs(name="blob", private_dns_zone_id=zone.id)],
            opts=self._child(),
        )

    def _access(self, blobs: BlobStore, container: storage.BlobContainer, issuer: Input[str] | None) -> Access:
        if blobs.identity is not None:
            assert issuer is not None, "settings allow workload identity only with an issuer"
            return IdentityAccess(self._trusted(blobs, blobs.identity, container, issuer))
        return KeyAccess(self._key(blobs.key_generation or 1))

    def _trusted(self, blobs: BlobStore, name: str, container: storage.BlobContainer, issuer: Input[str]) -> Output[str]:
        """Client id of an identity that only the store's ServiceAccount can take on, and that may use only the store's container."""
        store, grant = blobs.container, store_grant(blobs)
        identity = managedidentity.UserAssignedIdentity(
            f"{store}-identity",
            resource_name_=name,
            resource_group_name=self._group,
            location=self._choice.location,
            tags=self._choice.tags,
            opts=self._child(),
        )
        managedidentity.FederatedIdentityCredential(
            f"{store}-trust",
            federated_identity_credential_resource_name=grant.account.name,
            resource_name_=identity.name,
            resource_group_name=self._group,
            issuer=issuer,
            subject=grant.account.subject,
            audiences=[AUDIENCE],
            opts=self._child(),
        )
        authorization.RoleAssignment(
            f"{store}-role",
            role_assignment_name=assignment_name(self._choice.subscription_id, blobs.account, store, name, grant.role),
            principal_id=identity.principal_id,
            principal_type=authorization.PrincipalType.SERVICE_PRINCIPAL,  # Azure then waits for an identity that is not known everywhere
            role_definition_id=role_definition_id(self._choice, grant.role),
            scope=container.id,
            opts=self._child(delete_before_replace=True),
        )
        return identity.client_id

    def _key(self, generation: int) -> Output[str]:
        """The account's key of this generation, secret before anyone sees it."""
        listed = storage.list_storage_account_keys_output(
            account_name=self._account.name, resource_group_name=self._group, opts=InvokeOptions(parent=self)
        )
        return Output.secret(listed).apply(lambda found: _value(found.keys, key_name(generation)))


def _value(keys: Sequence[Any], name: str) -> str:
    for key in keys:
        if key.key_name == name:
            return key.value
    raise ConfigurationError(f"azure.keyGeneration asks for {name}, which the storage account does not have")
