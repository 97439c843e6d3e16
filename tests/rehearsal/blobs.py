"""Blobs in Azurite under an account's own name, for tests: written and listed with the account's key, as a store would."""

from __future__ import annotations

import base64
import re

from rehearsal.azurite import Azurite
from rehearsal.doubles.azure_native.blobs import Signed
from rehearsal.doubles.azure_native.keys import account_keys


def put(azurite: Azurite, account: str, container: str, name: str) -> None:
    """Writes an empty blob."""
    status, code, _ = _signed(azurite, account).fetch("PUT", f"{container}/{name}", {}, {"x-ms-blob-type": "BlockBlob"})
    assert status == 201, code


def names_in(azurite: Azurite, account: str, container: str) -> list[str]:
    """Names of a container's blobs."""
    status, code, body = _signed(azurite, account).fetch("GET", container, {"restype": "container", "comp": "list"}, {})
    assert status == 200, code
    return re.findall("<Blob><Name>([^<]+)</Name>", body)


def _signed(azurite: Azurite, account: str) -> Signed:
    return Signed(f"{azurite.address}/{account}", account, base64.b64decode(account_keys(account)[0]))
