"""Runs the real Helm: values on its standard input, ended with us and by a cancel."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rehearsal.doubles.kubernetes.config import Settings
from rehearsal.doubles.kubernetes.errors import Refusal

# The kernel kills Helm when the thread that waits for it ends, so with the double. Code between fork and exec is unsafe beside threads,
# so an interpreter without site packages does it and becomes Helm.
_TIED = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""
# Helm asks the API server anew with each run, so what it would keep of the answers is of no use to the next.
_NO_CACHE = f"{os.devnull}/none"
# Helm lives for a moment and many run at once: collecting their garbage early is a quarter of what they cost.
_GARBAGE = "400"
_KUBE_LIMITS = ("--qps", "500", "--burst-limit", "1000")


class HelmFailed(Exception):
    """Helm ended with an error; the message is Helm's."""


class Helm:
    """The Helm binary on the configured cluster."""

    def __init__(self, settings: Settings, cancelled: threading.Event) -> None:
        self._cancelled = cancelled
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._connection = self._connection_words(settings)
        self._environment = {**os.environ, "HELM_DRIVER": "secret", "HELM_DEBUG": "false", "KUBECACHEDIR": _NO_CACHE, "GOGC": _GARBAGE}

    def close(self) -> None:
        """Removes what was written for Helm."""
        if self._folder is not None:
            self._folder.cleanup()

    def _connection_words(self, settings: Settings) -> tuple[str, ...]:
        words: list[str] = []
        given = settings.kubeconfig
        if given:
            path = Path(given).expanduser() if "\n" not in given and len(given) < 4096 else None
            words += ["--kubeconfig", str(path if path is not None and path.is_file() else self._written(given))]
        if settings.context:
            words += ["--kube-context", settings.context]
        return tuple(words)

    def _written(self, kubeconfig: str) -> Path:
        """A file of ours alone with the text."""
        self._folder = tempfile.TemporaryDirectory(prefix="kubernetes-double-")
        path = Path(self._folder.name) / "kubeconfig"
        path.touch(mode=0o600)
        path.write_text(kubeconfig)
        return path

    def run(self, words: Sequence[str], values: dict[str, Any] | None = None, *, on_cluster: bool = True) -> str:
        """Runs Helm and returns what it prints; HelmFailed with its message when it ends with an error.

        A cancel ends it as a user's interrupt does: Helm cleans up after itself where it was told to.
        """
        command = [_binary(), *words, *(self._connection if on_cluster else ()), *(_KUBE_LIMITS if on_cluster else ())]
        if sys.platform == "linux":
            command = [sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), *command]
        text = None if values is None else json.dumps(values).encode()
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL if text is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment,
            start_new_session=True,
        ) as process:
            watcher = threading.Thread(target=self._end_when_cancelled, args=(process,), daemon=True)
            watcher.start()
            output, errors = process.communicate(text)
        if process.returncode:
            raise HelmFailed(_message(errors.decode(errors="replace")) or f"helm ended with code {process.returncode}")
        return output.decode(errors="replace")

    def _end_when_cancelled(self, process: "subprocess.Popen[bytes]") -> None:
        while process.poll() is None:
            if self._cancelled.wait(0.5):
                process.terminate()
                return


def _binary() -> str:
    named = os.environ.get("REHEARSAL_HELM", "")
    found = named if named and Path(named).is_file() else None if named else shutil.which("helm")
    if found is None:
        raise Refusal(f"REHEARSAL_HELM names no file: {named}" if named else "helm is not on PATH, and REHEARSAL_HELM names none")
    return str(Path(found).absolute())


def _message(errors: str) -> str:
    """Helm's own message, without the words that its command line puts before it."""
    _, marker, message = ("\n" + errors).partition("\nError: ")
    text = message if marker else errors
    for prefix in ("INSTALLATION FAILED: ", "UPGRADE FAILED: "):
        text = text.removeprefix(prefix)
    return text.strip()
