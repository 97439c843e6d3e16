"""Blob containers, really made and removed in Azurite.

An account that Azurite was started with, and with its keys (keys), is served under its own name and keys. Any other one lives in Azurite's
own account: its containers then carry the account's name before their own, and both its keys are that account's key.
"""

import base64
import hashlib
import http.client
import re
import threading
from email.utils import formatdate
from urllib.parse import urlencode, urlsplit

from components.scripts.create_containers import API_VERSION, Account
from rehearsal import azurite
from rehearsal.doubles.azure_native.keys import account_keys
from rehearsal.doubles.azure_native.settings import AZURITE
from rehearsal.doubles.kubernetes.errors import Refusal

_SECONDS = 10.0
_LONGEST_NAME = 63
_NAME = re.compile("<Container><Name>([^<]+)</Name>")
_MARKER = re.compile("<NextMarker>([^<]+)</NextMarker>")


class Signed(Account):
    """An account whose requests also say what they were answered."""

    def fetch(self, method: str, path: str, query: dict[str, str], headers: dict[str, str]) -> tuple[int, str, str]:
        """HTTP status, Azure's error code and body of one signed request. OSError or HTTPException where nothing answers."""
        url = urlsplit(self.endpoint)
        full = f"{url.path}/{path}"
        headers = {**headers, "x-ms-date": formatdate(usegmt=True), "x-ms-version": API_VERSION}
        headers["Authorization"] = f"SharedKey {self.name}:{self._signature(method, full, query, headers)}"
        connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=_SECONDS)
        try:
            connection.request(method, f"{full}?{urlencode(query)}", headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.getheader("x-ms-error-code", ""), answer.read().decode(errors="replace")
        finally:
            connection.close()


class Blobs:
    """The containers of every account."""

    def __init__(self, address: str) -> None:
        self._azurite = address
        self._served: dict[str, bool] = {}
        self._lock = threading.Lock()

    def keys(self, account: str) -> tuple[str, str]:
        """The account's key1 and key2, as what serves it knows them."""
        if self._azurite and not self._is_served(account):
            return azurite.KEY, azurite.KEY
        return account_keys(account)

    def create(self, account: str, container: str, public_access: str) -> None:
        """Makes a container; one that is there already stays as it is."""
        headers = {} if public_access == "None" else {"x-ms-blob-public-access": public_access.lower()}
        status, code, _ = self._container("PUT", account, container, headers)
        if status != 201 and code != "ContainerAlreadyExists":
            raise Refusal(f"Azurite makes no container {container} in {account}: {status} {code}".strip())

    def delete(self, account: str, container: str) -> None:
        """Removes a container with its blobs; nothing where there is none."""
        status, code, _ = self._container("DELETE", account, container)
        if status not in (202, 404):
            raise Refusal(f"Azurite does not remove the container {container} of {account}: {status} {code}".strip())

    def exists(self, account: str, container: str) -> bool:
        """Whether a container is there."""
        status, code, _ = self._container("GET", account, container)
        if status not in (200, 404):
            raise Refusal(f"Azurite does not show the container {container} of {account}: {status} {code}".strip())
        return status == 200

    def delete_all(self, account: str) -> None:
        """Removes everything that an account holds."""
        prefix = "" if self._is_served(account) else f"{account}-"
        marker = ""
        while True:
            query = {"comp": "list", **({"prefix": prefix} if prefix else {}), **({"marker": marker} if marker else {})}
            status, code, body = self._request("GET", account, "", query)
            if status != 200:
                raise Refusal(f"Azurite does not list the containers of {account}: {status} {code}".strip())
            for name in _NAME.findall(body):
                self._request("DELETE", account, name, {"restype": "container"})
            found = _MARKER.search(body)
            if not found:
                return
            marker = found.group(1)

    def place(self, account: str, container: str) -> tuple[str, str]:
        """Account and container in Azurite that stand for a container of Azure's."""
        if self._is_served(account):
            return account, container
        name = f"{account}-{container}"
        if len(name) > _LONGEST_NAME:
            name = f"{name[:54]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        return azurite.ACCOUNT, name

    def _container(self, method: str, account: str, container: str, headers: dict[str, str] | None = None) -> tuple[int, str, str]:
        return self._request(method, account, self.place(account, container)[1], {"restype": "container"}, headers)

    def _is_served(self, account: str) -> bool:
        """Whether Azurite was started with this account."""
        with self._lock:
            if account not in self._served:
                status, _, _ = self._fetch(account, account_keys(account)[0], "GET", "", {"comp": "list", "maxresults": "1"}, {})
                self._served[account] = status == 200
            return self._served[account]

    def _request(
        self, method: str, account: str, path: str, query: dict[str, str], headers: dict[str, str] | None = None
    ) -> tuple[int, str, str]:
        served = self._is_served(account)
        name = account if served else azurite.ACCOUNT
        key = account_keys(account)[0] if served else azurite.KEY
        return self._fetch(name, key, method, path, query, headers or {})

    def _fetch(self, name: str, key: str, method: str, path: str, query: dict[str, str], headers: dict[str, str]) -> tuple[int, str, str]:
        if not self._azurite:
            raise Refusal(f"blob containers are made in Azurite: {AZURITE} must name its address, such as http://127.0.0.1:10000")
        try:
            return Signed(f"{self._azurite}/{name}", name, base64.b64decode(key)).fetch(method, path, query, headers)
        except (OSError, http.client.HTTPException) as error:
            raise Refusal(f"Azurite at {self._azurite} does not answer: {error or type(error).__name__}") from None
