"""Proves that a store may use its blob container, as a Job in the cluster, before the store that needs it starts.

Takes the very way the store takes, and writes, lists and deletes a blob on it: with an identity, the token that Kubernetes gave the
pod is exchanged for one of Azure; with the account's key, each request is signed. Python's standard library only.

Environment:
    BLOB_ENDPOINT     https://<account>.blob.core.windows.net, or http://<host>:<port>/<account> for Azurite
    CONTAINER         the store's container
    SUBJECT           what is proven, for messages: the ServiceAccount as its token names it, or where the key is
    TIMEOUT_SECONDS   how long to wait for permissions to spread in all (default 600)
With the account's key:
    ACCOUNT_NAME, ACCOUNT_KEY          the account and its key, as Azure shows it; never printed
With an identity, from the workload identity webhook:
    AZURE_CLIENT_ID, AZURE_TENANT_ID   the managed identity
    AZURE_AUTHORITY_HOST               where tokens are exchanged, such as https://login.microsoftonline.com/
    AZURE_FEDERATED_TOKEN_FILE         the pod's own token

Only what passes by itself is waited for: Azure takes minutes to spread a new federated credential or role. Exit code 0 once a blob was
written, listed and deleted; 2 where waiting does not help, or did not; 1 where another try may (a network that is not there yet).
Each failure is one line that starts with "error:" and says what to do.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import os
import re
import signal
import ssl
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

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
NOT_ALLOWED_YET = {
    "AuthorizationPermissionMismatch": "the role on container {container} is not known yet",
    "KeyBasedAuthenticationNotPermitted": "the account does not take keys yet",
}
FIREWALL = "the account's firewall keeps this cluster out; azure.network must name the subnet of its nodes"
NO_TOKEN = "the request came without the identity's token"
WRONG_KEY = "{subject} is none of {account}; `pulumi up --refresh` puts the right one there"
AZURE_HINTS = {
    "AuthenticationFailed": WRONG_KEY,
    "AuthorizationFailure": FIREWALL,
    "ContainerNotFound": "the container is not there; `pulumi up --refresh` makes it again",
    "PublicAccessNotPermitted": NO_TOKEN,
}
AZURITE_HINTS = {
    "AuthorizationFailure": WRONG_KEY,  # what Azurite says of a wrong signature
    "ContainerNotFound": "the container is not there; "
    "`kubectl --namespace azurite delete job create-containers`, then `pulumi up --refresh` makes it again",
}
AZURE_UNREACHABLE = "the name must lead to the account from inside the cluster; its DNS and azure.network decide that"
AZURITE_UNREACHABLE = "Azurite must run: `kubectl --namespace azurite get pods`"
TLS: ssl.SSLContext | None = None
"""Trust of https connections; None means the system's."""

Sign = Callable[[str, str, Mapping[str, str], bytes], dict[str, str]]
"""Method, address, headers and body of a request to its headers with the proof of who asks."""


class Failure(Exception):
    """Why waiting does not help, in one line that shows no token."""


class Passing(Exception):
    """Why this attempt failed; another one, of another pod, may do better."""


class Unreachable(Passing):
    """Nobody answered."""


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
    """A way in by who the pod is, to Azure."""

    client_id: str
    tenant_id: str
    authority: str
    token_file: Path
    subject: str
    account = ""

    def signer(self) -> Sign:
        """Raises NotYet, Failure, Passing."""
        token = exchange(self)
        return lambda _method, _address, headers, _body: {**headers, "Authorization": f"Bearer {token}"}


@dataclass(frozen=True)
class AccountKey:
    """A way in by the key of the whole account."""

    account: str
    key: bytes = field(repr=False)
    subject: str

    def signer(self) -> Sign:
        """Nobody has to be asked for it."""
        return self._signed

    def _signed(self, method: str, address: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
        """https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key"""
        url = urlsplit(address)
        # the standard headers from Content-Encoding to Range, of which the body's length alone is sent
        standard = ["", "", str(len(body) or ""), *[""] * 8]
        canonical = [f"{name}:{value}" for name, value in sorted(headers.items())]
        resource = [f"/{self.account}{url.path}", *(f"{name}:{value}" for name, value in sorted(parse_qsl(url.query)))]
        text = "\n".join([method, *standard, *canonical, *resource])
        signature = base64.b64encode(hmac.new(self.key, text.encode(), hashlib.sha256).digest()).decode()
        return {**headers, "Authorization": f"SharedKey {self.account}:{signature}"}


@dataclass(frozen=True)
class Container:
    """A blob container by the account's address and its name."""

    endpoint: str
    name: str

    @property
    def emulated(self) -> bool:
        """Whether Azurite serves it, which has the account in the path."""
        return urlsplit(self.endpoint).path != ""


def main() -> int:
    """Opens the gate or says why it stays shut; returns the exit code."""
    # process 1 of a container ignores SIGTERM without a handler, and would hold its pod until it is killed
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("error: stopped before the container could be used"))
    try:
        wait(*read(os.environ))
    except (Failure, Passing) as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 2 if isinstance(failure, Failure) else 1
    return 0


