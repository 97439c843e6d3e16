"""The signal graph's vocabulary: who takes what where, who sends what where, who looks at what, and what each needs for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from components.addresses import CLUSTER_DOMAIN, SecretKey, ServiceAccount

_SERVICE = re.compile(rf"([a-z0-9-]+)\.([a-z0-9-]+)(\.svc(\.{re.escape(CLUSTER_DOMAIN)})?)?")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a client says it connects to. `<name>.<namespace>` for a Service, however long its host is written."""

    host: str
    port: int
    path: str = ""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}{self.path}"


def address(text: str, port: int | None = None) -> Address:
    """The address of a URL, an authority (host:port), or a host and a port. ValueError where no port is said or implied."""
    parts = urlsplit(text if "://" in text else f"//{text}")
    found = port or parts.port or _PORTS.get(parts.scheme)
    if not parts.hostname or not found:
        raise ValueError(f"{text} is not an address with a port")
    service = _SERVICE.fullmatch(parts.hostname)
    return Address(f"{service[1]}.{service[2]}" if service else parts.hostname, found, parts.path.rstrip("/"))


class Defect(str):
    """What is wrong with the configuration of signals, in one line that names where it is said, its value and the rule."""


@dataclass(frozen=True, slots=True)
class Node:
    """Who makes, carries, keeps or shows signals."""

    name: str
    title: str
    column: int
    """How far from the producers it stands in a drawing, 0 for these."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A port at which a node takes one protocol."""

    node: str
    address: Address
    protocol: str


@dataclass(frozen=True, slots=True)
class Edge:
    """One signal on its way from a node to an address; `said` is where the configuration says so."""

    signal: str
    source: str
    to: str
    protocol: str
    said: str
    label: str = ""
    """Tenant, datasource uid or whatever else the receiver goes by."""


@dataclass(frozen=True, slots=True)
class Monitor:
    """What Prometheus is told to scrape."""

    kind: str
    name: str
    namespace: str
    labels: tuple[tuple[str, str], ...]
    target: str
    port: str
    said: str


@dataclass(frozen=True, slots=True)
class Selector:
    """Which monitors of one kind a Prometheus looks at: by their labels, and by those of their namespaces; without any, all."""

    kind: str
    labels: tuple[tuple[str, str], ...]
    namespaces: tuple[tuple[str, str], ...]
    said: str


@dataclass(frozen=True, slots=True)
class Link:
    """A click in Grafana from one signal to another."""

    name: str
    source: str
    to: str
    """uid of the datasource that it opens."""
    said: str
    shifts: tuple[str, str] | None = None
    """How much before a span and after it the other signal is looked for."""
    key: str = ""
    """The label by which the two are one: of an exemplar, or of a log."""
    query: str = ""


@dataclass(frozen=True, slots=True)
class Need:
    """A right without which a node gets nothing, or passes on nothing of use."""

    node: str
    account: ServiceAccount
    role: str
    on: str
    said: str


@dataclass(frozen=True, slots=True)
class KeyRead:
    """A key that a node's pods read from a Secret, and the placeholder by which its configuration refers to it."""

    node: str
    key: SecretKey
    variable: str
    placeholder: str
    said: str


@dataclass(frozen=True, slots=True)
class Exemplars:
    """One writer of exemplars, and the label under which it keeps the trace id."""

    writer: str
    label: str
    said: str
