"""Single sign-on: who is let in as what, where Entra ID is, and that no chart value ever holds a secret."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from components import grafana, sign_in
from components.config import parse
from components.names_azure import LOGIN_HOSTS
from components.topology import plan
from tests.azure_stacks import KEYLESS, SUBSCRIPTION, azure
from tests.recorder import Run, leaves
from tests.stacks import CLIENT_SECRET, GUIDS, HOST, SIGN_IN, VARIANTS, settings_of

EXPOSED = {"exposure": {"host": HOST}}


def values(**entra: Any) -> dict[str, Any]:
    """Values of a stack in Azure that signs people in."""
    settings = parse({"grafanaAdminPassword": "x", **KEYLESS, "grafana": {**EXPOSED, "entraId": {**SIGN_IN, **entra}}})
    return grafana.values(settings, plan(settings))


def section(**entra: Any) -> dict[str, Any]:
    return values(**entra)["grafana.ini"]["auth.azuread"]


def test_who_has_no_role_or_comes_from_another_tenant_stays_out() -> None:
    """Grafana makes everybody else a viewer, unless roles are strict."""
    assert section()["role_attribute_strict"] is True
    assert section()["allowed_organizations"] == SIGN_IN["tenantId"]


def test_roles_come_from_the_apps_roles_unless_groups_are_named() -> None:
    assert "org_mapping" not in section()
    mapping = section(groups={"viewer": [GUIDS[2]], "admin": [GUIDS[3], GUIDS[4]]})["org_mapping"]
    assert mapping.split() == [f"{GUIDS[3]}:1:Admin", f"{GUIDS[4]}:1:Admin", f"{GUIDS[2]}:1:Viewer"]


def test_the_administrators_password_stays_a_way_in() -> None:
    ini = values()["grafana.ini"]
    assert "auth" not in ini and "auto_login" not in ini["auth.azuread"]
    assert values()["admin"]["existingSecret"] == "grafana-admin"


def test_the_tenant_is_azures_where_none_is_named() -> None:
    settings = parse({"grafanaAdminPassword": "x", **KEYLESS, "grafana": {**EXPOSED, "entraId": {"clientId": GUIDS[0]}}})
    found = grafana.values(settings, plan(settings))["grafana.ini"]["auth.azuread"]
    assert found["allowed_organizations"] == SUBSCRIPTION
    assert found["token_url"] == f"https://login.microsoftonline.com/{SUBSCRIPTION}/oauth2/v2.0/token"


@pytest.mark.parametrize(
    ("environment", "location", "host"),
    [
        ("public", "westeurope", "login.microsoftonline.com"),
        ("usgovernment", "usgovvirginia", "login.microsoftonline.us"),
        ("china", "chinanorth3", "login.partner.microsoftonline.cn"),
    ],
)
def test_each_cloud_signs_people_in_at_its_own_host(environment: str, location: str, host: str) -> None:
    config = {**KEYLESS, "azure": azure(environment=environment, location=location), "grafana": {**EXPOSED, "entraId": SIGN_IN}}
    settings = parse({"grafanaAdminPassword": "x", **config})
    found = grafana.values(settings, plan(settings))["grafana.ini"]["auth.azuread"]
    tenant = SIGN_IN["tenantId"]
    assert (found["auth_url"], found["token_url"]) == tuple(f"https://{host}/{tenant}/oauth2/v2.0/{end}" for end in ("authorize", "token"))
    assert environment in LOGIN_HOSTS


def test_a_federated_credential_leaves_no_secret_to_keep(record: Callable[..., Run]) -> None:
    run = record(VARIANTS["distributed"])
    found = values()
    assert found["grafana.ini"]["auth.azuread"]["client_authentication"] == "workload_identity"
    assert "envValueFrom" not in found
    assert [r.name for r in run.of_kind("Secret") if "entra" in r.name] == []


def test_the_token_is_where_grafana_looks_for_it_and_meant_for_entra_id() -> None:
    found = values()
    ini = found["grafana.ini"]["auth.azuread"]
    (volume,), (mount,) = found["extraContainerVolumes"], found["extraVolumeMounts"]
    token = volume["projected"]["sources"][0]["serviceAccountToken"]
    assert ini["workload_identity_token_file"] == f"{mount['mountPath']}/{token['path']}"
    assert token["audience"] == ini["federated_credential_audience"] == "api://AzureADTokenExchange"
    assert (mount["name"], mount["readOnly"]) == (volume["name"], True)


def test_a_client_secret_is_read_from_a_secret_of_ours_and_stands_in_no_value(record: Callable[..., Run]) -> None:
    run = record(VARIANTS["ambient"])
    release, secret = run.named("Release", "grafana"), run.named("Secret", "grafana-entra-id")
    reference = {"secretKeyRef": {"name": "grafana-entra-id", "key": "client-secret"}}
    assert release.inputs["values"]["envValueFrom"] == {sign_in.SECRET_VARIABLE: reference}
    assert "client_secret" not in release.inputs["values"]["grafana.ini"]["auth.azuread"]
    assert [secret for leaf, secret in leaves(secret.inputs) if leaf == CLIENT_SECRET] == [True]
    assert secret.inputs["metadata"] == {"name": "grafana-entra-id", "namespace": "grafana"}
    assert secret.urn in run.waits_for(release)


def test_without_entra_id_nothing_of_it_is_said() -> None:
    settings = settings_of("local")
    assert sign_in.values(settings, plan(settings)) == {}
    assert sign_in.secrets(settings, plan(settings)) == ()
