"""Creates blob containers, as a Job in the cluster, before the stores that need them start. Python's standard library only.

Environment:
    BLOB_ENDPOINT    http://<host>:<port>/<account> (Azurite) or https://<account>.blob.core.windows.net
    ACCOUNT_NAME     storage account
    ACCOUNT_KEY      its key, as Azure shows it; never printed
    CONTAINERS       names, separated by commas; those that exist are left as they are
    TIMEOUT_SECONDS  how long to wait for the endpoint in all (default 180)

Exit code 0 when every container can be listed; else 1, after one line that starts with "error:".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import os
import re
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from urllib.parse import urlencode, urlsplit

API_VERSION = "2023-11-03"
REQUEST_SECONDS = 10.0
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 5.0

HOST = r"[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*\.?|\[[0-9A-Fa-f:.]+\]"
ENDPOINT = re.compile(rf"https?://({HOST})(:[0-9]{{1,5}})?(/[a-z0-9-]+)?/?")
ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
CONTAINER = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(-[a-z0-9]+)*")
CONTAINER_RULE = "3 to 63 lower-case letters, digits and single hyphens, with a letter or digit at both ends"


class Failure(Exception):
    """Why there are no containers, in one line that does not show the key."""


class Unavailable(Exception):
    """An attempt that may be worth repeating, and why it failed."""


@dataclass(frozen=True)
class Account:
    """A storage account: where it is and how to sign for it."""

    endpoint: str
    name: str
    key: bytes = field(repr=False)

    def request(self, method: str, container: str, query: dict[str, str], seconds: float) -> tuple[int, str]:
        """HTTP status and Azure error code ("" if none) of one signed request. Raises Unavailable."""
        url = urlsplit(self.endpoint)
        path = f"{url.path}/{container}"
        headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": API_VERSION}
        headers["Authorization"] = f"SharedKey {self.name}:{self._signature(method, path, query, headers)}"
        # http.client and not urllib.request, which would add headers that the signature covers, and would use a proxy.
        scheme = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = scheme(url.hostname or "", url.port, timeout=seconds)
        try:
            connection.request(method, f"{path}?{urlencode(query)}", headers=headers)
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(str(error) or type(error).__name__) from None
        finally:
            connection.close()
        code = answer.getheader("x-ms-error-code", "")
        if answer.status >= 500 or code == "ContainerBeingDeleted":
            raise Unavailable(f"{answer.status} {code or answer.reason}")
        return answer.status, code

    def _signature(self, method: str, path: str, query: dict[str, str], headers: dict[str, str]) -> str:
        """https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key"""
        without_values = [""] * 11  # the standard headers from Content-Encoding to Range, none of which is sent
        canonical_headers = [f"{name}:{value}" for name, value in sorted(headers.items())]
        resource = [f"/{self.name}{path}", *(f"{name}:{value}" for name, value in sorted(query.items()))]
        text = "\n".join([method, *without_values, *canonical_headers, *resource])
        return base64.b64encode(hmac.new(self.key, text.encode(), hashlib.sha256).digest()).decode()


def main() -> int:
    """Creates what the environment asks for; returns the exit code."""
    # Process 1 of a container ignores SIGTERM without a handler, and would hold its pod until it is killed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("error: stopped before all containers were there"))
    try:
        account, containers, timeout = read(os.environ)
        create(account, containers, timeout)
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    return 0


def read(environment: Mapping[str, str]) -> tuple[Account, list[str], float]:
    """Account, container names and timeout in seconds, all checked before the first request. Raises Failure."""
    endpoint, name, key, names = (_variable(environment, v) for v in ("BLOB_ENDPOINT", "ACCOUNT_NAME", "ACCOUNT_KEY", "CONTAINERS"))
    seconds = environment.get("TIMEOUT_SECONDS", "180")
    if not ENDPOINT.fullmatch(endpoint) or not _port_is_possible(endpoint):
        raise Failure(f"BLOB_ENDPOINT is {_shown(endpoint)}: must be http(s)://<host>[:<port>][/<account>]")
    if not ACCOUNT.fullmatch(name):
        raise Failure(f"ACCOUNT_NAME is {_shown(name)}: must be 3 to 24 lower-case letters and digits")
    if not re.fullmatch("[0-9]{1,5}", seconds) or int(seconds) == 0:
        raise Failure(f"TIMEOUT_SECONDS is {_shown(seconds)}: must be a whole number from 1 to 99999")
    try:
        decoded = base64.b64decode(key, validate=True)
    except ValueError:
        raise Failure("ACCOUNT_KEY is not base64: it must be the account's key as Azure shows it") from None
    containers = list(dict.fromkeys(container.strip() for container in names.split(",")))
    for container in containers:
        if not CONTAINER.fullmatch(container):
            raise Failure(f"CONTAINERS names {_shown(container)}: a container has {CONTAINER_RULE}")
    return Account(endpoint.rstrip("/"), name, decoded), containers, float(seconds)


def create(account: Account, containers: list[str], timeout: float) -> None:
    """Creates the containers that are missing and sees that each can be listed. Raises Failure."""
    deadline = time.monotonic() + timeout
    for container in containers:
        status, code = _persist(account, "PUT", container, {"restype": "container"}, deadline, timeout)
        if status != 201 and code != "ContainerAlreadyExists":
            raise _refusal(account, container, "created", status, code)
        print(f"container {container}: {'created' if status == 201 else 'exists'}", flush=True)
    for container in containers:
        query = {"comp": "list", "maxresults": "1", "restype": "container"}
        status, code = _persist(account, "GET", container, query, deadline, timeout)
        if status != 200:
            raise _refusal(account, container, "listed", status, code)
    print(f"ready at {account.endpoint}: {', '.join(containers)}", flush=True)


def _persist(account: Account, method: str, container: str, query: dict[str, str], deadline: float, timeout: float) -> tuple[int, str]:
    """Repeats a request until it is answered, with longer and longer pauses. Raises Failure at the deadline."""
    pause, told = FIRST_PAUSE_SECONDS, ""
    while True:
        try:
            return account.request(method, container, query, max(0.1, min(REQUEST_SECONDS, deadline - time.monotonic())))
        except Unavailable as reason:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Failure(f"{account.endpoint} is not ready after {timeout:g} s: {reason}") from None
            if str(reason) != told:
                told = str(reason)
                print(f"waiting for {account.endpoint}: {told}", flush=True)
        time.sleep(min(pause, left))
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _refusal(account: Account, container: str, done: str, status: int, code: str) -> Failure:
    answer = f"{status} {code}".strip()
    if status in {401, 403}:
        return Failure(f"{account.endpoint} refuses ACCOUNT_KEY as the key of {account.name}: {answer}")
    return Failure(f"container {container} cannot be {done} at {account.endpoint}: {answer}")


def _variable(environment: Mapping[str, str], name: str) -> str:
    # a Secret made from a file often ends with a line break
    value = environment.get(name, "").strip()
    if not value:
        raise Failure(f"{name} is not set")
    return value


def _shown(value: str) -> str:
    """The value for a message. A key in the wrong variable, or inside a connection string, stays hidden."""
    return re.sub(r"[A-Za-z0-9+/=]{64,}", lambda run: f"<{len(run[0])} characters not shown>", repr(value))


def _port_is_possible(endpoint: str) -> bool:
    try:
        return urlsplit(endpoint).port != 0
    except ValueError:
        return False


if __name__ == "__main__":
    sys.exit(main())
