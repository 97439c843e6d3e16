"""Processes of the rehearsal: started with a log, known by pid and start time, stopped by pid, free loopback ports."""

import contextlib
import ctypes
import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rehearsal import console
from rehearsal.errors import RehearsalError

# Below the kernel's range for outgoing connections, so that no client takes the port of a server that restarts.
PORTS = range(16000, 30000)
START_SECONDS = 240.0
"""How long a program may take until it serves. Most take two seconds; where a compiler keeps all cores busy, more than a minute."""
SAY_EVERY_SECONDS = 30.0
_PR_SET_PDEATHSIG = 1
# A wrapper of its own, as code between fork and exec is unsafe in a program with threads (the engine's gRPC has some).
_WRAPPER = "import sys; from rehearsal.processes import exec_tied; exec_tied(int(sys.argv[1]), sys.argv[2:])"
# Popen objects of our own children: they have to be reaped by us, or they stay as zombies.
_children: dict[int, "subprocess.Popen[bytes]"] = {}


@dataclass(frozen=True)
class Process:
    """A process by pid and start time: a pid alone may belong to another process by now."""

    pid: int
    started: str

    def is_running(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        running = start_time(self.pid) == self.started
        if not running and self.pid in _children:
            _children[self.pid].wait()
        return running

    @property
    def exit_code(self) -> int | None:
        """How it ended, if it is a child of ours and has ended."""
        return _children[self.pid].returncode if self.pid in _children else None

    def kill_session(self) -> None:
        """Kills it and what it started in its session, if it still runs; for what has nothing to put in order."""
        if self.is_running():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._gone_within(10)

    def stop(self, grace_seconds: float = 5.0) -> bool:
        """Terminates it, kills it after the grace (at once when that is 0), and waits until it is gone (10 s at most).

        Whether it still ran.
        """
        if grace_seconds and self._signal(signal.SIGTERM) and self._gone_within(grace_seconds):
            return True
        if not self._signal(signal.SIGKILL):
            return False
        if not self._gone_within(10):
            raise RehearsalError(f"process {self.pid} does not end, though it was killed")
        return True

    def _signal(self, number: signal.Signals) -> bool:
        if not self.is_running():
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
        return True

    def _gone_within(self, seconds: float) -> bool:
        return wait_until(lambda: not self.is_running(), seconds)


def wait_until(condition, seconds: float, every: float = 0.02) -> bool:
    """Polls until the condition holds; False when it did not within so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(every)
    return True


def serves(what: str, process: Process, ready: Callable[[], bool], every: float = 0.05) -> bool:
    """Waits until a program that was just started serves, and says so where it takes long; False where it has ended or does not come."""
    began = said = time.monotonic()
    while not ready():
        now = time.monotonic()
        if not process.is_running() or now - began >= START_SECONDS:
            return False
        if now - said >= SAY_EVERY_SECONDS:
            said = now
            console.note(f"{what} does not serve yet, {now - began:.0f} s after its start")
        time.sleep(every)
    return process.is_running()  # or another program has its port


def start_time(pid: int) -> str | None:
    """When the process of this pid started, as text to compare; None if there is none (or only its zombie)."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None if Path("/proc/self/stat").exists() else _start_time_by_ps(pid)
    if state in "ZX":
        return None
    boot = Path("/proc/sys/kernel/random/boot_id")
    return f"{fields[18]}@{boot.read_text().strip() if boot.exists() else ''}"


def _start_time_by_ps(pid: int) -> str | None:
    """The same where there is no /proc (macOS)."""
    answer = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout.strip()
    return answer.partition(" ")[2].strip() if answer and not answer.startswith("Z") else None


def start(
    command: Sequence[str | Path],
    log: Path,
    *,
    die_with_parent: bool = False,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Process:
    """Starts a command in a session of its own, its output appended to the log.

    With `die_with_parent` the kernel kills it when the calling *thread* ends (Linux only): call from the main thread.
    """
    words = [str(word) for word in command]
    if die_with_parent and sys.platform == "linux":
        root = str(Path(__file__).parent.parent)
        env = dict(env if env is not None else os.environ)
        words = [sys.executable, "-c", f"import sys; sys.path.insert(0, {root!r}); {_WRAPPER}", str(os.getpid()), *words]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        try:
            child = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, cwd=cwd, start_new_session=True
            )
        except OSError as error:
            raise RehearsalError(f"{words[0]} does not start: {error.strerror}") from None
    started = start_time(child.pid)
    _children[child.pid] = child
    return Process(child.pid, started or "ended at once")


def exec_tied(parent: int, command: Sequence[str]) -> None:
    """Becomes the command, to be killed when the parent ends: the other half of `start(die_with_parent=True)`."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        return
    try:
        os.execvp(command[0], list(command))
    except OSError as error:
        sys.exit(f"{command[0]} does not start: {error.strerror}")


def with_argument(text: str, programs: Sequence[str]) -> list[Process]:
    """The processes of these programs with an argument that contains the text; none where there is no /proc (macOS)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            program, *arguments = entry.read_text(errors="replace").split("\0")
            started = start_time(int(entry.parent.name))
            if Path(program).name in programs and any(text in argument for argument in arguments) and started:
                found.append(Process(int(entry.parent.name), started))
    return found


def free_ports(count: int) -> list[int]:
    """So many different loopback ports that nothing listens on now."""
    found: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        if len(found) == count:
            return found
        if port_is_free(port, also_lingering=True):
            found.append(port)
    raise RehearsalError(f"no free loopback port between {PORTS.start} and {PORTS.stop - 1}")


def port_is_free(port: int, also_lingering: bool = False) -> bool:
    """Whether a server can listen there; connections that linger after a close count as taken only on request."""
    with socket.socket() as probe:
        if not also_lingering:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_for_free_ports(ports: Sequence[int], seconds: float = 10.0) -> None:
    """Waits until nothing listens on the ports any more."""
    for port in ports:
        if not wait_until(lambda port=port: port_is_free(port), seconds):
            raise RehearsalError(f"port {port} is still in use {seconds:g} s after its server was stopped")


@contextlib.contextmanager
def locked(directory: Path, seconds: float = 120.0, waiting: str = "") -> Iterator[None]:
    """Holds the directory for this process alone, so that two runs do not build or start the same thing at once.

    Waits so many seconds for another run to let go of it; `waiting` is said before.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(directory, os.O_RDONLY)
    except OSError as error:
        raise RehearsalError(f"{directory} cannot be used as a folder: {error.strerror}") from None
    try:
        if waiting and not _try_lock(handle):
            console.note(waiting)
        if not wait_until(lambda: _try_lock(handle), seconds, every=0.1):
            raise RehearsalError(f"{directory} is held by another run, for more than {seconds:g} s")
        yield
    finally:
        os.close(handle)


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def remove(path: Path) -> None:
    """Removes a file or a tree, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def last_line(log: Path) -> str:
    """The last line of a log that says something, for an error message."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "no output")[:400]
