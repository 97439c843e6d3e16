"""Tests of the script that creates blob containers, run as the Job runs it, against a real Azurite."""

from __future__ import annotations

import errno
import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zlib import crc32

import pytest

from components import azurite as layer
from components.scripts.create_containers import CONTAINER_RULE
from components.settings import Settings
from components.topology import plan
from rehearsal import processes
from rehearsal.azurite import ACCOUNT, KEY, Azurite

ANOTHER_KEY = "QUJD" * 22
SECONDS = 60
pytestmark = pytest.mark.xdist_group("create_containers")  # one Azurite for all of them


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with Azurite.start(tmp_path_factory.mktemp("azurite"), die_with_parent=True) as running:
        yield running


def environment(endpoint: str, **changes: str) -> dict[str, str]:
    asked = {"BLOB_ENDPOINT": endpoint, "ACCOUNT_NAME": ACCOUNT, "ACCOUNT_KEY": KEY, "CONTAINERS": "tempo,loki", "TIMEOUT_SECONDS": "20"}
    return {**asked, **changes}


def start(variables: dict[str, str]) -> subprocess.Popen[str]:
    """The script alone: without site-packages (-S), and without this process's environment."""
    command = [sys.executable, "-I", "-S", str(layer.SCRIPT)]
    return subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> tuple[int, list[str], str]:
    """Exit code, lines of stdout, and stderr; no key may be in any of them."""
    try:
        stdout, stderr = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    for key in (KEY, ANOTHER_KEY):
        assert key[:20] not in stdout + stderr
    assert "Traceback" not in stderr
    return process.returncode, stdout.splitlines(), stderr


def run(endpoint: str, **changes: str) -> tuple[int, list[str], str]:
    return finish(start(environment(endpoint, **changes)))


