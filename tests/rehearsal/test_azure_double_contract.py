"""The azure-native double against the SDK: every name it takes or gives is one of the SDK's own, and it is never kinder."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from rehearsal.azurite import Azurite
from rehearsal.doubles.azure_native import VERSION, arm, catalogue, invokes, shapes
from rehearsal.doubles.azure_native.catalogue import KINDS, Kind
from rehearsal.doubles.azure_native.keys import account_keys
from rehearsal.doubles.azure_native.shapes import Field, Shape
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
    ZONE,
    ZONE_GROUP,
    Client,
    Made,
    account_inputs,
    client,
    rule,
)

__all__ = ["client"]
pytestmark = pytest.mark.xdist_group("azure_double")  # one Azurite for all of them
ALL = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.sdk)
# What only an account says that moves, fails over or is restored, a container that is leased, held or deleted, and what is not told at all.
RARELY = {
    *("accountMigrationInProgress", "blobRestoreStatus", "failoverInProgress", "geoReplicationStats", "isSkuConversionBlocked"),
    *("lastGeoFailoverTime", "storageAccountSkuConversionStatus", "deletedTime", "immutabilityPolicy", "leaseDuration", "legalHold"),
    *("version", "systemData"),
}
SAMPLES: dict[str, Any] = {"string": "text", "boolean": True, "integer": 1, "number": 1.0, "any": "anything"}


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with Azurite.start(tmp_path_factory.mktemp("azurite"), die_with_parent=True, accounts={ACCOUNT: account_keys(ACCOUNT)}) as azurite:
        yield azurite


@pytest.fixture
def everything(client: Client, azurite: Azurite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Made]:
    """One resource of each type, with much of what a program may ask for."""
    (tmp_path / "kubeconfig").write_text("{}")
    monkeypatch.setenv("REHEARSAL_KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.setenv("REHEARSAL_AZURITE", azurite.address)
    client.configure()
    group = client.group()
    identity = client.identity()
    of_account = {**IN_GROUP, "accountName": ACCOUNT}
    account = client.make(
        STORAGE_ACCOUNT,
        **account_inputs(
            sku={"name": "Standard_RAGZRS"},
            tags={"a": "b"},
            allowBlobPublicAccess=False,
            allowSharedKeyAccess=False,
            defaultToOAuthAuthentication=True,
            enableHttpsTrafficOnly=True,
            minimumTlsVersion="TLS1_2",
            publicNetworkAccess="Disabled",
            keyPolicy={"keyExpirationPeriodInDays": 90},
            sasPolicy={"expirationAction": "Log", "sasExpirationPeriod": "1.00:00:00"},
            routingPreference={"routingChoice": "MicrosoftRouting"},
            encryption={"keySource": "Microsoft.Storage", "requireInfrastructureEncryption": True},
            identity={"type": "SystemAssigned,UserAssigned", "userAssignedIdentities": [identity.id]},
            networkRuleSet={
                "defaultAction": "Deny",
                "bypass": "Logging, Metrics",
                "ipRules": [{"iPAddressOrRange": "1.2.3.4", "action": "Allow"}],
                "virtualNetworkRules": [{"virtualNetworkResourceId": SUBNET}],
            },
        ),
    )
    connection = {"name": "blob", "privateLinkServiceId": ACCOUNT_ID, "groupIds": ["blob"], "requestMessage": "please"}
    endpoint = client.make(
        ENDPOINT,
        **IN_GROUP,
        privateEndpointName="pe",
        subnet={"id": SUBNET},
        privateLinkServiceConnections=[connection],
        customNetworkInterfaceName="pe-nic",
    )
    zone = client.make(ZONE, **IN_GROUP, privateZoneName="privatelink.blob.core.windows.net", location="global", tags={"a": "b"})
    trusted = {"issuer": "https://issuer", "subject": "system:serviceaccount:loki:loki", "audiences": ["api://AzureADTokenExchange"]}
    given = {"principalId": identity.outputs["principalId"], "roleDefinitionId": CONTRIBUTOR, "principalType": "ServicePrincipal"}
    link = {"privateZoneName": zone.outputs["name"], "virtualNetworkLinkName": "nodes", "location": "global"}
    days = {"enabled": True, "days": 7}
    made = [
        group,
        identity,
        account,
        endpoint,
        zone,
        client.make(BLOB_CONTAINER, **of_account, containerName="loki", metadata={"store": "loki"}),
        client.make(
            BLOB_SERVICE, **of_account, blobServicesName="default", deleteRetentionPolicy=days, containerDeleteRetentionPolicy=days
        ),
        client.make(POLICY, **of_account, managementPolicyName="default", policy={"rules": [rule(enabled=True), rule("tempo")]}),
        client.make(CREDENTIAL, **IN_GROUP, resourceName="id-loki", federatedIdentityCredentialResourceName="loki", **trusted),
        client.make(ASSIGNMENT, scope=ACCOUNT_ID, description="Loki writes its chunks", **given),
        client.make(LINK, **IN_GROUP, **link, virtualNetwork={"id": NETWORK}, registrationEnabled=False, tags={"a": "b"}),
        client.make(
            ZONE_GROUP,
            **IN_GROUP,
            privateEndpointName="pe",
            privateDnsZoneGroupName="default",
            privateDnsZoneConfigs=[{"name": "blob", "privateDnsZoneId": zone.id}],
        ),
    ]
    return {item.token: item for item in made}


def misfits(value: Any, shape: Shape, path: str) -> Iterator[str]:
    """Where a value is not as the SDK has it."""
    if shape.kind == "object":
        assert isinstance(value, dict), path
        for name, inner in value.items():
            if name in shape.fields:
                yield from misfits(inner, shape.fields[name].shape, f"{path}.{name}")
            else:
                yield f"{path}.{name} is no property"
    elif shape.kind in ("array", "map") and shape.item:
        for inner in value if shape.kind == "array" else value.values():
            yield from misfits(inner, shape.item, f"{path}[]")
    elif shape.kind != "any":
        expected = {"string": str, "boolean": bool, "integer": int, "number": (int, float), "array": list, "map": dict}[shape.kind]
        if not isinstance(value, expected) or (isinstance(value, bool) and shape.kind != "boolean"):
            yield f"{path} is {value!r}, no {shape.kind}"


def outputs_misfit(outputs: Mapping[str, Any], known: Mapping[str, Field]) -> list[str]:
    strange = [f"{name} is no property" for name in outputs if name not in known]
    return strange + [found for name in outputs if name in known for found in misfits(outputs[name], known[name].shape, name)]


def test_every_type_gives_what_the_sdk_knows_and_nothing_else(client: Client, everything: dict[str, Made]) -> None:
    assert sorted(everything) == sorted(kind.token for kind in KINDS)
    for kind in KINDS:
        made = everything[kind.token]
        assert not outputs_misfit(made.outputs, kind.outputs), kind.token
        seen = client.read(made)
        assert seen and not outputs_misfit(seen.outputs, kind.outputs), kind.token
        assert seen.inputs == made.inputs, f"{kind.token}: a refresh right after creating finds nothing new"
        assert not set(seen.inputs) - set(kind.inputs) - {"azureApiVersion", "__createBeforeDelete"}


def test_what_the_sdk_says_is_always_there_is_there(everything: dict[str, Made]) -> None:
    for kind in KINDS:
        always = {name for name in kind.outputs if name not in kind.inputs and name not in RARELY}
        missing = always - set(everything[kind.token].outputs)
        assert not missing, f"{kind.token} says nothing of {', '.join(sorted(missing))}"


def test_functions_give_what_the_sdk_knows(client: Client, everything: dict[str, Made]) -> None:
    aks = {"resourceGroupName": "rg-aks", "resourceName": "aks"}
    arguments: dict[str, dict[str, str]] = {
        "authorization:getClientConfig": {},
        "containerservice:getManagedCluster": aks,
        "containerservice:listManagedClusterUserCredentials": aks,
        "resources:getResourceGroup": {"resourceGroupName": GROUP},
        "storage:listStorageAccountKeys": {"accountName": ACCOUNT, **IN_GROUP},
    }
    assert sorted(f"azure-native:{name}" for name in arguments) == sorted(invokes._FUNCTIONS), "each function is tested"
    for name, given in arguments.items():
        module, _, function = name.partition(":")
        result = shapes.load(f"{module}.{function[0].upper()}{function[1:]}Result")
        answer = client.invoke(f"azure-native:{name}", **given)
        assert answer and not outputs_misfit(answer, shapes.fields(result)), name
        source = inspect.getsource(importlib.import_module(result.__module__))
        assert f"'azure-native:{name}'" in source, "the SDK asks for it by this name"
        assert set(given) <= set(re.findall(r"__args__\['(\w+)'\]", source)), "and with these arguments"


@ALL
def test_the_shapes_are_those_of_the_sdk(kind: Kind) -> None:
    """By another way than the double reads them: the signatures of the SDK's constructors, and what its resources declare."""
    seen: set[type] = set()

    def compare(cls: type) -> None:
        if cls in seen:
            return
        seen.add(cls)
        parameters = set(inspect.signature(cls.__init__).parameters) - {"__self__", "self"}
        assert len(shapes.fields(cls)) == len(parameters), cls
        assert {_snake(name) for name in shapes.fields(cls)} == parameters, cls
        for item in shapes.fields(cls).values():
            for shape in (item.shape, item.shape.item):
                if shape and shape.cls:
                    compare(shape.cls)

    resource = shapes.load(kind.sdk)
    compare(getattr(importlib.import_module(resource.__module__), f"{resource.__name__}Args"))
    declared = re.findall(r'__props__\.__dict__\["(\w+)"\] = None', inspect.getsource(vars(resource)["get"].__func__))
    assert {_snake(name) for name in kind.outputs} == set(declared)
    for item in kind.outputs.values():
        if item.shape.cls:
            compare(item.shape.cls)
    assert f"'{kind.token}'" in inspect.getsource(resource)


