"""The resources that the double knows: their ids, API versions, what replaces them, and the limits that Azure's specifications set.

What a property is called and what type it has comes from the SDK (shapes). What replaces comes from the real plugin: each part of the id,
its own list (`forceNewMap`), and what the specification marks as set at creation alone (`x-ms-mutability`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from rehearsal.doubles.azure_native import ids, shapes
from rehearsal.doubles.azure_native.shapes import Field


@dataclass(frozen=True)
class Rule:
    """A limit of a value, as specifications have them: pattern and length of a string, range of a number."""

    pattern: str = ""
    shortest: int = 0
    longest: int | None = None
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class Kind:
    """A resource type."""

    token: str
    path: str
    """Template of its id, with the SDK's names of the arguments."""
    api_version: str
    sdk: str
    """The SDK's class."""
    replaces: frozenset[str] = frozenset()
    """Arguments beside those in the id whose change replaces the resource, as paths."""
    rules: Mapping[str, Rule] = field(default_factory=dict)
    """By the argument's path; `[]` stands for any item, `*` for any key."""
    location: str = "region"
    """Where it may be: in a region, `global`, or nowhere (empty)."""
    is_singleton: bool = False
    """Whether it comes and goes with its parent: creating takes it over, deleting gives it its defaults."""

    @cached_property
    def arm_type(self) -> str:
        """Its type in ARM: `Microsoft.Storage/storageAccounts`."""
        return ids.type_and_name(self.path)[0]

    @cached_property
    def parameters(self) -> list[str]:
        """The arguments that make its id."""
        return [name for name in ids.parameters(self.path) if name != "subscriptionId"]

    @property
    def name_parameter(self) -> str:
        """The argument that names it."""
        return self.parameters[-1]

    @property
    def autoname(self) -> str:
        """How the real plugin names it where its name is missing: `random`, `copy` or `uuid`."""
        if self.name_parameter == "roleAssignmentName":
            return "uuid"
        _, in_provider, rest = self.path.lower().rpartition("microsoft.")
        return "random" if not in_provider or rest.count("{") == 1 else "copy"

    @cached_property
    def inputs(self) -> Mapping[str, Field]:
        """Its arguments."""
        return shapes.inputs_of(self.sdk)

    @cached_property
    def body(self) -> Mapping[str, Field]:
        """Its arguments beside those in the id."""
        return {name: item for name, item in self.inputs.items() if name not in self.parameters}

    @cached_property
    def outputs(self) -> Mapping[str, Field]:
        """Its properties."""
        return shapes.outputs_of(self.sdk)


_GROUP = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
_ACCOUNT = f"{_GROUP}/providers/Microsoft.Storage/storageAccounts/{{accountName}}"
_IDENTITY = f"{_GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{{resourceName}}"
_ENDPOINT = f"{_GROUP}/providers/Microsoft.Network/privateEndpoints/{{privateEndpointName}}"
_ZONE = f"{_GROUP}/providers/Microsoft.Network/privateDnsZones/{{privateZoneName}}"
_IN_GROUP = {"resourceGroupName": Rule(pattern=r"^[-\w._()]+$", shortest=1, longest=90)}
_OF_ACCOUNT = {**_IN_GROUP, "accountName": Rule(pattern="^[a-z0-9]+$", shortest=3, longest=24)}
_DAYS = Rule(least=0)
_RETENTION = Rule(least=1, most=365)

