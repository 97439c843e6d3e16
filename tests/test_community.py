"""Dashboards of grafana.com: exactly one revision each, on a datasource of ours, and Grafana starts without them, too."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from components import community
from components.config import parse
from components.topology import plan
from tests.rehearsal.test_bundles import Key, objects, releases
from tests.stacks import installs, settings_of

ISTIO = {"id": 7639, "revision": 259, "folder": "Istio"}


def values(*dashboards: dict[str, Any]) -> dict[str, Any]:
    settings = parse({"grafanaAdminPassword": "x", "grafana": {"communityDashboards": list(dashboards)}})
    return community.values(settings, plan(settings))


def providers(found: dict[str, Any]) -> dict[str, str]:
    return {p["name"]: p["folder"] for p in found["dashboardProviders"]["dashboardproviders.yaml"]["providers"]}


def test_each_folder_has_a_provider_that_finds_what_is_downloaded_for_it() -> None:
    found = values(ISTIO, {"id": 13639, "revision": 2}, {"id": 7636, "revision": 1, "folder": "Istio"})
    assert {providers(found)[name]: set(dashboards) for name, dashboards in found["dashboards"].items()} == {
        "Istio": {"7639", "7636"},
        "Community": {"13639"},
    }
    for provider in found["dashboardProviders"]["dashboardproviders.yaml"]["providers"]:
        assert provider["options"]["path"] == f"/var/lib/grafana/dashboards/{provider['name']}"


@pytest.mark.parametrize(
    ("more", "asked", "uid"),
    [({}, "DS_PROMETHEUS", "prometheus"), ({"datasource": "loki"}, "DS_LOKI", "loki"), ({"input": "DS_MAIN"}, "DS_MAIN", "prometheus")],
)
def test_the_datasource_that_it_asks_for_becomes_one_of_ours(more: dict[str, Any], asked: str, uid: str) -> None:
    (dashboards,) = values({**ISTIO, **more})["dashboards"].values()
    assert dashboards["7639"] == {"gnetId": "7639", "revision": "259", "datasource": [{"name": asked, "value": uid}]}


def test_another_choice_is_another_provider_so_that_what_lies_in_the_volume_is_not_shown() -> None:
    (before,), (newer,) = providers(values(ISTIO)), providers(values({**ISTIO, "revision": 260}))
    assert before != newer
    assert list(providers(values(ISTIO))) == [before]


def test_what_is_downloaded_must_come_from_who_it_says() -> None:
    """The chart's own options have -k, with which curl takes any certificate."""
    assert "k" not in values(ISTIO)["defaultCurlOptions"]


def test_without_dashboards_nothing_is_downloaded() -> None:
    assert values() == {}


@pytest.fixture(scope="module")
def script(mirror: Path) -> str:
    """What the init container runs, as the chart makes it."""
    (install,) = [i for i in installs(settings_of("distributed")) if i.release.chart == "grafana"]
    found = objects(mirror, releases()["grafana"], install.values)
    return found[Key("ConfigMap", "grafana", "grafana")]["data"]["download_dashboards.sh"]


@pytest.mark.parametrize(
    ("curl", "left"), [('echo \'{"datasource": "${DS_PROMETHEUS}"}\'', '{"datasource": "prometheus"}\n'), ("exit 22", "")]
)
def test_a_download_that_fails_does_not_keep_grafana_from_starting(script: str, curl: str, left: str, tmp_path: Path) -> None:
    fake = tmp_path / "curl"
    fake.write_text(f"#!/bin/sh\n{curl}\n")
    fake.chmod(0o755)
    text = script.replace("/var/lib/grafana", str(tmp_path))
    done = subprocess.run(["sh", "-s"], input=text, text=True, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, timeout=20, check=False)
    assert done.returncode == 0
    (written,) = tmp_path.glob("dashboards/*/7639.json")
    assert written.read_text() == left
