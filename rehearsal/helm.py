"""The real Helm, asked about single releases and told to undo half-done work."""

import json
import subprocess
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rehearsal.errors import RehearsalError

_SECONDS = 120


@dataclass(frozen=True)
class HelmRelease:
    """A release as Helm records it."""

    status: str
    """deployed, failed, pending-install, pending-upgrade, pending-rollback or uninstalling."""
    first_deployed: datetime


class Helm:
    """Helm on one cluster."""

    def __init__(self, binary: Path, kubeconfig: str | None, context: str) -> None:
        self._command = [str(binary), "--kube-context", context, *(("--kubeconfig", kubeconfig) if kubeconfig else ())]

    def status(self, namespace: str, name: str) -> HelmRelease | None:
        """What Helm knows of a release; None if it knows none."""
        answer = self._run("status", name, "--namespace", namespace, "--output", "json")
        if answer.returncode and "not found" in answer.stderr:
            return None
        if answer.returncode:
            raise RehearsalError(f"helm status {namespace}/{name}: {_short(answer.stderr)}")
        info = json.loads(answer.stdout)["info"]
        return HelmRelease(info["status"], datetime.fromisoformat(info["first_deployed"]))

    def uninstall(self, namespace: str, name: str) -> None:
        """Removes a release with its objects, whatever state it is in."""
        arguments = ("uninstall", name, "--namespace", namespace, "--ignore-not-found", "--wait", "--timeout", "60s")
        answer = self._run(*arguments)
        if answer.returncode:
            # A hook of a release that was never whole may have nothing to work on.
            answer = self._run(*arguments, "--no-hooks")
        if answer.returncode:
            raise RehearsalError(f"release {namespace}/{name} is half done and Helm cannot remove it: {_short(answer.stderr)}")

    def roll_back(self, namespace: str, name: str) -> None:
        """Takes a release back to the last revision that was whole."""
        answer = self._run("rollback", name, "--namespace", namespace, "--cleanup-on-fail", "--timeout", "60s")
        if answer.returncode:
            raise RehearsalError(f"release {namespace}/{name} is half upgraded and Helm cannot roll it back: {_short(answer.stderr)}")

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run([*self._command, *arguments], capture_output=True, text=True, timeout=_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise RehearsalError(f"helm {arguments[0]} {arguments[1]} does not end within {_SECONDS} s") from None


def _short(text: str) -> str:
    return " ".join(text.split())[:300]
