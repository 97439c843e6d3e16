"""Where state is kept and what encrypts it: what is refused before Pulumi is asked anything."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.charts import ROOT
from components.preflight.__main__ import stack_settings
from components.settings import Settings
from components.topology import plan
from operations import login

BLOB = "azblob://state?storage_account=stpulumistate"
VAULT = "azurekeyvault://kv-pulumi.vault.azure.net/keys/state"
CLOUD = "https://api.pulumi.com"
SECURE = {"config": {"istio-stack:grafanaAdminPassword": {"secure": "v1:x:y"}}}
PLAIN = {"config": {"istio-stack:grafanaAdminPassword": "sentinel-password"}}
STACKS = ("dev", "staging", "prod")


@pytest.mark.parametrize(("backend", "secrets"), [(BLOB, VAULT), (CLOUD, None), (CLOUD, "default"), (CLOUD, VAULT)])
@pytest.mark.parametrize("file", [{}, SECURE, {**SECURE, "secretsprovider": VAULT, "encryptedkey": "x"}])
def test_state_that_is_encrypted_for_a_team_is_taken(backend: str, secrets: str | None, file: dict[str, Any]) -> None:
    assert login.refusals("prod", backend, secrets, file) == []


@pytest.mark.parametrize("secrets", [None, "passphrase", "default", "azurekeyvault://x", "awskms://key"])
def test_state_in_a_storage_account_takes_a_key_vault(secrets: str | None) -> None:
    (line,) = login.refusals("staging", BLOB, secrets, {})
    assert line.startswith(f"SECRETS is {secrets or 'not set'}: state in azblob:// takes azurekeyvault://")


@pytest.mark.parametrize("backend", ["file://~", "--local", "s3://bucket", "azblob://state", "http://api.pulumi.com", ""])
def test_state_on_one_machine_or_nobody_knows_where_is_refused(backend: str) -> None:
    (line,) = login.refusals("dev", backend, VAULT, {})
    assert line == f"BACKEND is {backend}: must be azblob://<container>?storage_account=<account> or https://api.pulumi.com"


@pytest.mark.parametrize("file", [{**SECURE, "encryptionsalt": "v1:x"}, {**SECURE, "secretsprovider": "passphrase"}])
def test_a_passphrase_is_refused_with_the_way_out(file: dict[str, Any]) -> None:
    (line,) = login.refusals("prod", CLOUD, None, file)
    assert line.startswith("Pulumi.prod.yaml: its secrets are encrypted by a passphrase; `pulumi stack change-secrets-provider ")


def test_a_plain_secret_is_refused_and_not_shown() -> None:
    (line,) = login.refusals("prod", CLOUD, None, PLAIN)
    assert line.startswith("Pulumi.prod.yaml: grafanaAdminPassword is plain text; ")
    assert "sentinel" not in line


def test_the_stack_for_trying_out_may_be_kept_as_anyone_likes() -> None:
    assert login.refusals("local", "file://~", "passphrase", PLAIN) == []


@pytest.mark.parametrize("stack", STACKS)
def test_our_own_stack_files_show_no_secret(stack: str) -> None:
    file = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())
    assert login.in_the_open(stack, file) == []
    assert file["config"]["istio-stack:grafanaAdminPassword"]["secure"]


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for Pulumi that writes down what it is told; the path of what it wrote."""
    log, tool = tmp_path / "log", tmp_path / "pulumi"
    tool.write_text(f'#!/bin/sh\necho "$@" >> {log}\n[ "$2" != login ] || [ -z "$REFUSED" ]\n')
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return log


def test_pulumi_logs_in_and_selects_the_stack_with_its_key(pulumi: Path) -> None:
    assert login.main(["--stack", "prod", "--backend", BLOB, "--secrets", VAULT]) == 0
    assert pulumi.read_text().splitlines() == [
        f"--non-interactive login {BLOB}",
        f"--non-interactive stack select prod --create --secrets-provider {VAULT}",
    ]


def test_a_login_that_fails_selects_nothing(pulumi: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFUSED", "1")
    assert login.main(["--stack", "prod", "--backend", CLOUD]) == 1
    assert len(pulumi.read_text().splitlines()) == 1


def test_what_is_refused_never_reaches_pulumi(pulumi: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert login.main(["--stack", "prod", "--backend", "file://~"]) == 2
    assert not pulumi.exists()
    assert capsys.readouterr().err.startswith("error: BACKEND is file://~: ")


def test_without_pulumi_there_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert login.main(["--stack", "prod", "--backend", CLOUD]) == 2
    assert capsys.readouterr().err == "error: there is no pulumi on PATH: https://www.pulumi.com/docs/install says how to get it\n"


# the stack files themselves


@pytest.fixture(params=STACKS)
def environment(request: pytest.FixtureRequest) -> tuple[str, Settings]:
    return request.param, stack_settings(ROOT, request.param)


def test_every_environment_is_one_that_the_border_takes(environment: tuple[str, Settings]) -> None:
    stack, settings = environment
    assert settings.storage.keyless
    assert settings.azure is not None
    assert plan(settings, "istio-stack", stack).tempo_blobs.account.startswith("istiostack")


def test_default_providers_are_off_everywhere() -> None:
    for stack in (*STACKS, "local"):
        assert yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]["pulumi:disable-default-providers"] == ["*"]


def test_what_must_be_kept_is_protected(environment: tuple[str, Settings]) -> None:
    stack, settings = environment
    assert settings.azure is not None
    assert settings.azure.protect is (stack != "dev")


def test_environments_share_neither_account_nor_group_nor_cluster() -> None:
    chosen = {stack: stack_settings(ROOT, stack) for stack in STACKS}
    accounts = {plan(settings, "istio-stack", stack).tempo_blobs.account for stack, settings in chosen.items()}
    groups = {settings.azure.resource_group.name for settings in chosen.values() if settings.azure}
    clusters = {settings.cluster.aks.name for settings in chosen.values() if settings.cluster.aks}
    assert len(accounts) == len(groups) == len(clusters) == 3


def test_subscriptions_in_the_files_are_placeholders(environment: tuple[str, Settings]) -> None:
    assert environment[1].azure is not None
    assert set(environment[1].azure.subscription_id) == {"0", "-"}
