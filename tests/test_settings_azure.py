"""The border in Azure: what a stack file may not say, and the one clear line that each mistake gets."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest
from pulumi.runtime.config import set_all_config

from components.config import load, parse
from components.errors import ConfigurationError
from components.settings import Settings
from tests.azure_stacks import AZURE, AZURE_VARIANTS, ENDPOINTS, KEYLESS, NETWORK, SUBNET, WITH_KEY, azure
from tests.test_settings import MISTAKES as ELSEWHERE

SECRETS = {"grafanaAdminPassword": "x"}
GUID = "must be a GUID in lower case, such as 00000000-0000-0000-0000-000000000000"
ACCOUNT = "must be 3 to 24 lower-case letters and digits"
GROUP = "must be a resource group: 1 to 90 letters, digits or _ - . ( ), no dot at the end"
SUBNET_ID = "must be a subnet's id: /subscriptions/…/virtualNetworks/<name>/subnets/<name>"
NETWORK_ID = "must be a virtual network's id: /subscriptions/…/virtualNetworks/<name>"
REPLICATION = "'Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_RAGRS', 'Standard_GZRS' or 'Standard_RAGZRS'"
CLOSED = "azure.network.default is deny: nobody would reach the account; set subnetIds or privateEndpoint, or default to allow"
AT_LEAST_ONE = "should be greater than or equal to 1"


def network(**choice: Any) -> dict[str, Any]:
    return {**KEYLESS, "azure": azure(network=choice)}


def endpoint(**choice: Any) -> dict[str, Any]:
    return network(privateEndpoint={"subnetId": ENDPOINTS, "virtualNetworkId": NETWORK, **choice})


def without(key: str) -> dict[str, Any]:
    return {**KEYLESS, "azure": {k: v for k, v in AZURE.items() if k != key}}


MISTAKES: list[tuple[dict[str, Any], str]] = [
    # what belongs together
    ({"storage": {"kind": "azure"}}, "storage.kind is azure: azure.subscriptionId, tenantId, location and resourceGroup must be set"),
    (
        {"cluster": {"aks": {"resourceGroup": "g", "name": "c"}}},
        "cluster.aks is c: azure.subscriptionId and its tenantId must say where that is",
    ),
    (
        {"azure": AZURE},
        "azure is set while storage.kind is azurite and cluster.aks is not set: nothing would use it; set storage.kind to azure",
    ),
    (
        {**KEYLESS, "cluster": {"context": "aks"}},
        "storage.auth is workloadIdentity: Azure must know the issuer of the cluster's tokens; set cluster.oidcIssuer or cluster.aks",
    ),
    (
        {"storage": {"auth": "workloadIdentity"}},
        "storage.auth is workloadIdentity: the emulator knows account keys only; set storage.kind to azure",
    ),
    ({**KEYLESS, "storage": {"kind": "azure", "volumeGi": 10}}, "storage.volumeGi is 10: a storage account has no volume; remove the key"),
    ({**KEYLESS, "storage": {"kind": "azure", "auth": "sas"}}, "storage.auth is 'sas': should be 'workloadIdentity' or 'accountKey'"),
    # the cluster
    (
        {**KEYLESS, "cluster": {"aks": {"resourceGroup": "g", "name": "c"}, "context": "c"}},
        "cluster.aks is c: its kubeconfig is looked up; remove cluster.context",
    ),
    (
        {**KEYLESS, "cluster": {"aks": {"resourceGroup": "g", "name": "c"}, "kubeconfig": "k", "context": "c"}},
        "cluster.aks is c: its kubeconfig is looked up; remove cluster.kubeconfig and cluster.context",
    ),
    (
        {**KEYLESS, "cluster": {"aks": {"resourceGroup": "g", "name": "c"}, "oidcIssuer": "https://i"}},
        "cluster.oidcIssuer is https://i: the issuer of cluster.aks is looked up; remove one of the two",
    ),
    ({**KEYLESS, "cluster": {"oidcIssuer": "http://i"}}, "cluster.oidcIssuer is 'http://i': must begin with https://"),
    ({**KEYLESS, "cluster": {"aks": {"name": "c"}}}, "cluster.aks.resourceGroup is missing: it must be set"),
    (
        {**KEYLESS, "cluster": {"aks": {"resourceGroup": "g", "name": "-c"}}},
        "cluster.aks.name is '-c': must be 1 to 63 letters, digits, _ or -, a letter or digit at both ends",
    ),
    ({**KEYLESS, "cluster": {"aks": "c"}}, "cluster.aks is 'c': should be an object of keys"),
    # the subscription
    (without("subscriptionId"), "azure.subscriptionId is missing: it must be set"),
    (without("tenantId"), "azure.tenantId is missing: it must be set"),
    (without("location"), "azure.location is missing: it must be set"),
    (without("resourceGroup"), "azure.resourceGroup is missing: it must be set"),
    ({**KEYLESS, "azure": azure(subscriptionId="dev")}, f"azure.subscriptionId is 'dev': {GUID}"),
    ({**KEYLESS, "azure": azure(tenantId="contoso.onmicrosoft.com")}, f"azure.tenantId is 'contoso.onmicrosoft.com': {GUID}"),
    (
        {**KEYLESS, "azure": azure(location="West Europe")},
        "azure.location is 'West Europe': must be a location's short name, such as westeurope",
    ),
    ({**KEYLESS, "azure": azure(environment="germany")}, "azure.environment is 'germany': should be 'public', 'usgovernment' or 'china'"),
    (
        {**KEYLESS, "azure": azure(environment="usgovernment")},
        "azure.location is westeurope: in usgovernment locations begin with usgov or usdod",
    ),
    ({**KEYLESS, "azure": azure(environment="china")}, "azure.location is westeurope: in china locations begin with china"),
    ({**KEYLESS, "azure": azure(location="chinaeast2")}, "azure.location is chinaeast2: that is in china; set azure.environment to it"),
    ({**KEYLESS, "azure": azure(resourceGroup={"name": "a/b"})}, f"azure.resourceGroup.name is 'a/b': {GROUP}"),
    ({**KEYLESS, "azure": azure(resourceGroup={"name": "dot."})}, f"azure.resourceGroup.name is 'dot.': {GROUP}"),
    ({**KEYLESS, "azure": azure(resourceGroup={"name": "g" * 91})}, f"azure.resourceGroup.name is '{'g' * 91}': {GROUP}"),
    ({**KEYLESS, "azure": azure(resourceGroup={"create": True})}, "azure.resourceGroup.name is missing: it must be set"),
    (
        {**KEYLESS, "azure": azure(resourceGroup={"name": "MC_clusters_aks_westeurope"})},
        "azure.resourceGroup.name is MC_clusters_aks_westeurope: groups that begin with MC_ belong to AKS and go with their cluster",
    ),
    ({**KEYLESS, "azure": azure(subscription="x")}, "azure.subscription is not a configuration key; did you mean subscriptionId?"),
    # the account
    ({**KEYLESS, "azure": azure(accountName="a" * 25)}, f"azure.accountName is '{'a' * 25}': {ACCOUNT}"),
    ({**KEYLESS, "azure": azure(accountName="ab")}, f"azure.accountName is 'ab': {ACCOUNT}"),
    ({**KEYLESS, "azure": azure(accountName="Telemetry")}, f"azure.accountName is 'Telemetry': {ACCOUNT}"),
    ({**KEYLESS, "azure": azure(accountName="my-logs")}, f"azure.accountName is 'my-logs': {ACCOUNT}"),
    ({**KEYLESS, "azure": azure(replication="GRS")}, f"azure.replication is 'GRS': should be {REPLICATION}"),
    ({**KEYLESS, "azure": azure(softDeleteDays=0)}, f"azure.softDeleteDays is 0: {AT_LEAST_ONE}"),
    ({**KEYLESS, "azure": azure(softDeleteDays=366)}, "azure.softDeleteDays is 366: should be less than or equal to 365"),
    ({**KEYLESS, "azure": azure(protect="yes")}, "azure.protect is 'yes': should be a valid boolean"),
    ({**KEYLESS, "azure": azure(tags={"a": "b" * 257})}, f"azure.tags.a is '{'b' * 257}': should have at most 256 characters"),
    ({**KEYLESS, "azure": azure(tags={"team": 1})}, "azure.tags.team is 1: should be a valid string"),
    # keys
    ({**WITH_KEY, "azure": azure(keyGeneration=0)}, f"azure.keyGeneration is 0: {AT_LEAST_ONE}"),
    ({**WITH_KEY, "azure": azure(keyGeneration=-1)}, f"azure.keyGeneration is -1: {AT_LEAST_ONE}"),
    ({**WITH_KEY, "azure": azure(keyGeneration="2")}, "azure.keyGeneration is '2': should be a valid integer"),
    (
        {**KEYLESS, "azure": azure(keyGeneration=2)},
        "azure.keyGeneration is 2: there is no key to rotate unless storage.auth is accountKey",
    ),
    # the firewall
    (network(), CLOSED),
    (network(default="deny", subnetIds=[]), CLOSED),
    (
        network(default="allow", subnetIds=[SUBNET]),
        "azure.network.default is allow: everybody is let in, so subnetIds would change nothing; set deny or remove them",
    ),
    (
        network(default="allow", privateEndpoint={"subnetId": ENDPOINTS, "virtualNetworkId": NETWORK}),
        "azure.network.default is allow: a private endpoint would leave the public one open beside it; set deny",
    ),
    (network(default="block"), "azure.network.default is 'block': should be 'deny' or 'allow'"),
    (network(subnetIds=["nodes"]), f"azure.network.subnetIds.0 is 'nodes': {SUBNET_ID}"),
    (network(subnetIds=[NETWORK]), f"azure.network.subnetIds.0 is '{NETWORK}': {SUBNET_ID}"),
    (network(subnetIds=[SUBNET, SUBNET]), f"azure.network.subnetIds is {SUBNET} twice: name each subnet once"),
    (network(privateEndpoint={"virtualNetworkId": NETWORK}), "azure.network.privateEndpoint.subnetId is missing: it must be set"),
    (network(privateEndpoint={"subnetId": ENDPOINTS}), "azure.network.privateEndpoint.virtualNetworkId is missing: it must be set"),
    (endpoint(virtualNetworkId=SUBNET), f"azure.network.privateEndpoint.virtualNetworkId is '{SUBNET}': {NETWORK_ID}"),
    (
        endpoint(virtualNetworkId=f"{NETWORK}-2"),
        f"azure.network.privateEndpoint.subnetId is {ENDPOINTS}: not a subnet of its virtualNetworkId",
    ),
    # how long what is kept
    ({**KEYLESS, "tempo": {"retentionDays": 0}}, f"tempo.retentionDays is 0: {AT_LEAST_ONE}"),
    ({**KEYLESS, "loki": {"retentionDays": 0}}, f"loki.retentionDays is 0: {AT_LEAST_ONE}"),
    (
        {**KEYLESS, "tempo": {"retentionDays": 14}, "azure": azure(lifecycle={"tempoDays": 14})},
        "azure.lifecycle.tempoDays is 14: must be more than tempo.retentionDays 14, or Azure deletes what is in use",
    ),
    (
        {**KEYLESS, "loki": {"retentionDays": 90}, "azure": azure(lifecycle={"lokiDays": 30})},
        "azure.lifecycle.lokiDays is 30: must be more than loki.retentionDays 90, or Azure deletes what is in use",
    ),
    (
        {**KEYLESS, "azure": azure(lifecycle={"days": 30})},
        "azure.lifecycle.days is not a configuration key; the keys are tempoDays, lokiDays",
    ),
    # what the cluster has already
    (
        {"prometheus": {"source": "existing"}},
        "prometheus.source is existing: prometheus.existing.namespace and service must say where it is",
    ),
    (
        {"prometheus": {"existing": {"namespace": "m", "service": "p"}}},
        "prometheus.existing is set while prometheus.source is install: set source to existing or remove it",
    ),
    (
        {"certManager": {"existing": {"namespace": "pki"}}},
        "certManager.existing is set while certManager.source is install: set source to existing or remove it",
    ),
    (
        {"istio": {"existing": {"namespace": "mesh"}}},
        "istio.existing is set while istio.source is install: set source to existing or remove it",
    ),
    ({"prometheus": {"source": "existing", "existing": {"namespace": "m"}}}, "prometheus.existing.service is missing: it must be set"),
    (
        {"prometheus": {"source": "existing", "existing": {"namespace": "m", "service": "p", "port": 0}}},
        f"prometheus.existing.port is 0: {AT_LEAST_ONE}",
    ),
    (
        {"prometheus": {"source": "existing", "existing": {"namespace": "m", "service": "p"}, "retentionDays": 3}},
        "prometheus.retentionDays is 3: prometheus.source is existing, so this changes nothing; remove the key",
    ),
    (
        {"istio": {"source": "existing", "existing": {"gateway": {"namespace": "e", "service": "g"}}, "gatewayReplicas": 3}},
        "istio.gatewayReplicas is 3: istio.source is existing, so this changes nothing; remove the key",
    ),
    (
        {"opentelemetry": {"source": "existing", "go": True, "goExceptionNamespaces": ["shop"]}},
        "opentelemetry.go is true: opentelemetry.source is existing, and only an operator of ours is told to do Go",
    ),
    (
        {"certManager": {"issuer": "acme", "acme": {"email": "a@b.cd"}}, "istio": {"source": "existing"}},
        "certManager.issuer is acme: istio.source is existing, and its challenges need a mesh that is configured from here",
    ),
    ({"opentelemetry": {"source": "shared"}}, "opentelemetry.source is 'shared': should be 'install' or 'existing'"),
]


@pytest.mark.parametrize(("config", "line"), MISTAKES, ids=lambda p: p[:60] if isinstance(p, str) else "")
def test_a_mistake_gets_one_clear_line(config: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse({**SECRETS, **config})
    assert caught.value.lines == (line,)
    assert "\n" not in line


def test_the_table_is_as_long_as_it_should_be() -> None:
    assert len({line for _, line in MISTAKES + ELSEWHERE}) >= 100


def test_rules_between_layers_are_named_all_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse({**SECRETS, "storage": {"kind": "azure"}, "azure": azure(network={}, lifecycle={"tempoDays": 7, "lokiDays": 7})})
    assert [line.split(" is ")[0] for line in caught.value.lines] == [
        "storage.auth",
        "azure.network.default",
        "azure.lifecycle.tempoDays",
        "azure.lifecycle.lokiDays",
    ]


@pytest.mark.parametrize("variant", AZURE_VARIANTS)
def test_what_is_right_is_taken(variant: str) -> None:
    assert isinstance(parse({**SECRETS, **AZURE_VARIANTS[variant]}), Settings)


def test_identity_is_what_a_stack_in_azure_gets_without_asking() -> None:
    assert parse({**SECRETS, **KEYLESS}).storage.keyless
    assert not parse({**SECRETS, **WITH_KEY}).storage.keyless
    assert not parse(SECRETS).storage.keyless


@pytest.mark.parametrize(
    ("environment", "location"),
    [("public", "westeurope"), ("usgovernment", "usgovvirginia"), ("usgovernment", "usdodeast"), ("china", "chinaeast2")],
)
def test_each_cloud_takes_its_own_locations(environment: str, location: str) -> None:
    settings = parse({**SECRETS, **KEYLESS, "azure": azure(environment=environment, location=location)})
    assert settings.azure is not None
    assert settings.azure.location == location


def test_an_aks_cluster_needs_no_storage_in_azure() -> None:
    settings = parse({**SECRETS, "azure": azure(network={}), "cluster": KEYLESS["cluster"]})
    assert settings.storage.kind == "azurite"


@pytest.mark.parametrize(("config", "encrypted", "refused"), [(KEYLESS, [], True), (KEYLESS, list(SECRETS), False), ({}, [], False)])
def test_a_secret_in_clear_is_refused_where_the_stack_is_in_azure(
    config: dict[str, Any], encrypted: list[str], refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulumi, "get_project", lambda: "istio-stack")
    monkeypatch.setattr(pulumi, "get_stack", lambda: "dev")
    texts = {f"istio-stack:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in {**config, **SECRETS}.items()}
    set_all_config(texts, [f"istio-stack:{key}" for key in encrypted])
    try:
        if refused:
            with pytest.raises(
                ConfigurationError, match=r"^grafanaAdminPassword stands in clear in Pulumi\.dev\.yaml: .* config set --secret"
            ):
                load()
        else:
            assert load() == parse({**config, **SECRETS})
    finally:
        set_all_config({}, [])
