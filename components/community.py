"""Dashboards of grafana.com, as chart values: an init container downloads each at exactly one revision when Grafana's pod starts. Pure."""

from __future__ import annotations

import json
from hashlib import sha256
from itertools import groupby
from typing import Any

from components.presets import resources
from components.settings import Settings
from components.settings_grafana import CommunityDashboard
from components.topology import Topology

SOURCE = "https://grafana.com"
"""Where they come from; the chart has it built in."""
CURL_OPTIONS = "-sSf"
"""The chart's own would take any certificate (-k)."""


def values(settings: Settings, topology: Topology) -> dict[str, Any]:
    """Helm values of the chart grafana that bring these dashboards; none where settings name none."""
    wanted = sorted(settings.grafana.community_dashboards, key=lambda dashboard: (dashboard.folder, dashboard.id))
    if not wanted:
        return {}
    folders = {folder: list(found) for folder, found in groupby(wanted, key=lambda dashboard: dashboard.folder)}
    return {
        "dashboardProviders": {
            "dashboardproviders.yaml": {"apiVersion": 1, "providers": [provider(folder, found) for folder, found in folders.items()]}
        },
        "dashboards": {
            provider_name(folder, found): {str(dashboard.id): download(dashboard, topology) for dashboard in found}
            for folder, found in folders.items()
        },
        "defaultCurlOptions": CURL_OPTIONS,
        "downloadDashboards": {"resources": resources("grafana-download", settings.preset)},
    }


def provider_name(folder: str, found: list[CommunityDashboard]) -> str:
    """Name of a folder's provider, also of its folder in Grafana's volume: another one for other dashboards, so that what an earlier
    configuration left in that volume is shown no more."""
    said = json.dumps([folder, [dashboard.model_dump() for dashboard in found]], sort_keys=True)
    return f"community-{sha256(said.encode()).hexdigest()[:10]}"


def provider(folder: str, found: list[CommunityDashboard]) -> dict[str, Any]:
    """What tells Grafana to show a folder's dashboards."""
    name = provider_name(folder, found)
    return {
        "name": name,
        "orgId": 1,
        "folder": folder,
        "type": "file",
        "disableDeletion": False,
        "editable": False,
        "options": {"path": f"/var/lib/grafana/dashboards/{name}"},
    }


def download(dashboard: CommunityDashboard, topology: Topology) -> dict[str, Any]:
    """One dashboard; the datasource it asks for on import becomes one of ours.

    The replacement is there also for a dashboard that asks for none: what fails in front of its pipe leaves Grafana without that dashboard,
    while a bare download that fails would keep Grafana from starting.
    """
    source = topology.datasource(dashboard.datasource)
    asked = dashboard.input or f"DS_{dashboard.datasource.upper()}"
    # as text: Helm writes a number of seven digits as 1e+06
    return {"gnetId": str(dashboard.id), "revision": str(dashboard.revision), "datasource": [{"name": asked, "value": source.uid}]}
