"""Addresses inside Grafana: dashboards by uid, and queries in Explore that stand in the address themselves."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

from components.topology import Topology

MESH, SERVICE, WORKLOAD, CONTROL_PLANE, PIPELINE, OBJECTIVES = (
    f"istio-stack-{name}" for name in ("mesh", "service", "workload", "control-plane", "pipeline", "objectives")
)
"""The uids of our dashboards: their addresses, so they never change."""
_VARIABLE = re.compile(r"\$\{[^}]*\}")
LAST_HOUR = ("now-1h", "now")
SAME_TIME = ("${__from}", "${__to}")


def dashboard(uid: str, **variables: str) -> str:
    """Path of a dashboard with some of its variables set."""
    query = "&".join(f"var-{name}={value}" for name, value in variables.items())
    return f"/d/{uid}" + (f"?{query}" if query else "")


def explore(topology: Topology, uid: str, query: dict[str, Any], time: tuple[str, str] = LAST_HOUR) -> str:
    """Path of Explore with one query on one datasource. KeyError where there is no such datasource."""
    source = topology.datasource(uid)
    start, end = time
    pane = {
        "datasource": source.uid,
        "queries": [{"refId": "A", "datasource": {"type": source.type, "uid": source.uid}, **query}],
        "range": {"from": start, "to": end},
    }
    text = json.dumps({"a": pane}, separators=(",", ":"))
    # Grafana fills its variables in before it decodes the address, so they must stand there as they are
    variables = _VARIABLE.findall(text)
    encoded = quote(_VARIABLE.sub("VARIABLE", text), safe="")
    for variable in variables:
        encoded = encoded.replace("VARIABLE", variable, 1)
    return f"/explore?schemaVersion=1&orgId=1&panes={encoded}"


def traces(topology: Topology, service: str | None = None, time: tuple[str, str] = LAST_HOUR) -> str:
    """Traces of a service, or all of them."""
    query = f'{{resource.service.name="{service}"}}' if service else "{}"
    return explore(topology, "tempo", {"queryType": "traceql", "query": query, "limit": 50, "tableType": "traces"}, time)


def logs(topology: Topology, service: str | None = None, time: tuple[str, str] = LAST_HOUR) -> str:
    """Logs of a service, or all of them."""
    expr = f'{{service_name="{service}"}}' if service else '{service_name=~".+"}'
    return explore(topology, "loki", {"queryType": "range", "expr": expr}, time)


def outputs(topology: Topology) -> dict[str, str]:
    """Addresses worth knowing, by the name of the stack's output."""
    grafana = topology.grafana_url
    paths = {
        "meshDashboardUrl": dashboard(MESH),
        "sloDashboardUrl": dashboard(OBJECTIVES),
        "tracesUrl": traces(topology),
        "logsUrl": logs(topology),
    }
    return {"grafanaUrl": grafana, **{name: grafana + path for name, path in paths.items()}}
