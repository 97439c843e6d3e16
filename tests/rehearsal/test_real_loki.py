"""Real Loki runs the configuration that our chart values render: it takes a line over OTLP, keeps it in the container, finds it by trace.

Azurite stands in for the account: the connection string is the one thing that differs from what Azure gets. What would be wrong with
the storage is said by the gate, in one line, before Loki would start.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from components import azurite as azurite_layer
from components import blob_gate, loki
from components.merge import leaves, parse_yaml
from components.topology import Topology, plan
from rehearsal import processes, tools
from rehearsal.azurite import ACCOUNT, KEY, Azurite
from signals.loki import changed, running
from tests import reference
from tests.rehearsal.test_azurite import call
from tests.rehearsal.test_bundles import Key, keyed, objects
from tests.stacks import settings_of

pytestmark = pytest.mark.xdist_group("real_loki")  # one Azurite and one Loki for all of them

ABSENT = "absent"
IN_AZURE = "key"
"""The stack in Azure whose stores take the account key."""
VARIANTS = ("local", "distributed", "key", "key-distributed", "keyless", "keyless-distributed")
"""Azurite, the account key and an identity, each as one process and in parts."""
OTHER_KEY = "c2VudGluZWwtYW5vdGhlci1rZXk" * 3 + "c2VudGluZWw="
TRACE = "0af7651916cd43dd8448eb211c80319c"
LINE = "rolled a 4"


def topology(variant: str) -> Topology:
    return plan(settings_of(variant), "istio-stack", "dev")


def rendered(variant: str, mirror: Path) -> dict[str, Any]:
    """Loki's configuration out of our bundle with the values that the program sets."""
    settings, names = settings_of(variant), topology(variant)
    found = objects(mirror, names.releases.loki, loki.values(settings, names))
    return parse_yaml(found[Key("ConfigMap", "loki", "loki")]["data"]["config.yaml"])


def real_chart() -> dict[str, Any]:
    """Loki's configuration out of the real chart with the reference values, which are for the account key, too."""
    return parse_yaml(keyed(reference.rendered("loki"))[Key("ConfigMap", "loki", "loki")]["data"]["config.yaml"])


def complete(variant: str, mirror: Path) -> dict[str, Any]:
    """What is rendered, and whatever the real chart says beside it that the bundle does not model."""
    return reference.over(real_chart(), rendered(variant, mirror))


ON_PURPOSE: dict[str, tuple[Any, Any]] = {
    **{
        f"{section}.storage.azure.{key}": values
        for section in ("common", "ruler")
        for key, values in {
            "account_name": (topology(IN_AZURE).loki_blobs.account, "mystorageacct"),
            "endpoint_suffix": ("blob.core.windows.net", ABSENT),
        }.items()
    },
    "analytics.reporting_enabled": (False, ABSENT),
}
"""Fields that the program sets to another value than the reference values do: ours, and what the real chart then says."""


def for_azurite(azurite: Azurite) -> dict[str, Any]:
    """The one change for Azurite: the connection string that the program itself gives Loki there, with the address of this one."""
    blobs = topology("local").loki_blobs
    address = loki.connection_string(blobs).replace(blobs.url, azurite.endpoint)
    return {f"{section}.storage.azure.connection_string": address for section in ("common", "ruler")}


# the configuration


def test_what_loki_reads_is_what_the_real_chart_says_but_for_what_we_change_on_purpose(mirror: Path) -> None:
    ours, theirs = (dict(leaves(config)) for config in (rendered(IN_AZURE, mirror), real_chart()))
    differences = {path: (value, theirs.get(path, ABSENT)) for path, value in ours.items() if value != theirs.get(path, ABSENT)}
    assert differences == ON_PURPOSE
    assert len(ours) - len(differences) >= 25


def verify(config: dict[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
    """Loki's own check of a configuration."""
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(config))
    return subprocess.run(
        [tools.ensure("loki")["loki"], f"-config.file={file}", "-config.expand-env=true", "-verify-config"],
        env={topology(IN_AZURE).loki_blobs.key.key: KEY},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_loki_finds_its_configuration_valid(variant: str, mirror: Path, tmp_path: Path) -> None:
    done = verify(complete(variant, mirror), tmp_path)
    assert done.returncode == 0, done.stderr
    assert "config is valid" in done.stderr


@pytest.mark.parametrize("path", ["limits_config.retention_perod", "common.storage.azure.acount_name", "storage_config.use_thanos_objstor"])
def test_loki_refuses_a_misspelt_key(path: str, mirror: Path, tmp_path: Path) -> None:
    done = verify(changed(complete(IN_AZURE, mirror), {path: "1h"}), tmp_path)
    assert done.returncode != 0
    assert f"field {path.rpartition('.')[2]} not found" in done.stderr


# the process


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with Azurite.start(tmp_path_factory.mktemp("azurite"), die_with_parent=True) as found:
        create_containers(found)
        yield found


def create_containers(azurite: Azurite) -> None:
    """As the Job in the cluster does."""
    environment = {"BLOB_ENDPOINT": azurite.endpoint, "ACCOUNT_NAME": ACCOUNT, "ACCOUNT_KEY": KEY, "CONTAINERS": "tempo,loki"}
    command = [sys.executable, "-I", "-S", str(azurite_layer.SCRIPT)]
    subprocess.run(command, env=environment, check=True, timeout=60, capture_output=True)


def blobs(azurite: Azurite) -> list[str]:
    """The blobs of Loki's container, which stands before each."""
    names = re.findall("<Name>([^<]+)</Name>", call(azurite, "GET", "/loki?comp=list&restype=container").decode())
    return [f"loki/{name}" for name in names]


def record(service: str, line: str, trace: str, at: int) -> dict[str, Any]:
    """One log record as OTLP/HTTP takes it in JSON."""
    written = {"timeUnixNano": str(at), "traceId": trace, "spanId": "b7ad6b7169203331", "body": {"stringValue": line}}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [written]}]}]}


