"""Azurite runs as a process of ours, keeps blobs as Azure Blob does, and goes when it is stopped."""

import base64
import hashlib
import hmac
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from rehearsal import processes, tools
from rehearsal.azurite import ACCOUNT, KEY, Azurite
from rehearsal.errors import RehearsalError

VERSION = "2099-01-01"  # newer than Azurite knows: a store's client may be ahead of it


def call(azurite: Azurite, method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """One request, signed with the account's key as Azure's documentation describes."""
    path, _, query = path.partition("?")
    ms = {
        "x-ms-date": formatdate(usegmt=True),
        "x-ms-version": VERSION,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    canonical = "".join(f"{name}:{value}\n" for name, value in sorted(ms.items()))
    resource = f"/{ACCOUNT}/{ACCOUNT}{path}" + "".join(f"\n{part.replace('=', ':')}" for part in sorted(query.split("&")) if part)
    length = str(len(body)) if body else ""
    kind = "application/octet-stream" if body else ""
    text = f"{method}\n\n\n{length}\n\n{kind}\n\n\n\n\n\n\n{canonical}{resource}"
    signature = base64.b64encode(hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()).decode()
    url = azurite.endpoint + path + (f"?{query}" if query else "")
    request = urllib.request.Request(
        url, data=body or None, method=method, headers={**ms, "Authorization": f"SharedKey {ACCOUNT}:{signature}"}
    )
    if kind:
        request.add_header("Content-Type", kind)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        return answer.read()


def put_a_blob(azurite: Azurite) -> None:
    call(azurite, "PUT", "/chunks?restype=container")
    call(azurite, "PUT", "/chunks/one", b"a chunk", x_ms_blob_type="BlockBlob")


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with Azurite.start(tmp_path_factory.mktemp("azurite"), die_with_parent=True) as azurite:
        yield azurite


def test_a_blob_comes_back(azurite: Azurite):
    put_a_blob(azurite)
    assert call(azurite, "GET", "/chunks/one") == b"a chunk"
    assert b"<Name>chunks</Name>" in call(azurite, "GET", "/?comp=list")


def test_a_request_with_a_wrong_key_is_refused(azurite: Azurite, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(f"{__name__}.KEY", base64.b64encode(b"another key").decode())
    with pytest.raises(urllib.error.HTTPError, match="403"):
        call(azurite, "PUT", "/chunks?restype=container")


def test_the_connection_string_names_the_endpoint_without_a_slash_at_its_end(azurite: Azurite):
    parts = dict(part.split("=", 1) for part in azurite.connection_string.strip(";").split(";"))
    assert parts["BlobEndpoint"] == azurite.endpoint == f"http://127.0.0.1:{azurite.port}/{ACCOUNT}"
    assert (parts["AccountName"], parts["AccountKey"]) == (ACCOUNT, KEY)


def test_stopped_it_leaves_no_process_and_its_port(tmp_path: Path):
    with Azurite.start(tmp_path, die_with_parent=True) as azurite:
        assert processes.start_time(azurite.pid) is not None
    assert processes.start_time(azurite.pid) is None
    assert processes.port_is_free(azurite.port)
    assert [path.name for path in tmp_path.iterdir()] == ["azurite.log"], "in memory means nothing on disk"
    azurite.stop()


def test_kept_on_disk_blobs_outlive_the_process(tmp_path: Path):
    with Azurite.start(tmp_path, in_memory=False, die_with_parent=True) as azurite:
        put_a_blob(azurite)
    with Azurite.start(tmp_path, in_memory=False, die_with_parent=True) as azurite:
        assert call(azurite, "GET", "/chunks/one") == b"a chunk"


def test_one_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tools.ensure("node", "azurite")  # before node is spoilt
    monkeypatch.setenv("NODE_OPTIONS", "--no-such-option")
    with pytest.raises(RehearsalError, match=r"Azurite does not start: .*--no-such-option.*log: \S+azurite\.log"):
        Azurite.start(tmp_path, die_with_parent=True)