GROUP = Kind(
    "azure-native:resources:ResourceGroup",
    _GROUP,
    "2024-03-01",
    "resources.ResourceGroup",
    replaces=frozenset({"location"}),
    rules=_IN_GROUP,
)
ACCOUNT = Kind(
    "azure-native:storage:StorageAccount",
    _ACCOUNT,
    "2024-01-01",
    "storage.StorageAccount",
    replaces=frozenset({"location", "isHnsEnabled"}),
    rules={
        **_OF_ACCOUNT,
        "immutableStorageWithVersioning.immutabilityPolicy.immutabilityPeriodSinceCreationInDays": Rule(least=1, most=146000),
    },
)
CONTAINER = Kind(
    "azure-native:storage:BlobContainer",
    f"{_ACCOUNT}/blobServices/default/containers/{{containerName}}",
    "2024-01-01",
    "storage.BlobContainer",
    rules={**_OF_ACCOUNT, "containerName": Rule(shortest=3, longest=63)},
    location="",
)
BLOB_SERVICE = Kind(
    "azure-native:storage:BlobServiceProperties",
    f"{_ACCOUNT}/blobServices/{{blobServicesName}}",
    "2024-01-01",
    "storage.BlobServiceProperties",
    rules={
        **_OF_ACCOUNT,
        "deleteRetentionPolicy.days": _RETENTION,
        "containerDeleteRetentionPolicy.days": _RETENTION,
        "restorePolicy.days": _RETENTION,
        "changeFeed.retentionInDays": Rule(least=1, most=146000),
    },
    location="",
    is_singleton=True,
)
POLICY = Kind(
    "azure-native:storage:ManagementPolicy",
    f"{_ACCOUNT}/managementPolicies/{{managementPolicyName}}",
    "2024-01-01",
    "storage.ManagementPolicy",
    rules={
        **_OF_ACCOUNT,
        "policy.rules[].definition.actions.*.*.daysAfterModificationGreaterThan": _DAYS,
        "policy.rules[].definition.actions.*.*.daysAfterLastAccessTimeGreaterThan": _DAYS,
        "policy.rules[].definition.actions.*.*.daysAfterCreationGreaterThan": _DAYS,
        "policy.rules[].definition.actions.*.*.daysAfterLastTierChangeGreaterThan": _DAYS,
    },
    location="",
)
IDENTITY = Kind(
    "azure-native:managedidentity:UserAssignedIdentity",
    _IDENTITY,
    "2023-01-31",
    "managedidentity.UserAssignedIdentity",
    replaces=frozenset({"location"}),
    rules=_IN_GROUP,
)
CREDENTIAL = Kind(
    "azure-native:managedidentity:FederatedIdentityCredential",
    f"{_IDENTITY}/federatedIdentityCredentials/{{federatedIdentityCredentialResourceName}}",
    "2023-01-31",
    "managedidentity.FederatedIdentityCredential",
    rules={**_IN_GROUP, "federatedIdentityCredentialResourceName": Rule(pattern="^[a-zA-Z0-9]{1}[a-zA-Z0-9-_]{2,119}$")},
    location="",
)
ASSIGNMENT = Kind(
    "azure-native:authorization:RoleAssignment",
    "/{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}",
    "2022-04-01",
    "authorization.RoleAssignment",
    replaces=frozenset({"principalId"}),
    location="",
)
ENDPOINT = Kind(
    "azure-native:network:PrivateEndpoint",
    _ENDPOINT,
    "2024-05-01",
    "network.PrivateEndpoint",
    replaces=frozenset({"subnet"}),
    rules=_IN_GROUP,
)
ZONE_GROUP = Kind(
    "azure-native:network:PrivateDnsZoneGroup",
    f"{_ENDPOINT}/privateDnsZoneGroups/{{privateDnsZoneGroupName}}",
    "2024-05-01",
    "network.PrivateDnsZoneGroup",
    rules=_IN_GROUP,
    location="",
)
ZONE = Kind(
    "azure-native:privatedns:PrivateZone",
    _ZONE,
    "2024-06-01",
    "privatedns.PrivateZone",
    replaces=frozenset({"location"}),
    rules=_IN_GROUP,
    location="global",
)
LINK = Kind(
    "azure-native:privatedns:VirtualNetworkLink",
    f"{_ZONE}/virtualNetworkLinks/{{virtualNetworkLinkName}}",
    "2024-06-01",
    "privatedns.VirtualNetworkLink",
    replaces=frozenset({"location"}),
    rules=_IN_GROUP,
    location="global",
)
KINDS = (
    GROUP, ACCOUNT, CONTAINER, BLOB_SERVICE, POLICY, IDENTITY, CREDENTIAL, ASSIGNMENT, ENDPOINT, ZONE_GROUP, ZONE, LINK,
)  # fmt: skip
BY_TOKEN: Mapping[str, Kind] = {kind.token: kind for kind in KINDS}
