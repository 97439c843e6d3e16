"""What counts as a secret in clear, and what only points to one."""

from __future__ import annotations

from typing import Any

import pytest

from review import leaks
from review.recorder import SECRET, SIGNATURE

KNOWN = ("placeholder-for-password",)


def paths(inputs: Any, *, values: bool = True) -> list[str]:
    return [leak.path for leak in leaks.found(inputs, KNOWN, values=values)]


@pytest.mark.parametrize(
    "inputs",
    [
        {"a": {"adminPassword": "hunter2"}},
        {"a": {"client_secret": "Zm9vYmFyIQ=="}},
        {"a": {"apiKey": "0123456789"}},
        {"a": "-----BEGIN RSA PRIVATE KEY-----\nMII"},
        {"a": "DefaultEndpointsProtocol=https;AccountName=x;AccountKey=" + "A" * 86 + "=="},
        {"a": "https://x.blob.core.windows.net/c?sv=2024&sig=abcdefghijklmnopqrstuvwxyz"},
        {"a": "https://user:word@example.com"},
        {"a": "ghp_" + "a" * 36},
        {"a": ["prefix placeholder-for-password"]},
        {"a": "auth:\n  password: hunter2\n"},
        {"a": [{"name": "GF_SECURITY_ADMIN_PASSWORD", "value": "hunter2"}]},
    ],
)
def test_a_secret_in_clear_is_found(inputs: dict[str, Any]) -> None:
    assert len(paths(inputs)) == 1
    assert paths(inputs)[0].startswith("a")


@pytest.mark.parametrize(
    "inputs",
    [
        {"existingSecret": "grafana-admin"},
        {"passwordKey": "admin-password"},
        {"adminPassword": ""},
        {"password": "${DB_PASSWORD}"},
        {"password": "$__file{/etc/secret}"},
        {"bearer_token": "/var/run/secrets/token"},
        {"connectionString": "AccountName=x;AccountKey=${KEY};"},
        {"token": None, "enabled": True},
        {"env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}]},
        {"url": "http://loki-gateway.loki.svc.cluster.local:80/otlp"},
    ],
)
def test_what_only_points_to_a_secret_is_none(inputs: dict[str, Any]) -> None:
    assert paths(inputs) == []


def test_an_encrypted_secret_may_be_anywhere_but_in_the_values_of_a_chart() -> None:
    inputs = {"stringData": {"password": {SIGNATURE: SECRET, "value": "hunter2"}}}
    assert paths(inputs, values=False) == []
    assert paths(inputs, values=True) == ["stringData.password"]
