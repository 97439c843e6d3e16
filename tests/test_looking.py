"""`make open`: where to look, and how it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from components.charts import ROOT
from operations import looking

KUBECTL = """
import signal, socket, sys
port = int(sys.argv[-1].partition(":")[0])
listener = socket.create_server(("127.0.0.1", port))
print(f"Forwarding from 127.0.0.1:{port}", flush=True)
if "short" in sys.argv:
    signal.alarm(2)
signal.pause()
"""


def opened(programs: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PATH": str(programs), "PYTHONUNBUFFERED": "1"}
    line = [sys.executable, "-m", "operations.looking", *arguments]
    return subprocess.Popen(line, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f"#!{sys.executable}\n{KUBECTL}")
    kubectl.chmod(0o755)
    return tmp_path


def test_it_says_where_everything_is_and_ends_when_it_is_told_to(programs: Path) -> None:
    process = opened(programs)
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(7)]
    address = said[0].split()[1]
    assert [line.split()[0] for line in said[:5]] == ["grafanaUrl", "meshDashboardUrl", "sloDashboardUrl", "tracesUrl", "logsUrl"]
    assert all(line.split()[1].startswith(f"{address}") for line in said[:5])
    assert looking.answers(address)
    assert said[5].startswith("user admin, password: kubectl -n grafana get secret grafana-admin ")
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    assert not looking.answers(address)


def test_a_public_host_needs_no_way_of_ours(tmp_path: Path) -> None:
    process = opened(tmp_path, "--stack", "prod")
    said, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    *places, sign_in, password = said.splitlines()
    assert [line.split()[1].startswith("https://grafana.prod.example.com") for line in places] == [True] * 5
    assert sign_in == "sign in with Microsoft Entra ID; where that does not work, by password:"
    assert password.startswith("user admin, password: kubectl -n grafana get secret grafana-admin ")


def test_a_public_host_that_does_not_work_is_gone_around(programs: Path) -> None:
    process = opened(programs, "--stack", "prod", "--forward")
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(7)]
    assert all(line.split()[1].startswith("http://127.0.0.1:") for line in said[:5])
    assert said[5].startswith("user admin, password: ") and said[6] == "Ctrl-C ends it\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0


def test_a_way_that_ends_by_itself_is_said(programs: Path) -> None:
    process = opened(programs, "--context", "short")
    _, errors = process.communicate(timeout=30)
    assert process.returncode == looking.FAILED
    assert "is no longer forwarded" in errors and "Traceback" not in errors


@pytest.mark.parametrize(("arguments", "said"), [((), "there is no kubectl on PATH"), (("--stack", "nobody"), "stack nobody is unknown")])
def test_without_a_way_there_is_one_line(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    process = opened(tmp_path, *arguments)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == looking.BAD_INPUT
    assert said in errors and "Traceback" not in errors


def test_a_usual_port_that_is_taken_is_left_to_whoever_has_it() -> None:
    with socket.socket() as somebody:
        with contextlib.suppress(OSError):  # somebody else has it: as good
            somebody.bind(("127.0.0.1", looking.PORT))
        somebody.listen()
        assert looking.port() != looking.PORT
