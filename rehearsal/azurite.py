"""Azurite as a local process: Azure Blob for rehearsals and tests, on a free loopback port."""

import contextlib
import http.client
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from rehearsal import processes, tools
from rehearsal.errors import RehearsalError
from rehearsal.processes import Process

ACCOUNT = "devstoreaccount1"
# The development key that Azurite's and Azure's documentation publish: no secret.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_ATTEMPTS = 3


class Azurite:
    """A running Azurite; leaving it as a context manager stops it."""

    def __init__(self, process: Process, port: int) -> None:
        self.process = process
        self.port = port

    @classmethod
    def start(
        cls,
        directory: Path,
        *,
        in_memory: bool = True,
        die_with_parent: bool = False,
        accounts: Mapping[str, Sequence[str]] | None = None,
    ) -> "Azurite":
        """Starts Azurite with its log, and its blobs unless they stay in memory, in the directory; returns when it answers.

        `accounts` are served beside its own: names, each with one or two keys in base64. Azurite learns of no account later.
        """
        found = tools.ensure("node", "azurite")
        directory.mkdir(parents=True, exist_ok=True)
        log = directory / "azurite.log"
        served = {ACCOUNT: (KEY,), **(accounts or {})}
        environment = {**os.environ, "AZURITE_ACCOUNTS": ";".join(":".join([name, *keys]) for name, keys in served.items())}
        for _ in range(_ATTEMPTS):
            [port] = processes.free_ports(1)
            command = [
                *(found["node"], found["azurite"]),
                *("--blobHost", "127.0.0.1", "--blobPort", str(port)),
                *("--skipApiVersionCheck", "--loose", "--silent", "--disableTelemetry"),
                *(["--inMemoryPersistence"] if in_memory else ["--location", directory]),
            ]
            azurite = cls(processes.start(command, log, die_with_parent=die_with_parent, env=environment, cwd=directory), port)
            if processes.serves("Azurite", azurite.process, azurite._answers):
                return azurite
            azurite.process.stop()
            # Another program may have taken the port between our look and Azurite's bind: only then once more.
            if processes.port_is_free(port):
                break
        raise RehearsalError(f"Azurite does not start: {processes.last_line(log)} (log: {log})")

    @property
    def address(self) -> str:
        """Where it is, for whatever account."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def endpoint(self) -> str:
        """The blob endpoint of its own account, without a slash at its end."""
        return f"{self.address}/{ACCOUNT}"

    @property
    def connection_string(self) -> str:
        """What Azure's clients take."""
        return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={self.endpoint};"

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def serves(self) -> bool:
        """Whether it runs and answers."""
        return self.process.is_running() and self._answers()

    def stop(self) -> None:
        """Ends it and waits until its port is free; nothing if it has ended."""
        self.process.stop()
        processes.wait_for_free_ports([self.port])

    def __enter__(self) -> "Azurite":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.closing(connection):
            try:
                connection.request("GET", f"/{ACCOUNT}?comp=list")
                return connection.getresponse().getheader("Server", "").startswith("Azurite")
            except (OSError, http.client.HTTPException):
                return False
