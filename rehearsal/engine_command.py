"""The engine as a process: with a clean environment, tied to us, interrupted gently, its output in a log."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pulumi.automation import CommandResult, PulumiCommand
from pulumi.automation.errors import create_command_error
from semver import VersionInfo

from rehearsal import console

GRACE_SECONDS = 30.0
"""How long an interrupted engine may finish what it began, before it is killed."""
_OWN_VARIABLES = ("PULUMI_K8S_",)
"""Variables of the plugin, which pass; others of Pulumi's belong to the user's own stacks."""


class Command(PulumiCommand):
    """The engine as a process of our own: with a clean environment, tied to us, interrupted gently, its output in a log."""

    def __init__(self, binary: Path, search_path: list[Path], environment: Mapping[str, str], logs: Path) -> None:
        # Deliberately not the parent's constructor: it starts the engine once more, only to ask for the version we asked for.
        self.command = str(binary)
        self.version = VersionInfo.parse(version("pulumi"))
        self._search_path = [*search_path, binary.parent]
        self._environment = environment
        self._logs = logs
        self._log: Path | None = None
        self._process: subprocess.Popen[str] | None = None
        self.killed_by = 0
        """The signal that ended the last command, 0 if none did."""

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process and process.poll() is None else None

    @contextlib.contextmanager
    def logged(self, name: str) -> Iterator[None]:
        """Inside, the output of this one command goes to a log of its name: others may print secrets."""
        self._logs.mkdir(parents=True, exist_ok=True)
        self._log = self._logs / f"{name}.log"
        self._log.write_text("")
        try:
            yield
        finally:
            self._log = None

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: Callable[[str], Any] | None = None,
        on_error: Callable[[str], Any] | None = None,
        said_to_it: str = "",
    ) -> CommandResult:
        """Runs the engine; CommandError when it fails, and it is gone when this returns, whatever happens.

        What is `said_to_it` goes to its standard input: arguments are there for everybody to see.
        """
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PULUMI_") or key.startswith(_OWN_VARIABLES)}
        environment["PATH"] = os.pathsep.join([*map(str, self._search_path), environment.get("PATH", "")])
        environment |= {**self._environment, **additional_env, "PULUMI_AUTOMATION_API": "true"}
        command = [*_tied(), self.command, "--non-interactive", *args]
        said: dict[str, list[str]] = {"stdout": [], "stderr": []}
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd, env=environment, encoding="utf-8",
            errors="replace", start_new_session=True,
        )  # fmt: skip
        self._process = process
        log = self._log if self._log and self._log.stem == args[0] else None
        readers = [
            threading.Thread(target=_read, args=(process.stdout, said["stdout"], on_output, log), daemon=True),
            threading.Thread(target=_read, args=(process.stderr, said["stderr"], on_error, log), daemon=True),
        ]
        for reader in readers:
            reader.start()
        try:
            assert process.stdin, "opened above"
            with contextlib.suppress(BrokenPipeError), process.stdin:
                process.stdin.write(said_to_it)
            process.wait()
        except BaseException:
            _end(process)
            raise
        finally:
            for reader in readers:
                reader.join(5)
        self.killed_by = max(0, -process.returncode)
        result = CommandResult("\n".join(said["stdout"]), "\n".join(said["stderr"]), process.returncode)
        if result.code != 0:
            raise create_command_error(result)
        return result


def _read(stream: Any, lines: list[str], callback: Callable[[str], Any] | None, log: Path | None) -> None:
    with stream:
        for line in stream:
            lines.append(line.rstrip())
            if callback:
                callback(line.rstrip())
            if log:
                with log.open("a") as file:
                    file.write(line)


def _tied() -> list[str]:
    """What makes a command end when we do, so that no engine works on after its program died. Linux only."""
    if sys.platform != "linux":
        return []
    root = str(Path(__file__).parent.parent)
    tie = f"import sys; sys.path.insert(0, {root!r}); from rehearsal.processes import exec_tied; exec_tied(int(sys.argv[1]), sys.argv[2:])"
    return [sys.executable, "-c", tie, str(os.getpid())]


def _end(process: subprocess.Popen[str]) -> None:
    """Ends an engine that we no longer wait for: it may finish what it began, unless the user insists."""
    console.warning(f"interrupted: the engine finishes what it began, {GRACE_SECONDS:g} s at most (once more to kill it)")
    try:
        process.send_signal(signal.SIGINT)
        process.wait(GRACE_SECONDS)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
