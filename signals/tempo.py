"""A real Tempo, where somebody has its binary: the configuration that the program renders, moved to a folder and ports of this machine."""

from __future__ import annotations

import contextlib
import http.client
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from components.topology import STORE_KEY
from rehearsal import processes
from rehearsal.azurite import ACCOUNT
from rehearsal.errors import RehearsalError
from signals.loki import changed

KEY_PLACEHOLDER = f"${{{STORE_KEY}}}"
"""The account key, which Tempo takes from its environment."""


def on_this_machine(folder: Path, otlp_port: int, http_port: int, grpc_port: int, azurite: str) -> dict[str, Any]:
    """What differs for a process beside others instead of a pod: its folder, its ports on loopback, and this Azurite (host:port)."""
    return {
        "distributor.receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"127.0.0.1:{otlp_port}"}}}},
        "ingester.lifecycler.address": "127.0.0.1",
        "ingester.lifecycler.ring.kvstore.store": "inmemory",
        "ingester.lifecycler.ring.replication_factor": 1,
        "memberlist.bind_addr": ["127.0.0.1"],
        "memberlist.bind_port": 0,
        "metrics_generator.storage.path": str(folder / "generator"),
        "metrics_generator.traces_storage.path": str(folder / "generator-traces"),
        "overrides.per_tenant_override_config": str(folder / "overrides.yaml"),
        "server.grpc_listen_address": "127.0.0.1",
        "server.grpc_listen_port": grpc_port,
        "server.http_listen_address": "127.0.0.1",
        "server.http_listen_port": http_port,
        "storage.trace.azure.endpoint_suffix": azurite,
        "storage.trace.azure.storage_account_name": ACCOUNT,
        "storage.trace.azure.storage_account_key": KEY_PLACEHOLDER,
        "storage.trace.azure.use_federated_token": False,
        "storage.trace.local.path": str(folder / "traces"),
        "storage.trace.wal.path": str(folder / "wal"),
    }


@contextlib.contextmanager
def running(
    binary: Path, config: dict[str, Any], folder: Path, variables: Mapping[str, str], otlp_port: int, http_port: int, azurite: str
) -> Iterator[None]:
    """Tempo with a configuration, in a new folder, until the block ends. Raises RehearsalError where it does not become ready."""
    folder.mkdir()
    (folder / "overrides.yaml").write_text("overrides: {}\n")
    [grpc_port] = processes.free_ports(1)
    file, log = folder / "tempo.yaml", folder / "tempo.log"
    file.write_text(yaml.safe_dump(changed(config, on_this_machine(folder, otlp_port, http_port, grpc_port, azurite))))
    command = [binary, f"-config.file={file}", "-config.expand-env=true"]
    process = processes.start(command, log, die_with_parent=True, env={"PATH": os.environ["PATH"], **variables}, cwd=folder)
    try:
        if not processes.serves("Tempo", process, lambda: _is_ready(http_port), every=0.1):
            raise RehearsalError(f"Tempo ({binary}) is not ready: {processes.last_line(log)} (log: {log})")
        yield
    finally:
        process.stop(grace_seconds=20)
        processes.wait_for_free_ports([otlp_port, http_port])


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
