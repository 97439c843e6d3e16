"""Processes are known by pid and start time, end when they are told to, and their ports are free again."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rehearsal import processes
from rehearsal.errors import RehearsalError
from rehearsal.processes import Process

ROOT = Path(__file__).parents[2]
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


def python(code: str, log: Path, **options) -> Process:
    return processes.start([sys.executable, "-c", code], log, **options)


def printed(log: Path) -> str:
    assert processes.wait_until(lambda: log.exists() and log.read_text().endswith("\n"), 60)
    return log.read_text().strip()


def test_a_process_runs_until_it_is_stopped(tmp_path: Path):
    process = python("import time; time.sleep(600)", tmp_path / "log")
    assert process.is_running()
    assert process.stop()
    assert not process.is_running()
    assert processes.start_time(process.pid) is None, "not even its zombie is left"
    assert not process.stop(), "it ran no more"


def test_a_process_that_ignores_the_request_to_end_is_killed_after_the_grace(tmp_path: Path):
    process = python(STUBBORN, tmp_path / "log")
    printed(tmp_path / "log")
    began = time.monotonic()
    assert process.stop(grace_seconds=0.3)
    assert 0.3 <= time.monotonic() - began < 5
    assert process.exit_code == -9


def test_an_ended_process_has_an_exit_code_and_its_output_is_in_the_log(tmp_path: Path):
    (tmp_path / "log").write_text("before\n")
    process = python("import sys; print('out'); sys.exit('err')", tmp_path / "log")
    assert processes.wait_until(lambda: not process.is_running(), 60)
    assert process.exit_code == 1
    assert sorted((tmp_path / "log").read_text().split()) == ["before", "err", "out"]


def test_another_process_with_the_same_pid_is_left_alone():
    other = Process(os.getpid(), "long ago")
    assert not other.is_running()
    assert not other.stop(grace_seconds=0)


@pytest.mark.parametrize("tied", [False, True])
def test_a_program_that_is_not_there_is_named(tmp_path: Path, tied: bool):
    log = tmp_path / "log"
    message = "no-such-program does not start: No such file or directory"
    if not tied:
        with pytest.raises(RehearsalError, match=message):
            processes.start(["no-such-program"], log)
        return
    process = processes.start(["no-such-program"], log, die_with_parent=True)
    assert processes.wait_until(lambda: not process.is_running(), 60)
    assert processes.last_line(log) == message
    assert process.exit_code == 1


def test_a_tied_process_ends_with_its_parent_and_another_does_not(tmp_path: Path):
    code = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from rehearsal import processes
started = [processes.start(["sleep", "600"], Path({str(tmp_path / "log")!r}), die_with_parent=tied) for tied in (True, False)]
print(*(f"{{process.pid}} {{process.started}}" for process in started), sep="\\n", flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        tied, free = (Process(int(pid), started) for pid, started in (parent.stdout.readline().split() for _ in range(2)))
        # The tie holds once the wrapper has become the program.
        assert processes.wait_until(lambda: b"sleep" in Path(f"/proc/{tied.pid}/cmdline").read_bytes().split(b"\0")[0], 60)
        assert tied.is_running()
        parent.kill()
    assert processes.wait_until(lambda: not tied.is_running(), 60)
    assert free.is_running()
    assert free.stop()


def test_a_session_is_killed_with_what_it_started(tmp_path: Path):
    process = python(PARENT, tmp_path / "log")
    child = int(printed(tmp_path / "log"))
    assert processes.start_time(child) is not None
    process.kill_session()
    assert processes.wait_until(lambda: processes.start_time(child) is None, 60)


def test_free_ports_are_different_and_nothing_listens_there():
    ports = processes.free_ports(20)
    assert len(set(ports)) == 20
    assert all(processes.port_is_free(port, also_lingering=True) for port in ports)


def test_a_port_in_use_is_waited_for_and_named():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert not processes.port_is_free(port)
        with pytest.raises(RehearsalError, match=rf"port {port} is still in use 0\.1 s after its server was stopped"):
            processes.wait_for_free_ports([port], seconds=0.1)
    processes.wait_for_free_ports([port], seconds=5)


def test_a_directory_is_held_by_one_run_at_a_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    code = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from rehearsal import processes
with processes.locked(Path({str(tmp_path)!r})):
    print("held", flush=True)
    time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        refused = pytest.raises(RehearsalError, match=r"is held by another run, for more than 0\.2 s")
        with refused, processes.locked(tmp_path, seconds=0.2, waiting="somebody else is at it"):
            pass
        other.kill()
    assert "somebody else is at it" in capsys.readouterr().err
    with processes.locked(tmp_path, seconds=5):
        pass  # a killed run holds nothing


def test_files_trees_and_nothing_can_be_removed(tmp_path: Path):
    (tmp_path / "tree" / "below").mkdir(parents=True)
    (tmp_path / "file").touch()
    for name in ("tree", "file", "nothing"):
        processes.remove(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_the_last_line_of_a_log_skips_empty_ones(tmp_path: Path):
    (tmp_path / "log").write_text("first\n  the reason \n\n")
    assert processes.last_line(tmp_path / "log") == "the reason"
    assert processes.last_line(tmp_path / "missing") == "no output"
