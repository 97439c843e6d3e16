"""The one table between the cluster and this machine: which address of the plan is which loopback port, and what has no place here."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.topology import Service, Topology
from rehearsal import processes

ANYWHERE = "0.0.0.0"
NO_API_SERVER = "no API server runs here: whose record it is, the collector learns from the record alone"
NOT_HERE = {"k8s_attributes": NO_API_SERVER, "k8sattributes": NO_API_SERVER}
"""Components of a collector that cannot run on this machine, by type, with the reason."""


@dataclass(frozen=True)
class Row:
    """One address of the cluster, and the one that stands for it."""

    cluster: str
    """host:port."""
    local: str
    note: str = ""


class Ports:
    """Loopback ports that stay ours until they are let go, whether a server of ours listens there or not.

    A socket that is bound and does not listen keeps everybody away who looks for a free port; a server that sets SO_REUSEADDR, as each
    of ours does, may listen there all the same.
    """

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def take(self, count: int) -> list[int]:
        """So many ports. Raises RehearsalError where there are none."""
        taken: list[int] = []
        while len(taken) < count:
            for port in processes.free_ports(count - len(taken)):
                held = socket.socket()
                held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    held.bind(("127.0.0.1", port))
                except OSError:  # somebody was faster
                    held.close()
                else:
                    self._held.append(held)
                    taken.append(port)
        return taken

    def let_go(self) -> None:
        """Frees them all."""
        while self._held:
            self._held.pop().close()


class Table:
    """Addresses of the cluster and of this machine, and the way from the first to the second."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows

    @classmethod
    def plan(cls, topology: Topology, ports: Ports, inner: str = "sidecar") -> Table:
        """The table of a stack; `inner` is the proxy before the sample."""
        gateway, sample = topology.gateway, topology.sample
        wanted: list[tuple[str, str]] = [
            (gateway.authority, "Envoy"),
            (sample.authority, f"Envoy as the {inner}, and the application behind it"),
            (topology.otlp_grpc.authority, ""),
            (topology.otlp_http.authority, ""),
            *([(topology.tail_otlp.authority, "one collector that decides which traces are kept")] if topology.tail_otlp else []),
            (topology.tempo_otlp.authority, ""),
            (topology.tempo.authority, ""),
            (topology.loki.authority, "Loki itself, without the nginx before it"),
            (topology.prometheus.authority, ""),
        ]
        taken = ports.take(len(wanted))
        return cls([Row(cluster, f"127.0.0.1:{port}", note) for (cluster, note), port in zip(wanted, taken, strict=True)])

    def port(self, service: Service) -> int:
        """The port of this machine that stands for a Service."""
        return int(self._local(service.authority).rpartition(":")[2])

    def url(self, service: Service) -> str:
        """The URL of this machine that stands for a Service."""
        return f"http://{self._local(service.authority)}"

    def here(self, data: Any) -> Any:
        """The same data with each address of the cluster replaced, wherever it stands in a text."""
        if isinstance(data, Mapping):
            if {"hostname", "port"} <= data.keys():  # an address in two parts, as a resolver takes it
                host, _, port = self._text(f"{data['hostname']}:{data['port']}").rpartition(":")
                return {**data, "hostname": host, "port": port}
            return {key: self.here(value) for key, value in data.items()}
        if isinstance(data, list | tuple):
            return [self.here(value) for value in data]
        return self._text(data) if isinstance(data, str) else data

    def _local(self, cluster: str) -> str:
        return {row.cluster: row.local for row in self.rows}[cluster]

    def _text(self, text: str) -> str:
        for row in self.rows:
            host, _, port = row.cluster.rpartition(":")
            shown = f"{re.escape(host)}:{port}" if port != "80" else rf"{re.escape(host)}(?::80)?"
            text = re.sub(rf"{shown}(?![\w.:-])", row.local, text)
        return text


def listening(config: dict[str, Any], ports: Mapping[int, int]) -> dict[str, Any]:
    """A collector's configuration with its listeners (`0.0.0.0:<port>`) on loopback, at other ports."""

    def moved(data: Any) -> Any:
        if isinstance(data, Mapping):
            return {key: moved(value) for key, value in data.items()}
        if isinstance(data, list):
            return [moved(value) for value in data]
        match = re.fullmatch(rf"{re.escape(ANYWHERE)}:(\d+)", data) if isinstance(data, str) else None
        return f"127.0.0.1:{ports[int(match.group(1))]}" if match else data

    return moved(config)


def mounted(config: Any, folders: Mapping[str, Path]) -> Any:
    """A configuration with what a pod would have mounted read from folders of this machine."""
    if isinstance(config, Mapping):
        return {key: mounted(value, folders) for key, value in config.items()}
    if isinstance(config, list):
        return [mounted(value, folders) for value in config]
    for place, folder in folders.items():
        if isinstance(config, str) and config.startswith(f"{place}/"):
            return str(folder / config.removeprefix(f"{place}/"))
    return config


def listeners(config: Any) -> Iterator[int]:
    """Ports on which a collector's configuration listens."""
    for value in config.values() if isinstance(config, Mapping) else config if isinstance(config, list) else ():
        yield from listeners(value)
        if isinstance(value, str) and (match := re.fullmatch(rf"{re.escape(ANYWHERE)}:(\d+)", value)):
            yield int(match.group(1))


def without_what_cannot_run(config: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A collector's configuration without the processors of NOT_HERE, and a line on each that was taken out."""
    gone = {name: NOT_HERE[name.partition("/")[0]] for name in config.get("processors", {}) if name.partition("/")[0] in NOT_HERE}
    if not gone:
        return config, []
    processors = {name: value for name, value in config["processors"].items() if name not in gone}
    pipelines = {
        name: {**pipeline, "processors": [p for p in pipeline.get("processors", []) if p not in gone]}
        for name, pipeline in config["service"]["pipelines"].items()
    }
    said = [f"{name}: {reason}" for name, reason in gone.items()]
    return {**config, "processors": processors, "service": {**config["service"], "pipelines": pipelines}}, said
