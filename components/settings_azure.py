"""What a stack may choose about Azure: the cluster's place, the storage account, who may reach it and how."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from components.settings_base import HttpsUrl, Model, VolumeGi, matching

Guid = Annotated[
    str,
    matching(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "must be a GUID in lower case, such as 00000000-0000-0000-0000-000000000000"),
]
Location = Annotated[str, matching(r"[a-z]+[a-z0-9]*", "must be a location's short name, such as westeurope")]
ResourceGroupName = Annotated[
    str, matching(r"[\w().-]{0,89}[\w()-]", "must be a resource group: 1 to 90 letters, digits or _ - . ( ), no dot at the end")
]
ManagedClusterName = Annotated[
    str, matching(r"[A-Za-z0-9]([\w-]{0,61}[A-Za-z0-9])?", "must be 1 to 63 letters, digits, _ or -, a letter or digit at both ends")
]
AccountName = Annotated[str, matching(r"[a-z0-9]{3,24}", "must be 3 to 24 lower-case letters and digits")]
_NETWORK = r"/subscriptions/[0-9a-f-]{36}/resourceGroups/[^/]+/providers/Microsoft\.Network/virtualNetworks/[^/]+"
VirtualNetworkId = Annotated[str, matching(_NETWORK, "must be a virtual network's id: /subscriptions/…/virtualNetworks/<name>")]
SubnetId = Annotated[
    str, matching(rf"{_NETWORK}/subnets/[^/]+", "must be a subnet's id: /subscriptions/…/virtualNetworks/<name>/subnets/<name>")
]
Replication = Literal["Standard_LRS", "Standard_ZRS", "Standard_GRS", "Standard_RAGRS", "Standard_GZRS", "Standard_RAGZRS"]
TagValue = Annotated[str, Field(max_length=256)]
TagName = Annotated[str, matching(r"[^<>%&\\?/]{1,512}", "must be a tag's name: 1 to 512 characters without < > % & \\ ? /")]
SOVEREIGN_LOCATIONS = {"usgovernment": ("usgov", "usdod"), "china": ("china",)}
"""What the names of locations begin with in each cloud that is not the public one."""


class AksSettings(Model):
    """An AKS cluster by name. Kubeconfig and, for workload identity, the issuer are looked up with the rights of whoever runs Pulumi."""

    resource_group: ResourceGroupName
    """The group that the cluster itself is in, not the one of its nodes."""
    name: ManagedClusterName
    """Name of the cluster."""


class ClusterSettings(Model):
    """Which cluster the stack goes to: a kubeconfig, or an AKS cluster."""

    kubeconfig: str | None = None
    """Path of a kubeconfig file, relative to the project. Default: what KUBECONFIG names, else ~/.kube/config."""
    context: str | None = None
    """Context inside that file. Default: its current context."""
    aks: AksSettings | None = None
    """An AKS cluster in the subscription of `azure`, instead of a kubeconfig."""
    oidc_issuer: HttpsUrl | None = None
    """Issuer of the cluster's ServiceAccount tokens, which workload identity trusts; only beside a kubeconfig, `aks` looks it up.
    (`az aks show -g <group> -n <name> --query oidcIssuerProfile.issuerUrl`)"""

    @model_validator(mode="after")
    def _one_way_to_the_cluster(self) -> ClusterSettings:
        beside = [key for key in ("kubeconfig", "context") if self.aks is not None and getattr(self, key) is not None]
        if self.aks is not None and beside:
            raise ValueError(f"cluster.aks is {self.aks.name}: its kubeconfig is looked up; remove cluster.{' and cluster.'.join(beside)}")
        return self

    @model_validator(mode="after")
    def _one_source_of_the_issuer(self) -> ClusterSettings:
        if self.aks is not None and self.oidc_issuer is not None:
            raise ValueError(f"cluster.oidcIssuer is {self.oidc_issuer}: the issuer of cluster.aks is looked up; remove one of the two")
        return self


class StorageSettings(Model):
    """Where the blobs of Tempo and Loki live."""

    kind: Literal["azurite", "azure"] = "azurite"
    """`azurite`: the Azure Blob emulator in the cluster, for trying the stack out; its data goes with its volume. `azure`: a storage
    account, described under `azure`."""
    volume_gi: VolumeGi = 10
    """The emulator's volume."""
    auth: Literal["workloadIdentity", "accountKey"] | None = None
    """How the stores show who they are. `workloadIdentity` (the default in Azure): an identity per store that reaches its own container
    alone, no key anywhere. `accountKey` (all the emulator knows): one key for the whole account, in a Secret per store."""

    @property
    def keyless(self) -> bool:
        """Whether the stores authenticate by workload identity."""
        return self.kind == "azure" and self.auth != "accountKey"

    @model_validator(mode="after")
    def _the_emulator_knows_keys_only(self) -> StorageSettings:
        if self.kind == "azurite" and self.auth == "workloadIdentity":
            raise ValueError("storage.auth is workloadIdentity: the emulator knows account keys only; set storage.kind to azure")
        return self

    @model_validator(mode="after")
    def _an_account_has_no_volume(self) -> StorageSettings:
        if self.kind == "azure" and "volume_gi" in self.model_fields_set:
            raise ValueError(f"storage.volumeGi is {self.volume_gi}: a storage account has no volume; remove the key")
        return self


