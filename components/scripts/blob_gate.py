"""Proves that a ServiceAccount may use a blob container, as a Job in the cluster, before the store that needs it starts.

Takes the very way the store takes: the token that Kubernetes gave the pod is exchanged for one of Azure, and with that a blob is
written, listed and deleted. Python's standard library only.

Environment, the AZURE_* of it from the workload identity webhook:
    AZURE_CLIENT_ID, AZURE_TENANT_ID   the managed identity
    AZURE_AUTHORITY_HOST               where tokens are exchanged, such as https://login.microsoftonline.com/
    AZURE_FEDERATED_TOKEN_FILE         the pod's own token
    BLOB_ENDPOINT                      https://<account>.blob.core.windows.net
    CONTAINER                          the store's container
    SUBJECT                            the ServiceAccount as its token names it, for messages
    TIMEOUT_SECONDS                    how long to wait for permissions to spread in all (default 600)

Only what passes by itself is waited for: Azure takes minutes to spread a new federated credential or role. Exit code 0 once a blob was
written, listed and deleted; 2 where waiting does not help, or did not; 1 where another try may (a network that is not there yet).
Each failure is one line that starts with "error:".
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import ssl
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

API_VERSION = "2023-11-03"
SCOPE = "https://storage.azure.com/.default"
REQUEST_SECONDS = 20.0
FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 15.0
# https://learn.microsoft.com/entra/identity-platform/reference-error-codes
NOT_SPREAD_YET = {
    "AADSTS70021": "the federated credential is not known yet",
    "AADSTS700211": "the federated credential's issuer is not known yet",
    "AADSTS700213": "the federated credential's subject is not known yet",
    "AADSTS700016": "the identity is not known yet",
}
NO_ROLE_YET = "AuthorizationPermissionMismatch"
HINTS = {
    "AuthorizationFailure": "the account's firewall keeps this cluster out; azure.network must name the subnet of its nodes",
    "KeyBasedAuthenticationNotPermitted": "the request came without the identity's token",
    "ContainerNotFound": "the container is not there",
    "PublicAccessNotPermitted": "the request came without the identity's token",
}
TLS: ssl.SSLContext | None = None
"""Trust of https connections; None means the system's."""


class Failure(Exception):
    """Why waiting does not help, in one line that shows no token."""


class Passing(Exception):
    """Why this attempt failed; another one, of another pod, may do better."""


class NotYet(Exception):
    """Azure does not know yet what it was told: the one thing that is waited for."""


@dataclass(frozen=True)
class Answer:
    """Status, headers and body of one response."""

    status: int
    error: str
    body: bytes


@dataclass(frozen=True)
class Identity:
    """Who the pod is, to Azure."""

    client_id: str
    tenant_id: str
    authority: str
    token_file: Path
    subject: str


@dataclass(frozen=True)
class Container:
    """A blob container by the account's address and its name."""

    endpoint: str
    name: str


def main() -> int:
    """Opens the gate or says why it stays shut; returns the exit code."""
    # process 1 of a container ignores SIGTERM without a handler, and would hold its pod until it is killed
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("error: stopped before the container could be used"))
    try:
        identity, container, timeout = read(os.environ)
        wait(identity, container, timeout)
    except (Failure, Passing) as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 2 if isinstance(failure, Failure) else 1
    return 0


def read(environment: Mapping[str, str]) -> tuple[Identity, Container, float]:
    """Everything the environment says, checked before the first request. Raises Failure."""
    injected = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_AUTHORITY_HOST", "AZURE_FEDERATED_TOKEN_FILE")
    missing = [name for name in injected if not environment.get(name)]
    if missing:
        raise Failure(
            f"{', '.join(missing)} not set: the workload identity webhook did not see this pod; "
            "`az aks update --enable-oidc-issuer --enable-workload-identity` brings it"
        )
    endpoint, name, subject = (environment.get(key, "").strip() for key in ("BLOB_ENDPOINT", "CONTAINER", "SUBJECT"))
    seconds = environment.get("TIMEOUT_SECONDS", "600")
    if not re.fullmatch(r"https?://[A-Za-z0-9.:-]+", endpoint):
        raise Failure(f"BLOB_ENDPOINT is {endpoint!r}: must be https://<account>.<suffix>")
    if not re.fullmatch(r"[a-z0-9-]{3,63}", name):
        raise Failure(f"CONTAINER is {name!r}: must be a container's name")
    if not re.fullmatch(r"[0-9]{1,5}", seconds) or int(seconds) == 0:
        raise Failure(f"TIMEOUT_SECONDS is {seconds!r}: must be a whole number from 1 to 99999")
    client, tenant, authority, token = (environment[key] for key in injected)
    return Identity(client, tenant, authority.rstrip("/"), Path(token), subject), Container(endpoint, name), float(seconds)


