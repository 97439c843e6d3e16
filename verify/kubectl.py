"""kubectl, where a stack is reached through its cluster: forwarded ports, and the Secret that holds a way in."""

from __future__ import annotations

import base64
import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from components.topology import Service
from rehearsal import processes
from rehearsal.errors import RehearsalError

FORWARD_SECONDS = 15.0
TOKEN, PASSWORD = "GRAFANA_TOKEN", "GRAFANA_PASSWORD"
"""Variables with the way into Grafana: a token of a service account, or the admin's password."""


class Kubectl:
    """kubectl on one context; looked for when it is needed first."""

    def __init__(self, context: str | None, folder: Path) -> None:
        self._context, self._folder = context, folder

    def _command(self, wanted: str, *arguments: str) -> list[str]:
        found = shutil.which("kubectl")
        if found is None:
            raise RehearsalError(f"{wanted} cannot be reached: there is no kubectl on PATH; give its URL")
        return [found, *(["--context", self._context] if self._context else []), *arguments]

    @contextlib.contextmanager
    def forward(self, service: Service, port: int | None = None) -> Iterator[str]:
        """A loopback URL that leads to a Service until the block ends, on a port of the caller's or any free one. RehearsalError."""
        port = port or processes.free_ports(1)[0]
        where = f"service {service.namespace}/{service.name}"
        log = self._folder / f"{service.name}-{port}.log"
        arguments = ("port-forward", "--address", "127.0.0.1", "--namespace", service.namespace, f"service/{service.name}")
        process = processes.start(self._command(where, *arguments, f"{port}:{service.port}"), log, die_with_parent=True)
        try:
            processes.wait_until(lambda: "Forwarding from" in log.read_text() or not process.is_running(), FORWARD_SECONDS, every=0.1)
            if not process.is_running() or "Forwarding from" not in log.read_text():
                raise RehearsalError(
                    f"{where} cannot be forwarded: {processes.last_line(log)}; give its URL, or name another CONTEXT "
                    "(on a rehearsal cluster nothing runs: `make signals`)"
                )
            yield f"http://127.0.0.1:{port}"
        finally:
            process.stop()

    def secret(self, namespace: str, name: str, key: str) -> str:
        """A value of a Secret."""
        path = "{.data." + key.replace(".", "\\.") + "}"
        command = self._command(f"Secret {namespace}/{name}", "--namespace", namespace, "get", "secret", name, "-o", f"jsonpath={path}")
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=FORWARD_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise RehearsalError(
                f"Secret {namespace}/{name} cannot be read within {FORWARD_SECONDS:g} s; set {TOKEN} or {PASSWORD}"
            ) from None
        if done.returncode or not done.stdout:
            raise RehearsalError(f"Secret {namespace}/{name} cannot be read ({done.stderr.strip()[:200]}); set {TOKEN} or {PASSWORD}")
        return base64.b64decode(done.stdout).decode()