@contextmanager
def server(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """A server of ours in Azurite's place; its endpoint."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            answer(self)

        do_GET = do_PUT = _answer

        def log_message(self, format: str, *args: object) -> None:
            """Not into the test's output."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.server_address[1]}/{ACCOUNT}"
    finally:
        listening.shutdown()
        listening.server_close()


def say(handler: BaseHTTPRequestHandler, status: int, code: str = "") -> None:
    handler.send_response(status)
    if code:
        handler.send_header("x-ms-error-code", code)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def forward(handler: BaseHTTPRequestHandler, port: int) -> None:
    """Passes the request on as it came, and the answer back."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    connection.request(handler.command, handler.path, headers=dict(handler.headers))
    answer = connection.getresponse()
    say(handler, answer.status, answer.getheader("x-ms-error-code", ""))
    connection.close()


def test_containers_are_created_and_can_be_listed(azurite: Azurite) -> None:
    code, lines, stderr = run(azurite.endpoint, CONTAINERS="one,two-2")
    assert (code, stderr) == (0, "")
    assert lines == [
        "container one: created",
        "container two-2: created",
        f"ready at {azurite.endpoint}: one, two-2",
    ]


def test_the_environment_that_the_job_sets_is_the_one_the_script_reads(azurite: Azurite) -> None:
    settings = Settings()
    [container] = layer.job_spec(settings, plan(settings), "script")["template"]["spec"]["containers"]
    variables = {entry["name"]: entry.get("value", layer.ACCOUNT_KEY) for entry in container["env"]}
    variables["BLOB_ENDPOINT"] = variables["BLOB_ENDPOINT"].replace(plan(settings).azurite.authority, f"127.0.0.1:{azurite.port}")
    code, lines, stderr = finish(start(variables))
    assert (code, stderr) == (0, "")
    assert lines[-1] == f"ready at {azurite.endpoint}: tempo, loki"


def test_containers_that_exist_are_left_as_they_are(azurite: Azurite) -> None:
    assert run(azurite.endpoint, CONTAINERS="again")[0] == 0
    code, lines, stderr = run(azurite.endpoint, CONTAINERS="again,fresh")
    assert (code, stderr) == (0, "")
    assert lines[:2] == ["container again: exists", "container fresh: created"]


def test_spaces_repeated_names_and_a_slash_or_line_break_at_the_end_do_no_harm(azurite: Azurite) -> None:
    code, lines, _ = run(f"{azurite.endpoint}/", CONTAINERS=" spaced , other,spaced", ACCOUNT_KEY=f"{KEY}\n")
    assert code == 0
    assert lines == ["container spaced: created", "container other: created", f"ready at {azurite.endpoint}: spaced, other"]


def test_two_jobs_at_once_both_succeed(azurite: Azurite) -> None:
    both = [start(environment(azurite.endpoint, CONTAINERS="raced-1,raced-2,raced-3")) for _ in range(2)]
    outcomes = [finish(process) for process in both]
    assert [code for code, _, _ in outcomes] == [0, 0]
    lines = [line for _, lines, _ in outcomes for line in lines]
    for name in ("raced-1", "raced-2", "raced-3"):
        assert lines.count(f"container {name}: created") == 1


def test_a_wrong_key_is_said_at_once_and_creates_nothing(azurite: Azurite) -> None:
    begun = time.monotonic()
    code, lines, stderr = run(azurite.endpoint, ACCOUNT_KEY=ANOTHER_KEY, CONTAINERS="locked")
    assert time.monotonic() - begun < 10
    assert (code, lines) == (1, [])
    assert stderr == f"error: {azurite.endpoint} refuses ACCOUNT_KEY as the key of {ACCOUNT}: 403 AuthorizationFailure\n"
    assert run(azurite.endpoint, CONTAINERS="locked")[1][0] == "container locked: created"


def test_an_account_that_the_endpoint_does_not_have_is_named(azurite: Azurite) -> None:
    endpoint = azurite.endpoint.replace(ACCOUNT, "nobody")
    code, _, stderr = run(endpoint, ACCOUNT_NAME="nobody", CONTAINERS="tempo")
    assert code == 1
    assert stderr == f"error: container tempo cannot be created at {endpoint}: 404 ResourceNotFound\n"


def test_an_endpoint_that_is_down_is_given_up_at_the_timeout() -> None:
    [port] = processes.free_ports(1)
    endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
    begun = time.monotonic()
    code, lines, stderr = run(endpoint, TIMEOUT_SECONDS="2")
    assert 2 <= time.monotonic() - begun < 6
    assert code == 1
    refused = f"[Errno {errno.ECONNREFUSED}] {os.strerror(errno.ECONNREFUSED)}"
    assert lines == [f"waiting for {endpoint}: {refused}"]
    assert stderr == f"error: {endpoint} is not ready after 2 s: {refused}\n"


def test_a_host_that_does_not_resolve_is_given_up_at_the_timeout() -> None:
    code, _, stderr = run(f"http://azurite.invalid:10000/{ACCOUNT}", TIMEOUT_SECONDS="1")
    assert code == 1
    assert stderr.startswith(f"error: http://azurite.invalid:10000/{ACCOUNT} is not ready after 1 s: ")


def test_an_endpoint_that_takes_connections_and_never_answers_is_given_up_at_the_timeout() -> None:
    release = threading.Event()

    def hang(_: BaseHTTPRequestHandler) -> None:
        release.wait(SECONDS)

    with server(hang) as endpoint:
        begun = time.monotonic()
        code, _, stderr = run(endpoint, TIMEOUT_SECONDS="1")
        release.set()
    assert time.monotonic() - begun < 6
    assert (code, stderr) == (1, f"error: {endpoint} is not ready after 1 s: timed out\n")


def test_an_azurite_that_starts_late_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ports = processes.free_ports(1)
    process = start(environment(f"http://127.0.0.1:{ports[0]}/{ACCOUNT}", TIMEOUT_SECONDS="50"))
    assert process.stdout
    assert process.stdout.readline().startswith("waiting for http://127.0.0.1:")
    monkeypatch.setattr(processes, "free_ports", lambda count: ports[:count])
    with Azurite.start(tmp_path, die_with_parent=True) as azurite:
        code, lines, stderr = finish(process)
    assert (code, stderr) == (0, "")
    assert lines == ["container tempo: created", "container loki: created", f"ready at {azurite.endpoint}: tempo, loki"]


@pytest.mark.parametrize(("status", "reason"), [(503, "ServerBusy"), (409, "ContainerBeingDeleted")])
def test_a_passing_refusal_is_repeated(azurite: Azurite, status: int, reason: str) -> None:
    refusals = iter([1, 2])

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if next(refusals, None):
            say(handler, status, reason)
        else:
            forward(handler, azurite.port)

    with server(answer) as endpoint:
        code, lines, stderr = run(endpoint, CONTAINERS=f"patient-{status}")
    assert (code, stderr) == (0, "")
    assert lines == [
        f"waiting for {endpoint}: {status} {reason}",
        f"container patient-{status}: created",
        f"ready at {endpoint}: patient-{status}",
    ]


def test_a_container_that_cannot_be_listed_is_a_failure() -> None:
    with server(lambda handler: say(handler, 201) if handler.command == "PUT" else say(handler, 404, "ContainerNotFound")) as endpoint:
        code, _, stderr = run(endpoint, CONTAINERS="tempo")
    assert (code, stderr) == (1, f"error: container tempo cannot be listed at {endpoint}: 404 ContainerNotFound\n")


def test_what_is_not_azure_at_all_is_a_failure() -> None:
    with server(lambda handler: say(handler, 200)) as endpoint:
        code, _, stderr = run(endpoint, CONTAINERS="tempo")
    assert (code, stderr) == (1, f"error: container tempo cannot be created at {endpoint}: 200\n")


@pytest.mark.parametrize("name", ["Tempo", "ab", "a" * 64, "-tempo", "tempo-", "tem--po", "tem_po", "tempo/..", "tempo?x", "témpo", ""])
def test_an_invalid_container_name_is_refused_before_anything_is_created(azurite: Azurite, name: str) -> None:
    fine = f"fine-{crc32(name.encode())}"
    code, lines, stderr = run(azurite.endpoint, CONTAINERS=f"{fine},{name}")
    assert (code, lines) == (1, [])
    shown = "'<64 characters not shown>'" if len(name) == 64 else repr(name)
    assert stderr == f"error: CONTAINERS names {shown}: a container has {CONTAINER_RULE}\n"
    assert run(azurite.endpoint, CONTAINERS=fine)[1][0] == f"container {fine}: created"


@pytest.mark.parametrize("name", ["abc", "a" * 63, "0-a-1"])
def test_the_limits_of_the_naming_rule_are_those_of_azure_blob(azurite: Azurite, name: str) -> None:
    assert run(azurite.endpoint, CONTAINERS=name)[1][0] == f"container {name}: created"


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("BLOB_ENDPOINT", "azurite:10000", "BLOB_ENDPOINT is 'azurite:10000': must be http(s)://<host>[:<port>][/<account>]"),
        ("BLOB_ENDPOINT", "http://a:99999/x", "BLOB_ENDPOINT is 'http://a:99999/x': must be http(s)://<host>[:<port>][/<account>]"),
        ("BLOB_ENDPOINT", "http://[1:]2]/x", "BLOB_ENDPOINT is 'http://[1:]2]/x': must be http(s)://<host>[:<port>][/<account>]"),
        ("BLOB_ENDPOINT", "http://a..b/x", "BLOB_ENDPOINT is 'http://a..b/x': must be http(s)://<host>[:<port>][/<account>]"),
        ("BLOB_ENDPOINT", "", "BLOB_ENDPOINT is not set"),
        ("ACCOUNT_NAME", "Dev\nX: y", "ACCOUNT_NAME is 'Dev\\nX: y': must be 3 to 24 lower-case letters and digits"),
        ("ACCOUNT_KEY", KEY[:-3], "ACCOUNT_KEY is not base64: it must be the account's key as Azure shows it"),
        ("ACCOUNT_KEY", " ", "ACCOUNT_KEY is not set"),
        ("CONTAINERS", "", "CONTAINERS is not set"),
        ("TIMEOUT_SECONDS", "soon", "TIMEOUT_SECONDS is 'soon': must be a whole number from 1 to 99999"),
        ("TIMEOUT_SECONDS", "0", "TIMEOUT_SECONDS is '0': must be a whole number from 1 to 99999"),
    ],
)
def test_a_bad_variable_is_named_with_its_rule(azurite: Azurite, variable: str, value: str, line: str) -> None:
    code, lines, stderr = run(azurite.endpoint, **{variable: value})
    assert (code, lines, stderr) == (1, [], f"error: {line}\n")


def test_a_missing_variable_is_named(azurite: Azurite) -> None:
    for name in ("BLOB_ENDPOINT", "ACCOUNT_NAME", "ACCOUNT_KEY", "CONTAINERS"):
        variables = environment(azurite.endpoint)
        del variables[name]
        assert finish(start(variables)) == (1, [], f"error: {name} is not set\n")


@pytest.mark.parametrize("variable", ["BLOB_ENDPOINT", "ACCOUNT_NAME", "CONTAINERS", "TIMEOUT_SECONDS"])
def test_a_key_in_the_wrong_variable_is_not_shown(azurite: Azurite, variable: str) -> None:
    for value in (KEY, f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={azurite.endpoint};"):
        code, _, stderr = run(azurite.endpoint, **{variable: value})
        assert code == 1
        assert " characters not shown>" in stderr


def test_a_job_that_is_stopped_while_it_waits_ends_at_once() -> None:
    [port] = processes.free_ports(1)
    process = start(environment(f"http://127.0.0.1:{port}/{ACCOUNT}", TIMEOUT_SECONDS="50"))
    assert process.stdout
    process.stdout.readline()
    begun = time.monotonic()
    os.kill(process.pid, signal.SIGTERM)
    code, _, stderr = finish(process)
    assert time.monotonic() - begun < 5
    assert (code, stderr) == (1, "error: stopped before all containers were there\n")
