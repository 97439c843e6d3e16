"""The way to a stack: URLs as given, kubectl's port-forwards for the others, Grafana's own datasources where it answers."""

from __future__ import annotations

import base64
import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components import grafana
from components.settings import Settings
from components.topology import Topology
from rehearsal.errors import RehearsalError
from verify import links
from verify.evidence import Places
from verify.kubectl import PASSWORD, TOKEN, Kubectl
from verify.stores import Endpoint, NoAnswer

STORES = ("tempo", "loki", "prometheus")


@dataclass(frozen=True)
class Given:
    """What the caller says of a stack; all that is not said is forwarded by kubectl."""

    gateway: str | None = None
    tempo: str | None = None
    loki: str | None = None
    prometheus: str | None = None
    grafana: str | None = None
    context: str | None = None
    """Context of the kubeconfig; None means the current one."""
    without_grafana: bool = False


@contextlib.contextmanager
def reached(settings: Settings, topology: Topology, given: Given, absent: Mapping[str, str]) -> Iterator[Places]:
    """The places of a stack, reachable until the block ends. Raises RehearsalError where one of them cannot be reached."""
    services = {name: getattr(topology, name) for name in ("gateway", *STORES)}
    with contextlib.ExitStack() as open_ways, tempfile.TemporaryDirectory() as folder:
        kubectl = Kubectl(given.context, Path(folder))
        urls = {name: getattr(given, name) or open_ways.enter_context(kubectl.forward(service)) for name, service in services.items()}
        way_in = _grafana(settings, topology, given, kubectl, open_ways)
        by_url = {services[name].url: urls[name] for name in STORES}

        def reach(source: Mapping[str, Any]) -> Endpoint:
            if way_in is not None:
                return Endpoint(f"{way_in.url}/api/datasources/proxy/uid/{source['uid']}", way_in.headers)
            if source["url"] not in by_url:
                raise NoAnswer(f"{source['url']} is no address of the plan")
            return Endpoint(by_url[source["url"]])

        if way_in is None:
            sources = links.provisioned(grafana.datasources(topology))
        else:
            try:
                sources = way_in.get("/api/datasources")
            except NoAnswer as error:
                raise RehearsalError(f"Grafana does not list its datasources: {error}; set {TOKEN} or {PASSWORD}") from None
        yield Places(
            gateway=urls["gateway"].rstrip("/"),
            tempo=Endpoint(urls["tempo"]), loki=Endpoint(urls["loki"]), prometheus=Endpoint(urls["prometheus"]),
            datasources=sources, reach=reach, grafana=way_in, absent=absent,
        )  # fmt: skip


def _grafana(settings: Settings, topology: Topology, given: Given, kubectl: Kubectl, ways: contextlib.ExitStack) -> Endpoint | None:
    """Grafana with a way in; None where the caller wants to do without, or gave the stores' URLs and not Grafana's."""
    if given.without_grafana or (given.grafana is None and all(getattr(given, name) for name in STORES)):
        return None
    url = given.grafana or ways.enter_context(kubectl.forward(topology.grafana))
    token = os.environ.get(TOKEN)
    if token:
        return Endpoint(url.rstrip("/"), {"Authorization": f"Bearer {token}"})
    admin = topology.grafana_admin
    password = os.environ.get(PASSWORD) or kubectl.secret(admin.namespace, admin.name, admin.key)
    pair = base64.b64encode(f"{settings.grafana.admin_user}:{password}".encode()).decode()
    return Endpoint(url.rstrip("/"), {"Authorization": f"Basic {pair}"})
