"""The gate as a process against a stand-in for Entra ID and Blob storage: what it waits for, what it does not, what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from components import blob_gate
from components.config import parse
from components.scripts import blob_gate as script
from components.topology import plan
from tests.azure_stacks import KEYLESS, WITH_KEY

TOKEN = "sentinel-azure-token"
OWN_TOKEN = "sentinel-pod-token"
BLOBS = plan(parse({"grafanaAdminPassword": "x", **KEYLESS}), "istio-stack", "dev").tempo_blobs
KEY = "c2VudGluZWwtYWNjb3VudC1rZXk="
BY_KEY = plan(parse({"grafanaAdminPassword": "x", **WITH_KEY}), "istio-stack", "dev").tempo_blobs
HURRY = "import runpy, time; time.sleep = lambda seconds, sleep=time.sleep: sleep(seconds / 100)"
"""Pauses as short as a test can bear; the process is otherwise the one of the Job."""
UNKNOWN_CREDENTIAL = "AADSTS70021: No matching federated identity record found for presented assertion.\r\nTrace ID: 1"


class Azure:
    """Entra ID and a storage account on one port; each list of failures is worked off, one per request, before anything succeeds."""

    def __init__(self) -> None:
        self.token_failures: list[str] = []
        self.blob_failures: list[tuple[str, int, str]] = []
        """Method, status and error code, of the next request of that method."""
        self.requests: list[tuple[str, str]] = []
        self.forms: list[dict[str, list[str]]] = []
        self.blobs: set[str] = set()
        self.shown: set[str] | None = None
        """What a list shows instead of the truth."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self, status: int, body: bytes = b"", error: str = "") -> None:
                self.send_response(status)
                if error:
                    self.send_header("x-ms-error-code", error)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _blob(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                url = urlsplit(self.path)
                outer.requests.append((self.command, url.path))
                if self.headers["Authorization"] != f"Bearer {TOKEN}" and not self.headers["Authorization"].startswith("SharedKey "):
                    return self._answer(401, error="InvalidAuthenticationInfo")
                for failure in outer.blob_failures:
                    if failure[0] == self.command:
                        outer.blob_failures.remove(failure)
                        return self._answer(failure[1], error=failure[2])
                name = url.path.removeprefix("/tempo/")
                if self.command == "PUT":
                    assert body == b"open"
                    outer.blobs.add(name)
                    return self._answer(201)
                if self.command == "DELETE":
                    outer.blobs.discard(name)
                    return self._answer(202)
                prefix = parse_qs(url.query)["prefix"][0]
                shown = outer.blobs if outer.shown is None else outer.shown
                return self._answer(200, "".join(f"<Name>{b}</Name>" for b in shown if b.startswith(prefix)).encode())

            do_PUT = do_DELETE = do_GET = _blob

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                outer.requests.append(("POST", self.path))
                outer.forms.append(form)
                if outer.token_failures:
                    text = outer.token_failures.pop(0)
                    return self._answer(401, json.dumps({"error": "invalid_client", "error_description": text}).encode())
                return self._answer(200, json.dumps({"access_token": TOKEN, "expires_in": 3599}).encode())

            def log_message(self, format: str, *args: Any) -> None:
                """Keeps the test's output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def azure() -> Iterator[Azure]:
    made = Azure()
    yield made
    made.server.shutdown()
    made.server.server_close()


def run(azure: Azure, folder: Path, **changes: str | None) -> tuple[int, list[str], str]:
    """Exit code, lines and errors of the gate, started as its Job starts it."""
    token = folder / "token"
    token.write_text(f"{OWN_TOKEN}\n")
    variables: dict[str, str | None] = {
        **blob_gate.environment(BLOBS),
        "BLOB_ENDPOINT": azure.url,
        "TIMEOUT_SECONDS": "30",
        "AZURE_CLIENT_ID": "client",
        "AZURE_TENANT_ID": "tenant",
        "AZURE_AUTHORITY_HOST": f"{azure.url}/",
        "AZURE_FEDERATED_TOKEN_FILE": str(token),
        **changes,
    }
    done = subprocess.run(
        [sys.executable, "-c", f"{HURRY}; runpy.run_path({str(blob_gate.SCRIPT)!r}, run_name='__main__')"],
        env={"PATH": os.environ["PATH"], **{k: v for k, v in variables.items() if v is not None}},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert TOKEN not in done.stdout + done.stderr
    assert OWN_TOKEN not in done.stdout + done.stderr
    assert KEY not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout.splitlines(), done.stderr


def test_an_open_gate_has_written_listed_and_deleted_one_blob(azure: Azure, tmp_path: Path) -> None:
    code, lines, errors = run(azure, tmp_path)
    assert (code, errors) == (0, "")
    assert lines == ["container tempo: written, listed and deleted by system:serviceaccount:tempo:tempo"]
    assert [method for method, _ in azure.requests] == ["POST", "PUT", "GET", "DELETE"]
    assert azure.blobs == set()


def test_the_pods_own_token_is_what_is_exchanged(azure: Azure, tmp_path: Path) -> None:
    run(azure, tmp_path)
    assert azure.requests[0] == ("POST", "/tenant/oauth2/v2.0/token")
    (form,) = azure.forms
    assert (form["client_assertion"], form["client_id"], form["scope"]) == ([OWN_TOKEN], ["client"], ["https://storage.azure.com/.default"])


@pytest.mark.parametrize("code", script.NOT_SPREAD_YET)
def test_a_credential_that_azure_does_not_know_yet_is_waited_for(code: str, azure: Azure, tmp_path: Path) -> None:
    azure.token_failures = [f"{code}: not found"] * 2
    exit_code, lines, _ = run(azure, tmp_path)
    assert exit_code == 0
    assert lines[0] == f"waiting: {code}, {script.NOT_SPREAD_YET[code]}"
    assert len(lines) == 2  # said once, however often it was tried


@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
def test_a_role_that_azure_does_not_know_yet_is_waited_for(method: str, azure: Azure, tmp_path: Path) -> None:
    azure.blob_failures = [(method, 403, "AuthorizationPermissionMismatch")]
    code, lines, _ = run(azure, tmp_path)
    assert code == 0
    assert lines[0] == "waiting: 403 AuthorizationPermissionMismatch, the role on container tempo is not known yet"


def test_waiting_ends(azure: Azure, tmp_path: Path) -> None:
    azure.token_failures = [UNKNOWN_CREDENTIAL] * 10_000
    code, _, errors = run(azure, tmp_path, TIMEOUT_SECONDS="1")
    assert code == blob_gate.HOPELESS
    assert errors == (
        "error: system:serviceaccount:tempo:tempo may not use container tempo after 1 s: "
        "AADSTS70021, the federated credential is not known yet\n"
    )


@pytest.mark.parametrize(
    ("failure", "line"),
    [
        (
            ("PUT", 403, "AuthorizationFailure"),
            "403 AuthorizationFailure; the account's firewall keeps this cluster out; azure.network must name the subnet of its nodes",
        ),
        (("PUT", 404, "ContainerNotFound"), "404 ContainerNotFound; the container is not there; `pulumi up --refresh` makes it again"),
        (("PUT", 409, "BlobImmutableDueToPolicy"), "409 BlobImmutableDueToPolicy"),
    ],
)
def test_what_does_not_pass_by_itself_fails_at_once_and_says_why(
    failure: tuple[str, int, str], line: str, azure: Azure, tmp_path: Path
) -> None:
    azure.blob_failures = [failure]
    code, lines, errors = run(azure, tmp_path)
    assert (code, lines) == (blob_gate.HOPELESS, [])
    assert errors == f"error: a blob cannot be written to container tempo at {azure.url}: {line}\n"
    assert [method for method, _ in azure.requests] == ["POST", "PUT"]


def test_a_refused_token_says_who_was_refused(azure: Azure, tmp_path: Path) -> None:
    azure.token_failures = ["AADSTS7000222: The provided client secret keys are expired.\r\nTrace ID: 1"]
    code, _, errors = run(azure, tmp_path)
    assert code == blob_gate.HOPELESS
    assert errors.startswith(f"error: {azure.url} refuses system:serviceaccount:tempo:tempo as client: AADSTS7000222")
    assert errors.count("\n") == 1


def test_a_blob_that_is_not_listed_keeps_the_gate_shut(azure: Azure, tmp_path: Path) -> None:
    azure.shown = set()
    code, _, errors = run(azure, tmp_path)
    assert (code, errors) == (blob_gate.HOPELESS, "error: a blob was written to container tempo and is not in its list\n")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_service_that_cannot_now_is_left_to_the_next_pod(status: int, azure: Azure, tmp_path: Path) -> None:
    azure.blob_failures = [("PUT", status, "ServerBusy")]
    code, _, errors = run(azure, tmp_path)
    assert (code, errors) == (1, f"error: {azure.url} cannot answer now: {status} ServerBusy\n")


def test_nobody_there_is_left_to_the_next_pod(azure: Azure, tmp_path: Path) -> None:
    code, _, errors = run(azure, tmp_path, BLOB_ENDPOINT="http://127.0.0.1:9")
    assert code == 1
    assert errors.startswith("error: http://127.0.0.1:9 does not answer: ")
    assert errors.endswith("; the name must lead to the account from inside the cluster; its DNS and azure.network decide that\n")


def test_a_pod_that_the_webhook_did_not_see_says_how_to_get_the_webhook(azure: Azure, tmp_path: Path) -> None:
    code, _, errors = run(azure, tmp_path, AZURE_CLIENT_ID=None, AZURE_FEDERATED_TOKEN_FILE=None)
    assert code == blob_gate.HOPELESS
    assert errors == (
        "error: AZURE_CLIENT_ID, AZURE_FEDERATED_TOKEN_FILE not set: the workload identity webhook did not see this pod; "
        "`az aks update --enable-oidc-issuer --enable-workload-identity` brings it\n"
    )


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"BLOB_ENDPOINT": "account"}, "BLOB_ENDPOINT is 'account': must be https://<account>.<suffix> or http://<host>:<port>/<account>"),
        ({"CONTAINER": "No"}, "CONTAINER is 'No': must be a container's name"),
        ({"TIMEOUT_SECONDS": "0"}, "TIMEOUT_SECONDS is '0': must be a whole number from 1 to 99999"),
    ],
)
def test_a_wrong_variable_gets_one_line(changes: dict[str, str], line: str, azure: Azure, tmp_path: Path) -> None:
    code, _, errors = run(azure, tmp_path, **changes)
    assert (code, errors) == (blob_gate.HOPELESS, f"error: {line}\n")
    assert azure.requests == []


def test_a_token_that_is_not_mounted_is_named(azure: Azure, tmp_path: Path) -> None:
    code, _, errors = run(azure, tmp_path, AZURE_FEDERATED_TOKEN_FILE="/nowhere/token")
    assert (code, errors) == (blob_gate.HOPELESS, "error: AZURE_FEDERATED_TOKEN_FILE is /nowhere/token: No such file or directory\n")


def test_a_hopeless_gate_fails_its_job_at_once() -> None:
    spec = blob_gate.job_spec(BLOBS, "script", {}, "small")
    (rule,) = spec["podFailurePolicy"]["rules"]
    assert rule["action"] == "FailJob"
    assert rule["onExitCodes"] == {"containerName": blob_gate.NAME, "operator": "In", "values": [blob_gate.HOPELESS]}
    assert spec["template"]["spec"]["restartPolicy"] == "Never"  # which a pod failure policy needs
    assert spec["template"]["spec"]["containers"][0]["name"] == blob_gate.NAME


def run_by_key(azure: Azure, folder: Path) -> tuple[int, list[str], str]:
    """The same with the account's key, as its Job starts it."""
    changes = {**blob_gate.environment(BY_KEY), "BLOB_ENDPOINT": azure.url, "TIMEOUT_SECONDS": "1", "ACCOUNT_KEY": KEY}
    return run(azure, folder, **changes)


def test_with_a_key_nobody_is_asked_for_a_token(azure: Azure, tmp_path: Path) -> None:
    code, lines, errors = run_by_key(azure, tmp_path)
    assert (code, errors) == (0, "")
    assert lines == ["container tempo: written, listed and deleted by the key in Secret tempo/tempo-azure-key"]
    assert [method for method, _ in azure.requests] == ["PUT", "GET", "DELETE"]


def test_an_account_that_takes_no_keys_yet_is_waited_for(azure: Azure, tmp_path: Path) -> None:
    azure.blob_failures = [("PUT", 403, "KeyBasedAuthenticationNotPermitted")]
    code, lines, _ = run_by_key(azure, tmp_path)
    assert code == 0
    assert lines[0] == "waiting: 403 KeyBasedAuthenticationNotPermitted, the account does not take keys yet"
    azure.blob_failures = [("PUT", 403, "KeyBasedAuthenticationNotPermitted")] * 10_000
    code, _, errors = run_by_key(azure, tmp_path)
    assert code == blob_gate.HOPELESS
    assert errors == (
        "error: the key in Secret tempo/tempo-azure-key may not use container tempo after 1 s: "
        "403 KeyBasedAuthenticationNotPermitted, the account does not take keys yet\n"
    )


@pytest.mark.parametrize(
    ("status", "error", "fix"),
    [
        (
            403,
            "AuthenticationFailed",
            f"the key in Secret tempo/tempo-azure-key is none of {BY_KEY.account}; `pulumi up --refresh` puts the right one there",
        ),
        (403, "AuthorizationFailure", script.FIREWALL),
        (404, "ContainerNotFound", "the container is not there; `pulumi up --refresh` makes it again"),
    ],
)
def test_what_is_wrong_with_a_key_in_azure_is_said_with_its_fix(status: int, error: str, fix: str, azure: Azure, tmp_path: Path) -> None:
    azure.blob_failures = [("PUT", status, error)]
    code, _, errors = run_by_key(azure, tmp_path)
    assert (code, errors) == (
        blob_gate.HOPELESS,
        f"error: a blob cannot be written to container tempo at {azure.url}: {status} {error}; {fix}\n",
    )
