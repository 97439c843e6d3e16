"""What the border says of Grafana's settings: one line with key, value and rule for each mistake."""

from __future__ import annotations

from typing import Any

import pytest

from components.config import needed_secrets, parse
from components.errors import ConfigurationError
from tests.stacks import CLIENT_SECRET, GUIDS, HOST, SIGN_IN

EXPOSED = {"exposure": {"host": HOST}}
ACME = {"issuer": "acme", "acme": {"email": "platform@example.com"}}
ISSUER = {"cluster": {"oidcIssuer": "https://issuer.example.com/"}}
BY_SECRET = {**SIGN_IN, "clientAuthentication": "clientSecret"}
HOST_RULE = "must be a host such as grafana.example.com: in lower case, with a dot, without scheme, port, path or *"

MISTAKES: list[tuple[dict[str, Any], str]] = [
    *(
        ({"grafana": {"exposure": {"host": host}}}, f"grafana.exposure.host is '{host}': {HOST_RULE}")
        for host in (
            "grafana",
            "Grafana.example.com",
            "https://grafana.example.com",
            "grafana.example.com:443",
            "*.example.com",
            "10.0.0.7",
        )
    ),
    (
        {"grafana": EXPOSED, "istio": {"gatewayService": "ClusterIP"}},
        f"grafana.exposure.host is {HOST}: istio.gatewayService is ClusterIP, so nobody outside reaches it; set LoadBalancer",
    ),
    (
        {"grafana": {"exposure": {"host": "grafana.shop.internal"}}, "certManager": ACME},
        (
            "grafana.exposure.host is grafana.shop.internal: acme-v02.api.letsencrypt.org signs public names only; take one, "
            "or certManager.issuer selfSigned"
        ),
    ),
    (
        {"grafana": {"entraId": SIGN_IN}, **ISSUER},
        "grafana.entraId is set: Entra ID sends browsers back to https://<host>/login/azuread; set grafana.exposure.host",
    ),
    (
        {"grafana": {**EXPOSED, "entraId": {"clientId": GUIDS[0]}}, **ISSUER},
        "grafana.entraId.tenantId is missing: it must say whose people may sign in, as azure.tenantId is not set",
    ),
    (
        {"grafana": {**EXPOSED, "entraId": SIGN_IN}},
        (
            "grafana.entraId.clientAuthentication is workloadIdentity: Entra ID must know the issuer of the cluster's tokens; "
            "set cluster.oidcIssuer or cluster.aks, or clientSecret"
        ),
    ),
    (
        {"grafana": {**EXPOSED, "entraId": {**SIGN_IN, "groups": {}}}, **ISSUER},
        "grafana.entraId.groups names no group: list some for admin, editor or viewer, or remove the key",
    ),
    (
        {"grafana": {**EXPOSED, "entraId": {**SIGN_IN, "groups": {"admin": [GUIDS[2]], "viewer": [GUIDS[2]]}}}, **ISSUER},
        f"grafana.entraId.groups.viewer is {GUIDS[2]}: that group is admin already; name it once",
    ),
    (
        {"grafana": {"communityDashboards": [{"id": 7639, "revision": 1}, {"id": 7639, "revision": 2}]}},
        "grafana.communityDashboards.1.id is 7639: grafana.communityDashboards.0 is the same dashboard; one revision of each",
    ),
    (
        {"grafana": {"communityDashboards": [{"id": 7639}]}},
        "grafana.communityDashboards.0.revision is missing: it must be set",
    ),
    (
        {"grafana": {"communityDashboards": [{"id": 7639, "revision": 1, "input": "${DS}"}]}},
        "grafana.communityDashboards.0.input is '${DS}': must be the name of a dashboard's input, such as DS_PROMETHEUS",
    ),
    (
        {"grafana": {**EXPOSED, "entraId": BY_SECRET}},
        "grafanaEntraClientSecret is missing: set it with `pulumi config set --secret grafanaEntraClientSecret <value>`",
    ),
    (
        {"grafana": {**EXPOSED, "entraId": SIGN_IN}, **ISSUER, "grafanaEntraClientSecret": CLIENT_SECRET},
        (
            "grafanaEntraClientSecret is set: grafana.entraId.clientAuthentication is not clientSecret, so nothing would use it; "
            "`pulumi config rm grafanaEntraClientSecret`"
        ),
    ),
]


@pytest.mark.parametrize(("config", "said"), MISTAKES, ids=lambda part: part if isinstance(part, str) else "")
def test_a_mistake_is_one_line(config: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse({"grafanaAdminPassword": "x", **config})
    assert raised.value.lines == (said,)


@pytest.mark.parametrize(
    "config",
    [
        {"grafana": EXPOSED},
        {"grafana": {"exposure": {"host": "grafana.shop.internal"}}},
        {
            "grafana": {"exposure": {"host": "grafana.shop.internal"}},
            "certManager": {**ACME, "acme": {"email": "a@b.cd", "server": "https://ca.internal/acme"}},
        },
        {"grafana": EXPOSED, "istio": {"source": "existing", "existing": {"gateway": {"namespace": "edge", "service": "edge"}}}},
        {"grafana": {**EXPOSED, "entraId": BY_SECRET}, "grafanaEntraClientSecret": CLIENT_SECRET},
    ],
)
def test_what_can_work_is_allowed(config: dict[str, Any]) -> None:
    parse({"grafanaAdminPassword": "x", **config})


@pytest.mark.parametrize(
    ("config", "needed"),
    [
        ({}, ("grafanaAdminPassword",)),
        ({"grafana": {"entraId": SIGN_IN}}, ("grafanaAdminPassword",)),
        ({"grafana": {"entraId": BY_SECRET}}, ("grafanaAdminPassword", "grafanaEntraClientSecret")),
        ({"grafana": "nonsense"}, ("grafanaAdminPassword",)),
        ({"grafana": {"entraId": 3}}, ("grafanaAdminPassword",)),
    ],
)
def test_which_secrets_a_stack_needs_is_known_before_its_settings_are(config: dict[str, Any], needed: tuple[str, ...]) -> None:
    assert needed_secrets(config) == needed