def read(environment: Mapping[str, str]) -> tuple[Identity | AccountKey, Container, float]:
    """Everything the environment says, checked before the first request. Raises Failure."""
    endpoint, name, subject = (environment.get(key, "").strip() for key in ("BLOB_ENDPOINT", "CONTAINER", "SUBJECT"))
    seconds = environment.get("TIMEOUT_SECONDS", "600")
    way_in = _account_key(environment, subject) if environment.get("ACCOUNT_NAME") else _identity(environment, subject)
    if not re.fullmatch(r"https?://[A-Za-z0-9.:-]+(/[a-z0-9]+)?", endpoint):
        raise Failure(f"BLOB_ENDPOINT is {endpoint!r}: must be https://<account>.<suffix> or http://<host>:<port>/<account>")
    if not re.fullmatch(r"[a-z0-9-]{3,63}", name):
        raise Failure(f"CONTAINER is {name!r}: must be a container's name")
    if not re.fullmatch(r"[0-9]{1,5}", seconds) or int(seconds) == 0:
        raise Failure(f"TIMEOUT_SECONDS is {seconds!r}: must be a whole number from 1 to 99999")
    return way_in, Container(endpoint, name), float(seconds)


def _account_key(environment: Mapping[str, str], subject: str) -> AccountKey:
    # a Secret made from a file often ends with a line break
    key = environment.get("ACCOUNT_KEY", "").strip()
    try:
        decoded = base64.b64decode(key, validate=True)
    except ValueError:
        decoded = b""
    if not decoded:
        raise Failure(f"ACCOUNT_KEY is {'not base64' if key else 'not set'}: {subject} must be the account's, as Azure shows it")
    return AccountKey(environment["ACCOUNT_NAME"], decoded, subject)


def _identity(environment: Mapping[str, str], subject: str) -> Identity:
    injected = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_AUTHORITY_HOST", "AZURE_FEDERATED_TOKEN_FILE")
    missing = [name for name in injected if not environment.get(name)]
    if missing:
        raise Failure(
            f"{', '.join(missing)} not set: the workload identity webhook did not see this pod; "
            "`az aks update --enable-oidc-issuer --enable-workload-identity` brings it"
        )
    client, tenant, authority, token = (environment[key] for key in injected)
    return Identity(client, tenant, authority.rstrip("/"), Path(token), subject)


def wait(way_in: Identity | AccountKey, container: Container, timeout: float) -> None:
    """Uses the container as soon as Azure lets it. Raises Failure at the deadline, or at once where waiting is no help; Passing."""
    deadline = time.monotonic() + timeout
    pause, told = FIRST_PAUSE_SECONDS, ""
    while True:
        try:
            use(container, way_in)
        except NotYet as reason:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Failure(f"{way_in.subject} may not use container {container.name} after {timeout:g} s: {reason}") from None
            if str(reason) != told:
                told = str(reason)
                print(f"waiting: {told}", flush=True)
        else:
            print(f"container {container.name}: written, listed and deleted by {way_in.subject}", flush=True)
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


def use(container: Container, way_in: Identity | AccountKey) -> None:
    """Writes, lists and deletes one blob. Raises NotYet, Failure, Passing."""
    sign = way_in.signer()
    name = f"gate/{uuid.uuid4()}"
    blob = f"{container.endpoint}/{container.name}/{name}"
    listing = f"{container.endpoint}/{container.name}?{urlencode({'comp': 'list', 'prefix': name, 'restype': 'container'})}"

    def ask(done: str, status: int, method: str, address: str, body: bytes = b"", **more: str) -> Answer:
        headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": API_VERSION, **more}
        try:
            answer = request(method, address, sign(method, address, headers, body), body or None)
        except Unreachable as reason:
            raise Unreachable(f"{reason}; {AZURITE_UNREACHABLE if container.emulated else AZURE_UNREACHABLE}") from None
        if answer.status == status:
            return answer
        raise _refusal(f"a blob cannot be {done} container {container.name} at {container.endpoint}", answer, container, way_in)

    ask("written to", 201, "PUT", blob, b"open", **{"x-ms-blob-type": "BlockBlob"})
    listed = ask("listed in", 200, "GET", listing)
    if name.encode() not in listed.body:
        raise Failure(f"a blob was written to container {container.name} and is not in its list")
    ask("deleted from", 202, "DELETE", blob)


def _refusal(what: str, answer: Answer, container: Container, way_in: Identity | AccountKey) -> NotYet | Failure:
    said = f"{answer.status} {answer.error}".rstrip()
    if answer.error in NOT_ALLOWED_YET:
        return NotYet(f"{said}, {NOT_ALLOWED_YET[answer.error].format(container=container.name)}")
    hint = (AZURITE_HINTS if container.emulated else AZURE_HINTS).get(answer.error, "")
    return Failure("; ".join(filter(None, (f"{what}: {said}", hint.format(subject=way_in.subject, account=way_in.account)))))


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
        raise Unreachable(f"{url.scheme}://{url.netloc} does not answer: {error or type(error).__name__}") from None
    finally:
        connection.close()
    if answer.status in {408, 429} or answer.status >= 500:
        raise Passing(f"{url.scheme}://{url.netloc} cannot answer now: {answer.status} {answer.error}".rstrip())
    return answer


if __name__ == "__main__":
    sys.exit(main())
