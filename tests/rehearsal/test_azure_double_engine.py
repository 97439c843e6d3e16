"""The real engine with the azure-native double as its plugin, a program of the SDK's own classes, and a real Azurite."""

from __future__ import annotations

import base64
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.scripts.create_containers import Account
from rehearsal import processes, tools
from rehearsal.azurite import Azurite
from rehearsal.doubles.azure_native.keys import account_keys
from rehearsal.doubles.azure_native.provider import NOTICE
from rehearsal.engine import Engine, Outcome
from tests.rehearsal.azure_double import CLUSTER, SUBNET, SUBSCRIPTION, TENANT

pytestmark = pytest.mark.xdist_group("azure_double")
ACCOUNT = "stcloudprogram"
RESOURCES = 16


class Cloud:
    """The program, its stack and its subscription."""

    def __init__(self, folder: Path, azurite: Azurite) -> None:
        self.azurite = azurite
        self.state = folder / "azure.json"
        self.root = folder / "project"
        self._folder = folder
        shutil.copytree(Path(__file__).with_name("azure_program"), self.root)
        (folder / "kubeconfig").write_text("apiVersion: v1\n")
        self._wrapper(folder / "bin")

    def engine(self, **settings: Any) -> Engine:
        target = {"subscription": SUBSCRIPTION, "tenant": TENANT, "account": ACCOUNT, "subnet": SUBNET}
        config = {"cloud:azure": target, "cloud:retentionDays": 31, "pulumi:disable-default-providers": ["*"]}
        return Engine(
            tools.ensure("pulumi")["pulumi"],
            self.root,
            self._folder / "run",
            "dev",
            "cloud",
            config | {f"cloud:{key}": value for key, value in settings.items()},
            search_path=[self._folder / "bin"],
            environment={
                "REHEARSAL_AZURE_STATE": str(self.state),
                "REHEARSAL_AZURITE": self.azurite.address,
                "REHEARSAL_AZURE_EXISTING": json.dumps([SUBNET, CLUSTER]),
                "REHEARSAL_KUBECONFIG": str(self._folder / "kubeconfig"),
            },
        )

    def containers(self) -> list[bool]:
        """Whether the program's containers are there."""
        key = base64.b64decode(account_keys(ACCOUNT)[0])
        account = Account(f"{self.azurite.address}/{ACCOUNT}", ACCOUNT, key)
        return [account.request("GET", name, {"restype": "container"}, 10)[0] == 200 for name in ("tempo", "loki")]

    def _wrapper(self, folder: Path) -> None:
        folder.mkdir()
        wrapper = folder / "pulumi-resource-azure-native"
        command = f'exec {shlex.quote(sys.executable)} -P -m rehearsal.doubles.azure_native "$@"'
        wrapper.write_text(f"#!/bin/sh\nPYTHONPATH={shlex.quote(str(tools.ROOT))} {command}\n")
        wrapper.chmod(0o755)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("cloud")
    with Azurite.start(folder / "azurite", die_with_parent=True, accounts={ACCOUNT: account_keys(ACCOUNT)}) as azurite:
        yield Cloud(folder, azurite)


def well(outcome: Outcome) -> Outcome:
    assert outcome.succeeded, outcome.errors
    return outcome


def test_up_again_changed_destroyed_and_up_once_more(cloud: Cloud) -> None:
    """One test, as each step stands on the one before."""
    preview = well(cloud.engine().preview())
    assert preview.changes["create"] == RESOURCES + 2, "all that there will be, with the stack and its provider, before anything exists"
    assert not cloud.state.exists(), "and nothing is made by looking"

    engine = cloud.engine()
    outcome = well(engine.up())
    assert outcome.changes["create"] == RESOURCES + 2
    assert [warning.strip() for warning in outcome.warnings].count(NOTICE) == 1, outcome.warnings
    assert cloud.containers() == [True, True]
    outputs = engine.outputs()
    assert outputs["blobEndpoint"] == f"https://{ACCOUNT}.blob.core.windows.net/"
    assert outputs["accountKey"] == "[secret]"
    assert account_keys(ACCOUNT)[0] not in engine.state_file.read_text()

    assert well(cloud.engine().up()).changed == 0

    changed = well(cloud.engine(retentionDays=38).up(refresh=True))
    assert {op: count for op, count in changed.changes.items() if op != "same"} == {"update": 1}, "a look at what is there finds no more"

    refused = cloud.engine(retentionDays=38, sku="Standard_ZRS").up()
    assert not refused.succeeded
    assert any('Code="AccountPropertyCannotBeUpdated"' in error for error in refused.errors), refused.errors

    destroyed = well(cloud.engine(retentionDays=38).destroy())
    assert destroyed.changes["delete"] == RESOURCES + 2
    assert cloud.containers() == [False, False]
    assert json.loads(cloud.state.read_text())["resources"] == {}

    assert well(cloud.engine().up()).changes["create"] == RESOURCES + 2
    assert cloud.containers() == [True, True]


def test_the_process_ends_with_the_engine_that_started_it(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(tools.ROOT), "REHEARSAL_AZURE_STATE": str(tmp_path / "azure.json")}
    starter = (
        "import subprocess, sys; "
        "child = subprocess.Popen([sys.executable, '-m', 'rehearsal.doubles.azure_native'], stdout=subprocess.PIPE, text=True); "
        "print(child.pid, child.stdout.readline(), flush=True)"
    )
    answer = subprocess.run([sys.executable, "-c", starter], env=environment, capture_output=True, text=True, timeout=60, check=True)
    pid, port = answer.stdout.split()
    assert int(port) > 0
    assert processes.wait_until(lambda: processes.start_time(int(pid)) is None, 60), "it looks twice a second whether its parent lives"