def test_a_line_over_otlp_is_in_the_container_and_comes_back_by_its_trace(mirror: Path, azurite: Azurite, tmp_path: Path) -> None:
    names, now = topology(IN_AZURE).loki_blobs, time.time_ns()
    config, variables = changed(complete(IN_AZURE, mirror), for_azurite(azurite)), {names.key.key: KEY}
    assert KEY not in str(config), "the key comes from the environment alone"
    mine, others = (f'{{service_name="rolldice"}} | trace_id="{trace}"' for trace in (TRACE, TRACE[::-1]))
    with running(config, tmp_path / "first", variables) as first:
        status, answer = first.ask("POST", "/otlp/v1/logs", record("rolldice", LINE, TRACE, now))
        assert status == 204, answer
        status, answer = first.ask("POST", "/flush", seconds=30)
        assert status == 204, answer
        assert processes.wait_until(lambda: any(name.startswith("loki/fake/") for name in blobs(azurite)), 60, every=0.2), blobs(azurite)
        assert first.lines(mine, now) == [LINE]
        assert first.lines(others, now) == []
    assert KEY not in first.log.read_text()
    # what it leaves is what the lifecycle policy covers, to the last blob
    assert {next(iter(p for p in names.data if name.startswith(p)), name) for name in blobs(azurite)} == set(names.data)
    # another process with an empty disk: what it finds, it has from the container
    with running(config, tmp_path / "second", variables) as second:
        assert second.lines(mine, now) == [LINE]


# the gate before it


def gate(endpoint: str, key: str = KEY, **changes: str) -> tuple[int, str, str]:
    """Exit code, output and errors of the gate, with the environment that its Job gives it and the Secret's value filled in."""
    names = topology("local").loki_blobs
    (container,) = blob_gate.job_spec(names, "script", {}, "small")["template"]["spec"]["containers"]
    variables = {entry["name"]: entry.get("value", key) for entry in container["env"]}
    assert [entry["name"] for entry in container["env"] if entry.get("valueFrom") == {"secretKeyRef": names.key.reference}] == [
        "ACCOUNT_KEY"
    ]
    assert variables["BLOB_ENDPOINT"] == names.url
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(blob_gate.SCRIPT)],
        env={**variables, "BLOB_ENDPOINT": endpoint, **changes},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    for secret in (KEY, OTHER_KEY):
        assert secret[:20] not in done.stdout + done.stderr
    return done.returncode, done.stdout, done.stderr


def test_the_gate_opens_where_the_key_and_the_container_are_right(azurite: Azurite) -> None:
    before = blobs(azurite)
    code, said, errors = gate(azurite.endpoint)
    assert (code, errors) == (0, "")
    assert said == "container loki: written, listed and deleted by the key in Secret loki/loki-azure-key\n"
    assert blobs(azurite) == before


def test_the_gate_names_a_wrong_key(azurite: Azurite) -> None:
    code, said, errors = gate(azurite.endpoint, OTHER_KEY)
    assert (code, said) == (blob_gate.HOPELESS, "")
    assert errors == (
        f"error: a blob cannot be written to container loki at {azurite.endpoint}: 403 AuthorizationFailure; the key in Secret "
        "loki/loki-azure-key is none of devstoreaccount1; `pulumi up --refresh` puts the right one there\n"
    )


def test_the_gate_names_a_missing_container(azurite: Azurite) -> None:
    job, namespace = azurite_layer.JOB, topology("local").azurite.namespace
    code, said, errors = gate(azurite.endpoint, CONTAINER="elsewhere")
    assert (code, said) == (blob_gate.HOPELESS, "")
    assert errors == (
        f"error: a blob cannot be written to container elsewhere at {azurite.endpoint}: 404 ContainerNotFound; the container is not there; "
        f"`kubectl --namespace {namespace} delete job {job}`, then `pulumi up --refresh` makes it again\n"
    )


def test_the_gate_names_a_stopped_azurite(tmp_path: Path) -> None:
    with Azurite.start(tmp_path, die_with_parent=True) as stopped:
        create_containers(stopped)
        assert gate(stopped.endpoint)[0] == 0
    code, said, errors = gate(stopped.endpoint)
    assert (code, said) == (1, "")  # another pod may find it running again
    assert errors == (
        f"error: {stopped.address} does not answer: [Errno 111] Connection refused; "
        f"Azurite must run: `kubectl --namespace {topology('local').azurite.namespace} get pods`\n"
    )


@pytest.mark.parametrize(("key", "problem"), [("", "not set"), ("not a key", "not base64")])
def test_the_gate_names_a_secret_without_a_key(key: str, problem: str, azurite: Azurite) -> None:
    code, _, errors = gate(azurite.endpoint, key)
    assert (code, errors) == (
        blob_gate.HOPELESS,
        f"error: ACCOUNT_KEY is {problem}: the key in Secret loki/loki-azure-key must be the account's, as Azure shows it\n",
    )
