"""Tests of rolldice as a process: the way its image starts it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SAMPLE = Path(__file__).parent.parent
COMMAND = [sys.executable, "-m", "rolldice"]
SECONDS = 20


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(port: int, path: str) -> tuple[int, str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=SECONDS) as answer:
        return answer.status, answer.read().decode()


@contextmanager
def serving(**environment: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """rolldice on a free port, once it answers; killed if the test leaves it running."""
    port = free_port()
    env = {**os.environ, "PORT": str(port), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    process = subprocess.Popen(COMMAND, cwd=SAMPLE, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                get(port, "/healthz")
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline, process.communicate(timeout=SECONDS)
                time.sleep(0.05)
        yield port, process
    finally:
        process.kill()
        process.communicate(timeout=SECONDS)


def stopped(process: subprocess.Popen[str], by: signal.Signals = signal.SIGTERM) -> tuple[int, list[str], str]:
    """Exit code, lines of stdout and stderr of the process after the signal."""
    process.send_signal(by)
    stdout, stderr = process.communicate(timeout=SECONDS)
    return process.returncode, stdout.splitlines(), stderr


def test_each_roll_is_one_line_on_stdout() -> None:
    with serving() as (port, process):
        values = [json.loads(get(port, f"/rolldice?player=P{n}")[1])["value"] for n in range(3)]
        code, lines, stderr = stopped(process, signal.SIGINT)
    assert [line.split(" INFO rolldice: ")[1] for line in lines] == [
        f"listening on port {port}",
        *(f"P{n} rolls {value}" for n, value in enumerate(values)),
    ]
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ", line) for line in lines)
    assert (code, stderr) == (0, "")


def test_requests_are_still_answered_for_a_while_after_sigterm_and_then_it_ends_by_itself() -> None:
    with serving() as (port, process):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert get(port, "/rolldice")[0] == 200
        stdout, stderr = process.communicate(timeout=SECONDS)
    assert (process.returncode, stderr) == (0, "")
    assert "someone rolls" in stdout


def test_instrumentation_that_comes_with_the_interpreter_sees_the_application_its_logs_and_its_end(tmp_path: Path) -> None:
    """What the operator does: a `sitecustomize` on PYTHONPATH wraps Flask, puts a handler on the root logger and leaves an exit hook."""
    (tmp_path / "sitecustomize.py").write_text(
        "import atexit, flask, logging, sys\n"
        "class Watched(flask.Flask):\n"
        "    def wsgi_app(self, environ, start_response):\n"
        "        print('request', environ['PATH_INFO'], file=sys.stderr)\n"
        "        return super().wsgi_app(environ, start_response)\n"
        "flask.Flask = Watched\n"
        "class Handler(logging.Handler):\n"
        "    def emit(self, record): print('log', record.getMessage(), file=sys.stderr)\n"
        "logging.getLogger().addHandler(Handler())\n"
        "atexit.register(print, 'flushed', file=sys.stderr)\n"
    )
    with serving(PYTHONPATH=str(tmp_path)) as (port, process):
        value = json.loads(get(port, "/rolldice?player=Anna")[1])["value"]
        code, lines, stderr = stopped(process)
    seen = [line for line in stderr.splitlines() if "/healthz" not in line]
    assert seen == [f"log listening on port {port}", "request /rolldice", f"log Anna rolls {value}", "flushed"]
    assert lines[-1].endswith(f"Anna rolls {value}")
    assert code == 0


def test_a_large_body_is_refused_before_it_would_need_a_file(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "none")
    with serving(TMPDIR=nowhere, HOME=nowhere) as (port, process):
        with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as client:
            client.sendall(b"POST /rolldice HTTP/1.1\r\nHost: rolldice\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 2000)
            assert client.recv(1000).startswith(b"HTTP/1.1 413 ")
        assert get(port, "/rolldice")[0] == 200
        _, _, stderr = stopped(process, signal.SIGINT)
    assert stderr == ""


def test_a_port_that_is_none_is_named_with_the_rule() -> None:
    for port in ("0", "65536", "eighty", "-1", "", "٨٠٨٠", "9" * 5000):
        done = subprocess.run(
            COMMAND, cwd=SAMPLE, env={**os.environ, "PORT": port}, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"error: PORT is {port!r}: must be a number from 1 to 65535\n"


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        done = subprocess.run(
            COMMAND, cwd=SAMPLE, env={**os.environ, "PORT": port}, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: cannot listen on port {port}: Address already in use\n"
