"""Containers of the azure-native double are containers of a real Azurite, and go with what they are in."""

from __future__ import annotations

import base64
import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.scripts.create_containers import Account
from rehearsal.azurite import ACCOUNT as OWN
from rehearsal.azurite import KEY, Azurite
from rehearsal.doubles.azure_native.blobs import Blobs
from rehearsal.doubles.azure_native.keys import account_keys
from tests.rehearsal.azure_double import (
    ACCOUNT,
    BLOB_CONTAINER,
    GROUP,
    IN_GROUP,
    RESOURCE_GROUP,
    ROOT,
    STORAGE_ACCOUNT,
    Client,
    Refused,
    account_inputs,
    client,
)

__all__ = ["client"]
pytestmark = pytest.mark.xdist_group("azure_double")  # one Azurite for all of them
UNKNOWN_TO_AZURITE = "stother"


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with Azurite.start(tmp_path_factory.mktemp("azurite"), die_with_parent=True, accounts={ACCOUNT: account_keys(ACCOUNT)}) as azurite:
        yield azurite


@pytest.fixture
def cloud(client: Client, azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("REHEARSAL_AZURITE", azurite.address)
    client.configure()
    yield client
    group = client.find(RESOURCE_GROUP, f"{ROOT}/resourceGroups/{GROUP}")
    if group:
        client.delete(group)


def status(azurite: Azurite, account: str, key: str, container: str, method: str = "GET") -> int:
    """How Azurite answers whoever asks for a container with the key."""
    query = {"restype": "container"}
    return Account(f"{azurite.address}/{account}", account, base64.b64decode(key)).request(method, container, query, 10)[0]


def container(client: Client, account: str = ACCOUNT, name: str = "loki", **more: str):
    return client.make(BLOB_CONTAINER, **IN_GROUP, accountName=account, containerName=name, **more)


def test_a_container_is_there_with_the_keys_that_azure_would_give(cloud: Client, azurite: Azurite) -> None:
    cloud.account()
    made = container(cloud)
    keys = [key["value"] for key in cloud.account_keys()]
    assert keys == list(account_keys(ACCOUNT))
    assert keys[0] != keys[1], "so that one can be changed while the other works"
    assert [status(azurite, ACCOUNT, key, "loki") for key in keys] == [200, 200]
    assert status(azurite, ACCOUNT, KEY, "loki") == 403, "and with no other"
    cloud.delete(made)
    assert status(azurite, ACCOUNT, keys[0], "loki") == 404
    cloud.delete(made)


def test_a_preview_makes_no_container(cloud: Client, azurite: Azurite) -> None:
    cloud.account()
    cloud.preview(BLOB_CONTAINER, **IN_GROUP, accountName=ACCOUNT, containerName="previewed")
    assert status(azurite, ACCOUNT, account_keys(ACCOUNT)[0], "previewed") == 404


def test_an_account_takes_its_containers_along_and_those_nobody_registered(cloud: Client, azurite: Azurite) -> None:
    key = account_keys(ACCOUNT)[0]
    account = cloud.account()
    container(cloud, name="tempo")
    assert status(azurite, ACCOUNT, key, "made-by-hand", method="PUT") == 201
    cloud.delete(account)
    assert [status(azurite, ACCOUNT, key, name) for name in ("tempo", "made-by-hand")] == [404, 404]


def test_a_group_takes_the_containers_along(cloud: Client, azurite: Azurite) -> None:
    cloud.account()
    container(cloud, name="tempo")
    group = cloud.find(RESOURCE_GROUP, f"{ROOT}/resourceGroups/{GROUP}")
    assert group
    cloud.delete(group)
    assert status(azurite, ACCOUNT, account_keys(ACCOUNT)[0], "tempo") == 404


def test_a_container_that_somebody_removed_is_found_gone(cloud: Client, azurite: Azurite) -> None:
    cloud.account()
    made = container(cloud)
    assert cloud.read(made)
    status(azurite, ACCOUNT, account_keys(ACCOUNT)[0], "loki", method="DELETE")
    assert cloud.read(made) is None


def test_data_that_outlived_its_record_is_taken_over(cloud: Client, azurite: Azurite) -> None:
    key = account_keys(ACCOUNT)[0]
    status(azurite, ACCOUNT, key, "kept", method="PUT")
    cloud.account()
    assert container(cloud, name="kept").outputs["name"] == "kept"


def test_a_public_container_can_be_read_by_anybody(cloud: Client, azurite: Azurite) -> None:
    cloud.account(allowBlobPublicAccess=True)
    container(cloud, name="open", publicAccess="Container")
    container(cloud, name="closed")

    def anonymous(name: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", azurite.port, timeout=10)
        connection.request("GET", f"/{ACCOUNT}/{name}?restype=container&comp=list")
        answer = connection.getresponse().status
        connection.close()
        return answer

    assert (anonymous("open"), anonymous("closed")) == (200, 403)


def test_an_account_that_azurite_does_not_know_lives_in_azurites_own(cloud: Client, azurite: Azurite) -> None:
    cloud.group()
    account = cloud.make(STORAGE_ACCOUNT, **account_inputs(accountName=UNKNOWN_TO_AZURITE))
    container(cloud, UNKNOWN_TO_AZURITE)
    assert [key["value"] for key in cloud.account_keys(UNKNOWN_TO_AZURITE)] == [KEY, KEY]
    assert status(azurite, OWN, KEY, f"{UNKNOWN_TO_AZURITE}-loki") == 200
    status(azurite, OWN, KEY, "nobodys", method="PUT")
    cloud.delete(account)
    assert [status(azurite, OWN, KEY, name) for name in (f"{UNKNOWN_TO_AZURITE}-loki", "nobodys")] == [404, 200]


def test_two_long_names_do_not_meet_in_azurites_own_account(azurite: Azurite) -> None:
    blobs = Blobs(azurite.address)
    one, other = (blobs.place("a" * 24, "b" * 50 + end)[1] for end in ("-one", "-two"))
    assert one != other
    assert max(len(one), len(other)) <= 63


def test_an_azurite_that_is_gone_fails_the_delete_and_forgets_nothing(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Azurite.start(tmp_path / "azurite", die_with_parent=True, accounts={ACCOUNT: account_keys(ACCOUNT)}) as azurite:
        monkeypatch.setenv("REHEARSAL_AZURITE", azurite.address)
        client.configure()
        account = client.account()
        container(client)
    with pytest.raises(Refused, match="does not answer"):
        client.delete(account)
    assert client.find(STORAGE_ACCOUNT, account.id)