def _snake(name: str) -> str:
    """The SDK's own way from one spelling to the other, as far as these names need it."""
    text = re.sub("([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    text = re.sub("([a-z0-9])([A-Z])", r"\1_\2", text).lower()
    return {
        "enable_nfs_v3": "enable_nfs_v3",
        "i_paddress_or_range": "i_p_address_or_range",
        "default_to_oauth_authentication": "default_to_o_auth_authentication",
    }.get(text, text)


@ALL
def test_the_version_of_the_api_is_the_sdks(kind: Kind) -> None:
    assert f"Uses Azure REST API version {kind.api_version}." in (inspect.getsource(shapes.load(kind.sdk)))


def test_the_double_stands_in_for_the_version_of_the_sdk() -> None:
    plugin = Path(inspect.getfile(importlib.import_module("pulumi_azure_native"))).with_name("pulumi-plugin.json").read_text()
    assert f'"version": "{VERSION}"' in plugin


def _paths(known: Mapping[str, Field], depth: int = 6) -> set[str]:
    """Paths of what is in a shape, as rules name them."""
    found: set[str] = set()
    for name, item in known.items():
        found.add(name)
        shape, suffix = item.shape, ""
        if shape.kind == "array" and shape.item:
            shape, suffix = shape.item, "[]"
        if shape.kind == "object" and depth:
            found |= {f"{name}{suffix}.{inner}" for inner in _paths(shape.fields, depth - 1)}
    return found


@ALL
def test_rules_and_replacements_are_of_properties_that_there_are(kind: Kind) -> None:
    inner = {name: item for name, item in kind.inputs.items() if name != "subnet"}  # a subnet holds half of all that Azure has
    paths = _paths(inner)
    for rule_path in kind.rules:
        pattern = re.escape(rule_path).replace(r"\*", "[^.]+")
        assert any(re.fullmatch(pattern, path) for path in paths), rule_path
    assert kind.replaces <= kind.body.keys()
    assert set(kind.parameters) <= kind.inputs.keys()


@ALL
def test_names_in_templates_are_of_properties_that_there_are(kind: Kind) -> None:
    def check(rest: arm._Rest, known: Mapping[str, Field]) -> None:
        assert {*rest.names, *rest.inner, *rest.sets, *(rest.outside or ())} <= known.keys()
        for name, inner in rest.inner.items():
            shape = known[name].shape
            check(inner, (shape.item or shape).fields)

    check(arm._REST[kind.token], kind.inputs)


@ALL
def test_each_required_argument_is_missed(client: Client, kind: Kind) -> None:
    given = {name: _sample(item.shape) for name, item in kind.inputs.items() if item.required}
    for name in given:
        _, wrong = client.check(kind.token, {key: value for key, value in given.items() if key != name})
        assert f"missing required property '{name}'" in wrong


@ALL
def test_a_name_that_the_sdk_does_not_have_is_refused(client: Client, kind: Kind) -> None:
    given = {name: _sample(item.shape) for name, item in kind.inputs.items() if item.required}
    _, wrong = client.check(kind.token, {**given, "invented": 1})
    assert "unknown property 'invented'" in wrong
    objects = [name for name, item in kind.inputs.items() if item.shape.kind == "object"]
    for name in objects:
        _, wrong = client.check(kind.token, {**given, name: {"invented": 1}})
        assert f"unknown property '{name}.invented'" in wrong


@ALL
def test_a_value_of_another_type_is_refused(client: Client, kind: Kind) -> None:
    for name, item in kind.inputs.items():
        other = 7 if item.shape.kind in ("string", "boolean") else "text"
        _, wrong = client.check(kind.token, {name: other})
        assert any(reason.startswith(f"'{name}' should be of type ") for reason in wrong), (name, wrong)


def _sample(shape: Shape) -> Any:
    if shape.kind == "object":
        return {name: _sample(item.shape) for name, item in shape.fields.items() if item.required}
    if shape.kind in ("array", "map"):
        return [] if shape.kind == "array" else {}
    return SAMPLES[shape.kind]


def test_the_catalogue_names_each_type_once() -> None:
    assert len(catalogue.BY_TOKEN) == len(KINDS)
    assert {RESOURCE_GROUP, STORAGE_ACCOUNT, IDENTITY} < set(catalogue.BY_TOKEN)
    assert ROOT.startswith("/subscriptions/")
