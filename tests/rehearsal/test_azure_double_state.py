"""What the azure-native double keeps in its file, and what it answers from there."""

from __future__ import annotations

import base64
import json
import re
import threading
from pathlib import Path

import pytest

from rehearsal.doubles.azure_native import access
from rehearsal.doubles.azure_native.settings import settings
from rehearsal.doubles.azure_native.store import Record, Store
from rehearsal.doubles.kubernetes.errors import Refusal
from tests.rehearsal.azure_double import (
    ASSIGNMENT,
    CLUSTER,
    CONTRIBUTOR,
    GROUP,
    IDENTITY,
    ROOT,
    STORAGE_ACCOUNT,
    TENANT,
    Client,
    Refused,
    account_inputs,
    client,
    running,
)

__all__ = ["client"]
GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def test_functions_answer_as_azure_does(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kubeconfig").write_text("apiVersion: v1\nkind: Config\n")
    monkeypatch.setenv("REHEARSAL_KUBECONFIG", str(tmp_path / "kubeconfig"))
    client.configure()
    aks = {"resourceGroupName": "rg-aks", "resourceName": "aks"}
    cluster = client.invoke("azure-native:containerservice:getManagedCluster", **aks)
    assert (cluster["id"], cluster["location"]) == (CLUSTER, "northeurope")
    assert re.fullmatch(
        rf"https://northeurope\.oic\.prod-aks\.azure\.com/{TENANT}/{GUID.pattern}/", cluster["oidcIssuerProfile"]["issuerURL"]
    )
    assert re.fullmatch(r"\d+\.\d+\.\d+", cluster["kubernetesVersion"])
    [credential] = client.invoke("azure-native:containerservice:listManagedClusterUserCredentials", **aks)["kubeconfigs"]
    assert base64.b64decode(credential["value"]).decode() == "apiVersion: v1\nkind: Config\n"
    me = client.invoke("azure-native:authorization:getClientConfig")
    assert (me["subscriptionId"], me["tenantId"]) == (ROOT.rpartition("/")[2], TENANT)
    assert GUID.fullmatch(me["clientId"])
    group = client.invoke("azure-native:resources:getResourceGroup", resourceGroupName="rg-aks")
    assert group["id"] == f"{ROOT}/resourceGroups/rg-aks"
    client.account()
    keys = client.account_keys()
    assert [key["keyName"] for key in keys] == ["key1", "key2"]
    assert all(len(base64.b64decode(key["value"])) == 64 for key in keys)


def test_a_cluster_is_what_it_is_said_to_be(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"id": CLUSTER, "properties": {"kubernetesVersion": "1.24.0", "oidcIssuerProfile": None}}
    monkeypatch.setenv("REHEARSAL_AZURE_EXISTING", json.dumps([said]))
    client.configure()
    cluster = client.invoke("azure-native:containerservice:getManagedCluster", resourceGroupName="rg-aks", resourceName="aks")
    assert cluster["kubernetesVersion"] == "1.24.0"
    assert "oidcIssuerProfile" not in cluster


def test_what_was_made_is_found_by_the_next_run(client: Client, tmp_path: Path) -> None:
    made = client.account()
    with running() as later:
        later.configure()
        seen = later.read(made)
        assert seen and seen.outputs == made.outputs
    assert (tmp_path / "azure.json").stat().st_mode & 0o077 == 0, "for nobody else's eyes"


def test_a_role_is_known_everywhere_after_a_while(client: Client, tmp_path: Path) -> None:
    account = client.account()
    identity = client.identity()
    outputs = identity.outputs
    client.make(ASSIGNMENT, scope=account.id, roleDefinitionId=CONTRIBUTOR, principalId=outputs["principalId"])
    role, container = CONTRIBUTOR.rpartition("/")[2], f"{account.id}/blobServices/default/containers/loki"

    def allowed(seconds: float, client_id: str = outputs["clientId"], scope: str = container) -> bool:
        environment = {"REHEARSAL_AZURE_STATE": str(tmp_path / "azure.json"), "REHEARSAL_AZURE_PROPAGATION_SECONDS": str(seconds)}
        with Store(tmp_path / "azure.json").opened() as records:
            return access.is_allowed(records, client_id, role, scope, settings({}, environment))

    assert allowed(0)
    assert not allowed(3600), "too soon"
    assert not allowed(0, client_id=TENANT), "somebody else"
    assert not allowed(0, scope=f"{ROOT}/resourceGroups/{GROUP}"), "more than was given"


def test_many_at_once_lose_nothing(client: Client, tmp_path: Path) -> None:
    client.group()
    failures: list[BaseException] = []

    def make(number: int) -> None:
        try:
            with running() as other:
                other.configure()
                other.identity(f"id-{number}")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with Store(tmp_path / "azure.json").opened() as records:
        assert len(records.of(IDENTITY)) == 8


def test_a_refused_request_leaves_the_file_as_it_was(client: Client, tmp_path: Path) -> None:
    client.account()
    before = (tmp_path / "azure.json").read_bytes()
    with pytest.raises(Refused):
        client.make(STORAGE_ACCOUNT, **account_inputs(accountName="other", kind="no"))
    assert (tmp_path / "azure.json").read_bytes() == before
    assert not list(tmp_path.glob("*.new"))


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 9, "resources": {}}', '{"format": 1, "resources": {"/a": {"no": 1}}}'])
def test_a_file_that_is_not_ours_is_named_and_left_alone(client: Client, tmp_path: Path, text: str) -> None:
    (tmp_path / "azure.json").write_text(text)
    with pytest.raises(Refused, match=r"azure\.json is not what the azure-native double writes"):
        client.group()
    assert (tmp_path / "azure.json").read_text() == text


def test_a_write_that_fails_keeps_what_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "azure.json")
    with store.opened() as records:
        records.put(Record("/subscriptions/a", "t", {"kept": True}))

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(Refusal, match="cannot be written: No space left on device"), store.opened() as records:
        records.put(Record("/subscriptions/b", "t", {}))
    monkeypatch.undo()
    with store.opened() as records:
        assert [record.id for record in records.all()] == ["/subscriptions/a"]
