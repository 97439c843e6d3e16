"""The environments in Azure, rehearsed by the commands a user gives: cold preview, up, again, the other way in, destroy, and back."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components import config, topology
from components.charts import ROOT
from rehearsal import azurite, kept_azurite, stack_files, tools
from rehearsal.control_plane import ControlPlane
from rehearsal.doubles.azure_native.blobs import Blobs
from rehearsal.doubles.azure_native.keys import account_keys
from rehearsal.processes import wait_until
from tests.rehearsal.blobs import names_in, put
from tests.rehearsal.test_stack import OURS, Home, last_line

pytestmark = [pytest.mark.xdist_group("environments"), pytest.mark.timeout(900)]

PASSWORD = "sentinel-grafana-password"
WITH_KEY = ("--set", "storage={kind: azure, auth: accountKey}")
BLOB = "fake/written-before-destroy"


def account_of(environment: str) -> str:
    """Name of an environment's storage account, as the program plans it."""
    prefix = f"{stack_files.project_name(ROOT)}:"
    written = stack_files.with_placeholders(stack_files.read_config(ROOT, environment))
    settings = config.parse({key.removeprefix(prefix): value for key, value in written.items() if key.startswith(prefix)})
    return topology.plan(settings, stack=environment).loki_blobs.account


ACCOUNTS = {environment: account_of(environment) for environment in ("dev", "staging", "prod")}


