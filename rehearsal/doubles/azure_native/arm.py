"""An ARM template of the resources that a program registers, as tools that judge templates read them (checkov, PSRule)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rehearsal.doubles.azure_native import catalogue, ids
from rehearsal.doubles.azure_native.catalogue import BY_TOKEN, Kind
from rehearsal.doubles.kubernetes.errors import Refusal
from rehearsal.doubles.kubernetes.values import UNKNOWN_TEXT, Unknown, revealed

_SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
_PACKAGE = "azure-native:"
_NOT_KNOWN_YET = "knownAfterDeployment"
_OWN = ("azureApiVersion", "__createBeforeDelete")


@dataclass(frozen=True)
class _Rest:
    """How an object is written in REST, where that is not as the SDK has it."""

    names: Mapping[str, str] = field(default_factory=dict)
    inner: Mapping[str, "_Rest"] = field(default_factory=dict)
    outside: frozenset[str] | None = None
    """The names that stay beside `properties`, where all others go; None where there is no such object."""
    sets: frozenset[str] = frozenset()
    """Lists of texts that are objects in REST, with the texts as keys."""


_PLACED = frozenset({"location", "tags"})
_CONNECTION = _Rest(outside=frozenset({"id", "name"}))
_REST: Mapping[str, _Rest] = {
    catalogue.GROUP.token: _Rest(),
    catalogue.ACCOUNT.token: _Rest(
        outside=frozenset({*_PLACED, "sku", "kind", "identity", "extendedLocation"}),
        names={
            "enableHttpsTrafficOnly": "supportsHttpsTrafficOnly",
            "enableNfsV3": "isNfsV3Enabled",
            "networkRuleSet": "networkAcls",
        },
        inner={
            "networkRuleSet": _Rest(
                inner={
                    "ipRules": _Rest(names={"iPAddressOrRange": "value"}),
                    "virtualNetworkRules": _Rest(names={"virtualNetworkResourceId": "id"}),
                }
            ),
            "encryption": _Rest(
                names={"keyVaultProperties": "keyvaultproperties", "encryptionIdentity": "identity"},
                inner={
                    "keyVaultProperties": _Rest(names={"keyName": "keyname", "keyVersion": "keyversion", "keyVaultUri": "keyvaulturi"}),
                    "encryptionIdentity": _Rest(
                        names={
                            "encryptionUserAssignedIdentity": "userAssignedIdentity",
                            "encryptionFederatedIdentityClientId": "federatedIdentityClientId",
                        }
                    ),
                },
            ),
            "identity": _Rest(sets=frozenset({"userAssignedIdentities"})),
        },
    ),
    catalogue.CONTAINER.token: _Rest(outside=frozenset()),
    catalogue.BLOB_SERVICE.token: _Rest(outside=frozenset()),
    catalogue.POLICY.token: _Rest(outside=frozenset()),
    catalogue.IDENTITY.token: _Rest(outside=_PLACED),
    catalogue.CREDENTIAL.token: _Rest(outside=frozenset()),
    catalogue.ASSIGNMENT.token: _Rest(outside=frozenset()),
    catalogue.ENDPOINT.token: _Rest(
        outside=frozenset({*_PLACED, "extendedLocation", "id"}),
        inner={
            "privateLinkServiceConnections": _CONNECTION,
            "manualPrivateLinkServiceConnections": _CONNECTION,
            "subnet": _Rest(outside=frozenset({"id", "name", "type", "etag"})),
            "ipConfigurations": _Rest(outside=frozenset({"name"})),
        },
    ),
    catalogue.ZONE_GROUP.token: _Rest(
        outside=frozenset({"id", "name"}), inner={"privateDnsZoneConfigs": _Rest(outside=frozenset({"name"}))}
    ),
    catalogue.ZONE.token: _Rest(outside=_PLACED),
    catalogue.LINK.token: _Rest(outside=_PLACED),
}


def template(resources: Iterable[tuple[str, Mapping[str, Any]]], subscription: str) -> dict[str, Any]:
    """A template of the resources of Azure among those registered, each by type token and inputs.

    What is not known before a deployment is a parameter. Refusal where a resource or an argument is unknown here, as it would be lost.
    """
    written = [_resource(_kind(token), inputs, subscription) for token, inputs in resources if token.startswith(_PACKAGE)]
    made = {ids.key(identifier) for identifier, _ in written}
    for identifier, entry in written:
        parents = [outer for outer in ids.ancestors(identifier)[1:] if ids.key(outer) in made]
        if parents:
            entry["dependsOn"] = [_reference(outer) for outer in parents]
    entries = [entry for _, entry in written]
    parameters = {_NOT_KNOWN_YET: {"type": "string"}} if f"[parameters('{_NOT_KNOWN_YET}')]" in str(entries) else {}
    return {"$schema": _SCHEMA, "contentVersion": "1.0.0.0", "parameters": parameters, "resources": entries}


def _kind(token: str) -> Kind:
    if token not in BY_TOKEN:
        raise Refusal(f"no template can be made of {token}: the azure-native double does not know it")
    return BY_TOKEN[token]


def _resource(kind: Kind, registered: Mapping[str, Any], subscription: str) -> tuple[str, dict[str, Any]]:
    inputs = {key: _known(value) for key, value in revealed(dict(registered)).items() if value is not None and key not in _OWN}
    unknown = sorted(inputs.keys() - kind.inputs.keys())
    if unknown:
        raise Refusal(f"no template can be made of {kind.token}: it has no argument {', '.join(unknown)}")
    names = {name: str(inputs.get(name, _known(None))) for name in kind.parameters}
    identifier = ids.fill(kind.path, {"subscriptionId": subscription, **names})
    body = {key: value for key, value in inputs.items() if key not in kind.parameters}
    entry: dict[str, Any] = {"type": kind.arm_type, "apiVersion": kind.api_version, "name": ids.type_and_name(identifier)[1]}
    if "scope" in names:
        entry["scope"] = names["scope"]
    return identifier, {**entry, **_written(body, _REST[kind.token])}


def _known(value: Any) -> Any:
    """The value, with a parameter for what only a deployment knows."""
    if value is None or isinstance(value, Unknown) or value == UNKNOWN_TEXT:
        return f"[parameters('{_NOT_KNOWN_YET}')]"
    if isinstance(value, Mapping):
        return {key: _known(item) for key, item in value.items() if item is not None}
    return [_known(item) for item in value] if isinstance(value, list) else value


def _written(value: Any, rest: _Rest) -> Any:
    if isinstance(value, list):
        return [_written(item, rest) for item in value]
    if not isinstance(value, dict):
        return value
    result: dict[str, Any] = {}
    inner = result if rest.outside is None else {}
    for key, item in value.items():
        target = result if rest.outside is None or key in rest.outside else inner
        written = {text: {} for text in item} if key in rest.sets else _written(item, rest.inner.get(key, _Rest()))
        target[rest.names.get(key, key)] = written
    return result if rest.outside is None else {**result, "properties": inner} if inner else result


def _reference(identifier: str) -> str:
    arm_type, names = ids.type_and_name(identifier)
    quoted = ", ".join(f"'{name}'" for name in [arm_type, *names.split("/")])
    return f"[resourceId({quoted})]"
