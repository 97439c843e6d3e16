"""A real Loki as a process: a configuration as Kubernetes would give it, moved to a folder and free ports of this machine."""

from __future__ import annotations

import contextlib
import copy
import http.client
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from rehearsal import processes, tools
from rehearsal.errors import RehearsalError
from rehearsal.processes import Process


def on_this_machine(folder: Path, http_port: int, grpc_port: int, gossip_port: int) -> dict[str, Any]:
    """What differs for a process beside others instead of a pod: its folder, its ports on loopback, and no wait for peers."""
    return {
        "common.path_prefix": str(folder),
        "common.compactor_grpc_address": f"127.0.0.1:{grpc_port}",
        "common.ring.instance_addr": "127.0.0.1",
        "common.ring.kvstore.store": "memberlist",  # what Loki takes by itself while nothing is said of the ring
        "compactor.working_directory": str(folder / "compactor"),
        "frontend.address": "127.0.0.1",
        "frontend.scheduler_dns_lookup_period": "1s",
        "frontend_worker.dns_lookup_duration": "1s",
        "ingester.lifecycler.min_ready_duration": "0s",
        "memberlist.advertise_addr": "127.0.0.1",
        "memberlist.advertise_port": gossip_port,
        "memberlist.bind_addr": ["127.0.0.1"],
        "memberlist.bind_port": gossip_port,
        "memberlist.join_members": [f"127.0.0.1:{gossip_port}"],
        "ruler.wal.dir": str(folder / "ruler-wal"),
        "runtime_config.file": str(folder / "runtime-config.yaml"),
        "server.grpc_listen_address": "127.0.0.1",
        "server.grpc_listen_port": grpc_port,
        "server.http_listen_address": "127.0.0.1",
        "server.http_listen_port": http_port,
        "storage_config.bloom_shipper.working_directory": str(folder / "bloomshipper"),
    }


def changed(config: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with other values at some paths."""
    result = copy.deepcopy(config)
    for path, value in changes.items():
        *sections, key = path.split(".")
        here = result
        for section in sections:
            here = here.setdefault(section, {})
        here[key] = value
    return result


ALONE = {
    "frontend.scheduler_address": "",
    "frontend_worker.scheduler_address": "",
    "common.replication_factor": 1,
    "chunk_store_config.chunk_cache_config": {},
    "query_range.results_cache.cache": {},
}
"""What differs where one process does what several were meant to: no other scheduler, no other replica, no memcached."""


def alone(config: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The configuration for one process that does everything, and a line on what that took, if anything."""
    changes = {path: value for path, value in ALONE.items() if _at(config, path) not in (None, value)}
    said = f"Loki is one process here, with other values of {', '.join(changes)}"
    return changed(config, changes), [said] if changes else []


def _at(config: Mapping[str, Any], path: str) -> Any:
    here: Any = config
    for key in path.split("."):
        here = here.get(key) if isinstance(here, Mapping) else None
    return here


@dataclass
class Loki:
    """A running Loki."""

    process: Process
    port: int
    log: Path

    def ask(self, method: str, path: str, body: Any = None, seconds: float = 10) -> tuple[int, str]:
        """Status and body of its answer; status 0 where it does not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        with contextlib.closing(connection):
            try:
                connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                return answer.status, answer.read().decode()
            except (OSError, http.client.HTTPException) as error:
                return 0, str(error)

    def is_ready(self) -> bool:
        return self.ask("GET", "/ready")[0] == 200

    def lines(self, query: str, at: int) -> list[str]:
        """The lines around a moment (in nanoseconds) that a query finds."""
        asked = urlencode({"query": query, "start": at - 10**9, "end": at + 10**9})
        status, body = self.ask("GET", f"/loki/api/v1/query_range?{asked}")
        if status != 200:
            raise RehearsalError(f"Loki answers {status} to {query}: {body[:300]}")
        return [line for stream in json.loads(body)["data"]["result"] for _, line in stream["values"]]


@contextlib.contextmanager
def running(config: dict[str, Any], folder: Path, variables: Mapping[str, str], port: int | None = None) -> Iterator[Loki]:
    """Loki with a configuration, in a new folder, until the block ends; then it is stopped as Kubernetes stops a pod.

    Raises RehearsalError where it does not become ready.
    """
    folder.mkdir()
    (folder / "runtime-config.yaml").write_text("{}")
    http_port, grpc_port, gossip_port = ports = [port, *processes.free_ports(2)] if port else processes.free_ports(3)
    file, log = folder / "config.yaml", folder / "loki.log"
    file.write_text(yaml.safe_dump(changed(config, on_this_machine(folder, http_port, grpc_port, gossip_port))))
    process = processes.start(
        [tools.ensure("loki")["loki"], f"-config.file={file}", "-config.expand-env=true", "-target=all"],
        log,
        die_with_parent=True,
        env={"PATH": os.environ["PATH"], **variables},
        cwd=folder,
    )
    found = Loki(process, http_port, log)
    try:
        if not processes.serves("Loki", process, found.is_ready, every=0.1):
            raise RehearsalError(
                f"Loki is not ready: {found.ask('GET', '/ready')[1].strip()[:200]}; {processes.last_line(log)} (log: {log})"
            )
        yield found
    finally:
        process.stop(grace_seconds=30)
        processes.wait_for_free_ports(ports)
