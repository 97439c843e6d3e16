"""Names in Azure: valid whatever the project and stack are called, the same every time, and right in every cloud."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components import loki, tempo
from components.config import parse
from components.names_azure import account_name, assignment_name, blob_suffix, private_zone, role_definition_id
from components.settings_azure import AzureSettings
from components.topology import Topology, plan
from tests.azure_stacks import AZURE_VARIANTS, DISTRIBUTED, KEYLESS, SUBSCRIPTION, WITH_KEY, azure

CLOUDS = {
    "public": ("westeurope", "blob.core.windows.net"),
    "usgovernment": ("usgovvirginia", "blob.core.usgovcloudapi.net"),
    "china": ("chinaeast2", "blob.core.chinacloudapi.cn"),
}
STACK_NAMES = st.from_regex(r"[A-Za-z0-9_.-]{1,100}", fullmatch=True)


def settings(**changes: Any) -> AzureSettings:
    return AzureSettings.model_validate(azure(**changes))


def names(config: dict[str, Any], stack: str = "dev") -> Topology:
    return plan(parse({"grafanaAdminPassword": "x", **config}), "istio-stack", stack)


@given(STACK_NAMES, STACK_NAMES)
def test_a_planned_account_name_is_one_that_azure_takes(project: str, stack: str) -> None:
    assert re.fullmatch(r"[a-z0-9]{3,24}", account_name(project, stack, settings()))


def test_an_account_name_shows_whose_it_is_and_never_changes() -> None:
    assert account_name("istio-stack", "dev", settings()) == account_name("istio-stack", "dev", settings(location="northeurope"))
    assert account_name("istio-stack", "dev", settings()).startswith("istiostackdev")


def test_no_two_stacks_and_no_two_subscriptions_share_an_account() -> None:
    other = "11111111-1111-1111-1111-111111111111"
    made = {
        account_name("istio-stack", stack, settings(subscriptionId=s)) for stack in ("dev", "d-ev", "Dev") for s in (SUBSCRIPTION, other)
    }
    assert len(made) == 6


def test_a_chosen_account_name_is_taken_as_it_is() -> None:
    assert names({**KEYLESS, "azure": azure(accountName="stdtelemetry01")}).tempo_blobs.account == "stdtelemetry01"


@given(STACK_NAMES)
def test_identities_have_names_that_azure_takes(stack: str) -> None:
    topology = names(KEYLESS, stack)
    identities = [topology.tempo_blobs.identity, topology.loki_blobs.identity]
    assert len(set(identities)) == 2
    assert all(identity and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}", identity) for identity in identities)


@given(st.lists(st.text(min_size=1), min_size=1))
def test_role_assignments_are_guids_that_stay_the_same(parts: list[str]) -> None:
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", assignment_name(*parts))
    assert assignment_name(*parts) == assignment_name(*parts)


def test_a_role_is_looked_for_in_the_subscription() -> None:
    assert role_definition_id(settings(), "r") == f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/r"


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("mode", [{}, DISTRIBUTED])
@pytest.mark.parametrize("auth", [KEYLESS, WITH_KEY])
def test_each_cloud_has_its_own_address_everywhere(cloud: str, mode: dict[str, Any], auth: dict[str, Any]) -> None:
    location, suffix = CLOUDS[cloud]
    config = {**auth, **mode, "azure": azure(environment=cloud, location=location)}
    chosen, topology = parse({"grafanaAdminPassword": "x", **config}), names(config)
    assert topology.loki_blobs.url == f"https://{topology.loki_blobs.account}.{suffix}"
    traces = tempo.trace_storage(topology.tempo_blobs)["azure"]
    assert traces["endpoint_suffix"] == suffix
    assert suffix.startswith("blob."), "Tempo takes any other suffix for Azurite"
    assert loki.azure_storage(topology.loki_blobs)["endpointSuffix"] == suffix
    for values in (tempo.values(chosen, topology), loki.values(chosen, topology)):
        assert not [other for _, other in CLOUDS.values() if other != suffix and other in yaml.safe_dump(values)]
    assert private_zone(settings(environment=cloud, location=location)) == f"privatelink.{suffix}"
    assert blob_suffix(settings(environment=cloud, location=location)) == suffix


# what the stores are told


@pytest.mark.parametrize("variant", [v for v in AZURE_VARIANTS if v.startswith("keyless")])
def test_without_keys_no_value_speaks_of_one(variant: str) -> None:
    chosen = parse({"grafanaAdminPassword": "x", **AZURE_VARIANTS[variant]})
    topology = plan(chosen, "istio-stack", "dev")
    for values in (tempo.values(chosen, topology), loki.values(chosen, topology)):
        text = yaml.safe_dump(values).lower()
        for word in ("access_key", "accountkey", "account_key", "secretkeyref", "connectionstring", "key-generation"):
            assert word not in text
    assert tempo.trace_storage(topology.tempo_blobs)["azure"]["use_federated_token"] is True
    assert loki.azure_storage(topology.loki_blobs)["useFederatedToken"] is True


@pytest.mark.parametrize("mode", [{}, DISTRIBUTED])
def test_every_pod_of_a_store_has_the_label_that_the_webhook_looks_for(mode: dict[str, Any]) -> None:
    chosen = parse({"grafanaAdminPassword": "x", **KEYLESS, **mode})
    topology = plan(chosen, "istio-stack", "dev")
    label = {"azure.workload.identity/use": "true"}
    traces = tempo.values(chosen, topology)
    assert (traces["tempo"]["podLabels"] if mode else traces["podLabels"]) == label
    assert loki.values(chosen, topology)["defaults"]["podLabels"] == label


@pytest.mark.parametrize("mode", [{}, DISTRIBUTED])
def test_the_generation_of_the_key_is_on_every_pod_of_both_stores(mode: dict[str, Any]) -> None:
    chosen = parse({"grafanaAdminPassword": "x", **WITH_KEY, **mode, "azure": azure(keyGeneration=4)})
    topology = plan(chosen, "istio-stack", "dev")
    mark = {"istio-stack/key-generation": "4"}
    traces = tempo.values(chosen, topology)
    assert (traces["tempo"]["podAnnotations"] if mode else traces["podAnnotations"]) == mark
    assert loki.values(chosen, topology)["defaults"]["podAnnotations"] == mark
    for values in (traces, loki.values(chosen, topology)):
        assert "${STORAGE_ACCOUNT_ACCESS_KEY}" in yaml.safe_dump(values, width=1000)


def test_the_emulator_knows_nothing_of_azures_labels_and_generations() -> None:
    chosen = parse({"grafanaAdminPassword": "x"})
    topology = plan(chosen)
    assert "podLabels" not in loki.values(chosen, topology)["defaults"]
    assert not {"podLabels", "podAnnotations"} & set(tempo.values(chosen, topology))