class Rehearsal(Home):
    """A rehearsal directory, its Azurite, and all that its commands printed."""

    def __init__(self, directory: Path, plane: ControlPlane, storage: azurite.Azurite) -> None:
        super().__init__(directory, plane)
        self.blobs = Blobs(storage.address)
        self.storage = storage
        self.printed: list[str] = []

    def run(self, command: str, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        result = super().run(command, *arguments, "--set", f"grafanaAdminPassword={PASSWORD}", environment=environment)
        self.printed += [result.stdout, result.stderr]
        return result

    def in_azure(self) -> dict[str, Any]:
        """What ARM would hold, by id."""
        (file,) = self.directory.glob("state/*/azure.json")
        return json.loads(file.read_text())["resources"]

    def types_in_azure(self) -> set[str]:
        return {record["token"].rpartition(":")[2] for record in self.in_azure().values()}


@pytest.fixture(scope="module")
def home() -> Iterator[Rehearsal]:
    # inside the project, as a user's own is
    directory = ROOT / f".rehearsal-environments-{os.getpid()}"
    plane = ControlPlane.start(directory, 0.3, die_with_parent=True)
    try:
        yield Rehearsal(directory, plane, kept_azurite.start(directory, ACCOUNTS.values(), die_with_parent=True))
    finally:
        kept_azurite.stop(directory)
        plane.stop(remove=True)
        shutil.rmtree(directory)


def test_each_environment_previews_completely_before_anything_exists(home: Rehearsal) -> None:
    for environment in ACCOUNTS:
        output = home.done("preview", "--stack", environment)
        assert "storage: StorageAccount account" in output and "traces: Release tempo" in output
        assert " create" in last_line(output, "preview")
    assert not home.names("/api/v1/namespaces") & OURS


def test_a_cluster_that_has_cert_manager_keeps_its_own(home: Rehearsal, mirror: Path) -> None:
    (chart,) = mirror.glob("cert-manager-*.tgz")
    helm = [str(tools.ensure("helm")["helm"]), "--kubeconfig", str(home.directory / "kubeconfig"), "--namespace", "pki"]
    theirs = ["--create-namespace", "--set", "crds.enabled=true,crds.keep=false", "--wait", "--timeout", "60s"]
    subprocess.run([*helm, "install", "cm", str(chart), *theirs], check=True, timeout=90)
    before = home.api.request("GET", "/apis/apps/v1/namespaces/pki/deployments")["items"]
    change = ("--set", "certManager={source: existing, existing: {namespace: pki, release: cm}}")
    output = home.done("up", *change)
    assert "Release cert-manager" not in output and "ClusterIssuer" in output
    assert "cert-manager" not in home.names("/api/v1/namespaces")
    assert home.names("/apis/cert-manager.io/v1/clusterissuers")
    assert "no change" in last_line(home.done("up", *change), "up")
    home.done("destroy", *change)
    after = home.api.request("GET", "/apis/apps/v1/namespaces/pki/deployments")["items"]
    assert [item["metadata"]["uid"] for item in after] == [item["metadata"]["uid"] for item in before] != []
    subprocess.run([*helm, "uninstall", "cm", "--wait", "--timeout", "60s"], check=True, timeout=90)


def test_an_up_that_is_killed_in_the_middle_of_azure_is_finished_by_the_next(home: Rehearsal) -> None:
    line = [sys.executable, "-m", "rehearsal", "up", "--directory", str(home.directory), "--offline", "--stack", "dev", *WITH_KEY]
    killed = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert wait_until(lambda: any(home.directory.glob("state/*/azure.json")) and "StorageAccount" in home.types_in_azure(), 60, every=0.01)
    killed.kill()
    killed.wait()
    home.done("up", "--stack", "dev", *WITH_KEY)
    (account,) = (identifier for identifier, record in home.in_azure().items() if record["token"].endswith(":StorageAccount"))
    assert account.endswith(ACCOUNTS["dev"])


def test_dev_with_the_accounts_key_comes_up_and_stays_as_it_is(home: Rehearsal) -> None:
    output = home.done("up", "--stack", "dev", *WITH_KEY)
    stand_ins = ("double (stands in)", "nothing is made in Azure", f"as {ACCOUNTS['dev']}", "managedClusters aks-dev")
    for said in ("resources in Azure", *stand_ins):
        assert said in " ".join(output.replace("│", " ").split()), said
    assert home.blobs.exists(ACCOUNTS["dev"], "loki") and home.blobs.exists(ACCOUNTS["dev"], "tempo")
    secret = home.api.request("GET", "/api/v1/namespaces/loki/secrets/loki-azure-key")["data"]
    assert [base64.b64decode(value).decode() for value in secret.values()] == [account_keys(ACCOUNTS["dev"])[0]]
    assert "UserAssignedIdentity" not in home.types_in_azure()
    assert "no change" in last_line(home.done("up", "--stack", "dev", *WITH_KEY), "up")


def test_dev_leaves_nothing_in_azure(home: Rehearsal) -> None:
    put(home.storage, ACCOUNTS["dev"], "loki", BLOB)
    output = home.done("destroy", "--stack", "dev", *WITH_KEY)
    assert "kept" not in output
    assert home.in_azure() == {}
    assert not home.blobs.exists(ACCOUNTS["dev"], "loki")
    assert not home.names("/api/v1/namespaces") & OURS


def test_prod_comes_up_without_any_key_and_stays_as_it_is(home: Rehearsal) -> None:
    output = home.done("up", "--stack", "prod")
    assert "https://grafana.prod.example.com" in output
    assert home.names("/apis/cert-manager.io/v1/namespaces/istio-ingress/certificates") == {"grafana"}
    assert home.names("/apis/networking.istio.io/v1/namespaces/istio-ingress/gateways") == {"grafana"}
    assert "grafana" in home.names("/apis/networking.istio.io/v1/namespaces/grafana/virtualservices")
    assert home.types_in_azure() >= {"RoleAssignment", "FederatedIdentityCredential", "PrivateEndpoint", "PrivateDnsZoneGroup"}
    (account,) = [record["outputs"] for record in home.in_azure().values() if record["token"].endswith(":StorageAccount")]
    assert account["allowSharedKeyAccess"] is False
    for namespace in ("tempo", "loki"):
        (gate,) = home.api.request("GET", f"/apis/batch/v1/namespaces/{namespace}/jobs")["items"]
        assert gate["status"]["succeeded"] == 1
    assert "no change" in last_line(home.done("up", "--stack", "prod"), "up")


def test_what_is_protected_goes_on_purpose(home: Rehearsal) -> None:
    output = home.done("destroy", "--stack", "prod", "--with-data")
    assert "kept" not in output
    assert home.in_azure() == {}
    assert not home.blobs.exists(ACCOUNTS["prod"], "loki")


def test_staging_keeps_its_data_through_another_way_in(home: Rehearsal) -> None:
    home.done("up", "--stack", "staging")
    put(home.storage, ACCOUNTS["staging"], "loki", BLOB)
    account = home.api.request("GET", "/api/v1/namespaces/loki/serviceaccounts/loki")["metadata"]["uid"]
    home.done("up", "--stack", "staging", *WITH_KEY)
    assert "UserAssignedIdentity" not in home.types_in_azure()
    assert home.api.request("GET", "/api/v1/namespaces/loki/serviceaccounts/loki")["metadata"]["uid"] == account
    assert "no change" in last_line(home.done("up", "--stack", "staging", *WITH_KEY), "up")
    assert BLOB in names_in(home.storage, ACCOUNTS["staging"], "loki")


def test_destroy_of_staging_says_what_it_keeps_and_how_to_remove_it(home: Rehearsal) -> None:
    output = home.done("destroy", "--stack", "staging", *WITH_KEY)
    assert f"StorageAccount {ACCOUNTS['staging']}" in output and "BlobContainer loki" in output
    assert "make destroy STACK=staging REHEARSE=1 DATA=remove" in output
    assert home.types_in_azure() == {"ResourceGroup", "StorageAccount", "BlobServiceProperties", "ManagementPolicy", "BlobContainer"}
    assert not home.names("/api/v1/namespaces") & OURS


def test_a_second_destroy_keeps_it_too(home: Rehearsal) -> None:
    assert "kept" in home.done("destroy", "--stack", "staging")
    assert BLOB in names_in(home.storage, ACCOUNTS["staging"], "loki")


def test_up_again_finds_the_data(home: Rehearsal) -> None:
    made = {record["id"]: record["outputs"].get("creationTime") for record in home.in_azure().values()}
    home.done("up", "--stack", "staging")
    assert home.names("/api/v1/namespaces") >= OURS - {"azurite"}
    assert made.items() <= {record["id"]: record["outputs"].get("creationTime") for record in home.in_azure().values()}.items()
    assert BLOB in names_in(home.storage, ACCOUNTS["staging"], "loki")


def test_no_secret_is_written_or_printed_in_clear(home: Rehearsal) -> None:
    """State with its history, copies of stack files, logs and all output; but for what logs in to the API server, and its own data."""
    token = (home.directory / "control-plane" / "tokens.csv").read_text().partition(",")[0]
    secrets = [PASSWORD, token, azurite.KEY, *(key for account in ACCOUNTS.values() for key in account_keys(account))]
    sentinels = [form for secret in secrets for form in (secret, base64.b64encode(secret.encode()).decode())]
    exempt = {home.directory / name for name in ("kubeconfig", "control-plane/kubeconfig", "control-plane/tokens.csv")}
    files = [path for path in home.directory.rglob("*") if path.is_file() and path not in exempt and "etcd" not in path.parts]
    read = {str(path.relative_to(home.directory)): path.read_bytes() for path in files}
    for expected in (
        "stacks/istio-stack/staging.json",
        "project/Pulumi.staging.yaml",
        "logs/up.log",
        "kube-apiserver.log",
        "azurite.log",
        "azure.json",
    ):
        assert any(name.endswith(expected) and content for name, content in read.items()), f"{expected} is not among {sorted(read)}"
    assert len(home.printed) > 20 and any("resources in Azure" in text for text in home.printed)
    read |= {f"output {number}": text.encode() for number, text in enumerate(home.printed)}
    assert [name for name, content in read.items() if any(sentinel.encode() in content for sentinel in sentinels)] == []