def wait(identity: Identity, container: Container, timeout: float) -> None:
    """Uses the container as soon as Azure lets it. Raises Failure at the deadline, or at once where waiting is no help; Passing."""
    deadline = time.monotonic() + timeout
    pause, told = FIRST_PAUSE_SECONDS, ""
    while True:
        try:
            use(container, exchange(identity))
        except NotYet as reason:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Failure(f"{identity.subject} may not use container {container.name} after {timeout:g} s: {reason}") from None
            if str(reason) != told:
                told = str(reason)
                print(f"waiting: {told}", flush=True)
        else:
            print(f"container {container.name}: written, listed and deleted as {identity.subject}", flush=True)
            return
        time.sleep(min(pause, left))
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def exchange(identity: Identity) -> str:
    """A token of Azure for the pod's own, which is read each time, as Kubernetes renews it. Raises NotYet, Failure, Passing."""
    try:
        assertion = identity.token_file.read_text().strip()
    except OSError as error:
        raise Failure(f"AZURE_FEDERATED_TOKEN_FILE is {identity.token_file}: {error.strerror}") from None
    form = {
        "grant_type": "client_credentials",
        "client_id": identity.client_id,
        "scope": SCOPE,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
    }
    address = f"{identity.authority}/{quote(identity.tenant_id)}/oauth2/v2.0/token"
    answer = request("POST", address, {"Content-Type": "application/x-www-form-urlencoded"}, urlencode(form).encode())
    try:
        said = json.loads(answer.body)
        if answer.status == 200:
            return str(said["access_token"])
        description = str(said.get("error_description", ""))
    except (ValueError, KeyError, AttributeError):
        raise Failure(f"{identity.authority} answers {answer.status} with no token and no reason") from None
    code = re.match(r"AADSTS\d+", description)
    if code and code[0] in NOT_SPREAD_YET:
        raise NotYet(f"{code[0]}, {NOT_SPREAD_YET[code[0]]}")
    reason = (description.splitlines() or [str(answer.status)])[0]
    raise Failure(f"{identity.authority} refuses {identity.subject} as {identity.client_id}: {reason}")


def use(container: Container, token: str) -> None:
    """Writes, lists and deletes one blob. Raises NotYet, Failure, Passing."""
    name = f"gate/{uuid.uuid4()}"
    blob = f"{container.endpoint}/{container.name}/{quote(name)}"
    listing = f"{container.endpoint}/{container.name}?{urlencode({'comp': 'list', 'prefix': name, 'restype': 'container'})}"
    headers = {"Authorization": f"Bearer {token}", "x-ms-version": API_VERSION}
    _expect(201, "written to", container, request("PUT", blob, {**headers, "x-ms-blob-type": "BlockBlob"}, b"open"))
    listed = _expect(200, "listed in", container, request("GET", listing, headers))
    if name.encode() not in listed.body:
        raise Failure(f"a blob was written to container {container.name} and is not in its list")
    _expect(202, "deleted from", container, request("DELETE", blob, headers))


def _expect(status: int, done: str, container: Container, answer: Answer) -> Answer:
    if answer.status == status:
        return answer
    if answer.error == NO_ROLE_YET:
        raise NotYet(f"{answer.status} {answer.error}, the role on container {container.name} is not known yet")
    reason = f"; {HINTS[answer.error]}" if answer.error in HINTS else ""
    raise Failure(f"a blob cannot be {done} container {container.name} at {container.endpoint}: {answer.status} {answer.error}{reason}")


def request(method: str, address: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
    """One request. Raises Passing where nobody answers, or the other side says it cannot now."""
    url = urlsplit(address)
    # http.client and not urllib.request, which would use a proxy and follow redirects with the token
    connection = (
        http.client.HTTPSConnection(url.hostname or "", url.port, timeout=REQUEST_SECONDS, context=TLS)
        if url.scheme == "https"
        else http.client.HTTPConnection(url.hostname or "", url.port, timeout=REQUEST_SECONDS)
    )
    try:
        connection.request(method, f"{url.path}?{url.query}" if url.query else url.path, body=body, headers=dict(headers))
        response = connection.getresponse()
        answer = Answer(response.status, response.getheader("x-ms-error-code", ""), response.read())
    except (OSError, http.client.HTTPException) as error:
        raise Passing(f"{url.scheme}://{url.netloc} does not answer: {error or type(error).__name__}") from None
    finally:
        connection.close()
    if answer.status in {408, 429} or answer.status >= 500:
        raise Passing(f"{url.scheme}://{url.netloc} cannot answer now: {answer.status} {answer.error}".rstrip())
    return answer


if __name__ == "__main__":
    sys.exit(main())