class ResourceGroupSettings(Model):
    """The group that the storage account, its identities and its private endpoint go into."""

    name: ResourceGroupName
    """Another name is another group, and moves nothing."""
    create: bool = True
    """false: the group is there already, and `destroy` leaves it."""

    @model_validator(mode="after")
    def _not_a_node_group(self) -> ResourceGroupSettings:
        if self.name.upper().startswith("MC_"):
            raise ValueError(f"azure.resourceGroup.name is {self.name}: groups that begin with MC_ belong to AKS and go with their cluster")
        return self


class PrivateEndpointSettings(Model):
    """An address of the account inside a virtual network; the public one is then off."""

    subnet_id: SubnetId
    """Subnet that the address is taken from."""
    virtual_network_id: VirtualNetworkId
    """Network whose machines resolve the account's name to that address: the cluster's."""


class NetworkSettings(Model):
    """The account's firewall."""

    default: Literal["deny", "allow"] = "deny"
    """What happens to a request from elsewhere."""
    subnet_ids: Annotated[tuple[SubnetId, ...], Field(strict=False, max_length=400)] = ()
    """Subnets that may reach the account; each needs the service endpoint Microsoft.Storage. The cluster's nodes must be in one of them."""
    private_endpoint: PrivateEndpointSettings | None = None

    @model_validator(mode="after")
    def _a_subnet_once(self) -> NetworkSettings:
        seen: set[str] = set()
        for subnet in self.subnet_ids:
            if subnet.lower() in seen:
                raise ValueError(f"azure.network.subnetIds is {subnet} twice: name each subnet once")
            seen.add(subnet.lower())
        return self

    @model_validator(mode="after")
    def _an_open_account_needs_no_list(self) -> NetworkSettings:
        if self.default == "allow" and self.subnet_ids:
            raise ValueError(
                "azure.network.default is allow: everybody is let in, so subnetIds would change nothing; set deny or remove them"
            )
        return self

    @model_validator(mode="after")
    def _private_means_closed(self) -> NetworkSettings:
        if self.default == "allow" and self.private_endpoint is not None:
            raise ValueError("azure.network.default is allow: a private endpoint would leave the public one open beside it; set deny")
        return self


class LifecycleSettings(Model):
    """After how many days Azure itself deletes what a store has left behind; always longer than the store's own retention."""

    tempo_days: Annotated[int, Field(ge=2, le=99999)] | None = None
    """Default: a week longer than Tempo's retention."""
    loki_days: Annotated[int, Field(ge=2, le=99999)] | None = None
    """Default: a week longer than Loki's retention."""


class AzureSettings(Model):
    """The subscription, and the storage account in it."""

    subscription_id: Guid
    """Subscription of the storage account, and of `cluster.aks`."""
    tenant_id: Guid
    """Tenant of the stores' identities."""
    location: Location
    """Where the account is; near the cluster, since traffic between regions is paid for."""
    resource_group: ResourceGroupSettings
    environment: Literal["public", "usgovernment", "china"] = "public"
    """Which cloud; it decides over every address."""
    account_name: AccountName | None = None
    """Name of the storage account, unique in all of Azure. Default: made from project, stack and subscription. Another name is another
    account, without the data of the old one."""
    replication: Replication = "Standard_LRS"
    """How many copies there are, and where: in one building (LRS), in three (ZRS), in another region too (GRS, GZRS)."""
    soft_delete_days: Annotated[int, Field(ge=1, le=365)] = 7
    """How long a deleted blob or container can be brought back. What the stores' compaction deletes is paid for as long."""
    network: NetworkSettings = NetworkSettings()
    lifecycle: LifecycleSettings = LifecycleSettings()
    protect: bool = False
    """Whether `destroy` keeps the account and its data."""
    key_generation: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """Which of the account's two keys the stores use: odd key1, even key2. One more moves their pods to the other key; then the old one
    can be regenerated. Only for storage.auth accountKey."""
    tags: Annotated[dict[TagName, TagValue], Field(max_length=50)] = Field(default_factory=dict)
    """On everything of this stack in Azure that takes tags."""

    @model_validator(mode="after")
    def _the_location_is_in_the_cloud(self) -> AzureSettings:
        expected = SOVEREIGN_LOCATIONS.get(self.environment)
        if expected and not self.location.startswith(expected):
            raise ValueError(f"azure.location is {self.location}: in {self.environment} locations begin with {' or '.join(expected)}")
        elsewhere = [
            cloud for cloud, starts in SOVEREIGN_LOCATIONS.items() if self.location.startswith(starts) and cloud != self.environment
        ]
        if elsewhere:
            raise ValueError(f"azure.location is {self.location}: that is in {elsewhere[0]}; set azure.environment to it")
        return self

    @model_validator(mode="after")
    def _the_endpoint_is_in_its_network(self) -> AzureSettings:
        private = self.network.private_endpoint
        if private is not None and not private.subnet_id.lower().startswith(f"{private.virtual_network_id.lower()}/"):
            raise ValueError(f"azure.network.privateEndpoint.subnetId is {private.subnet_id}: not a subnet of its virtualNetworkId")
        return self
