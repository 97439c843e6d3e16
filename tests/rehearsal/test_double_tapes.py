"""The double against the recorded conversation of the real plugin, on a control plane of its own as the tapes use whole namespaces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rehearsal import processes, tools
from rehearsal.cluster_api import ApiError
from rehearsal.control_plane import ControlPlane
from rehearsal.doubles.kubernetes import network
from tests.rehearsal import double_client, tape_charts
from tests.rehearsal.tape import Replay

pytestmark = pytest.mark.xdist_group("tapes")
_FIRST = ("01", "02", "03", "04", "05", "06", "07", "08", "09")
_SECOND = ("10", "11", "12", "13", "14", "15", "16", "17", "18", "19", "20")
_CONFIG_MAPS = "/api/v1/namespaces/faults/configmaps"
_SOON_SECONDS = 4
_Line = dict[str, Any]


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    plane = ControlPlane.start(tmp_path_factory.mktemp("tapes"), pod_start_seconds=0.5, die_with_parent=True)
    yield plane
    plane.stop(remove=True)


@pytest.fixture
def replay(plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Replay:
    tape_charts.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REHEARSAL_HELM", str(tools.ensure("helm")["helm"]))
    # The wait for endpoints to settle has a test of its own; here it would be most of the time.
    monkeypatch.setattr(network, "SETTLE_SECONDS", 0.3)
    return Replay(plane.kubeconfig.read_text())


def _play(replay: Replay, names: tuple[str, ...], before: dict[str, Callable[[_Line], None]]) -> None:
    for name in names:
        replay.play(name, before.get(name, lambda line: None))
        assert not replay.mismatches, "\n".join(replay.mismatches)


def test_a_program_is_answered_as_recorded_from_its_first_preview_to_its_destroy(replay: Replay) -> None:
    _play(replay, _FIRST, {})
    (refused,) = (kept for urn, kept in replay.kept.items() if urn.endswith("Telemetry::mesh-observability"))
    assert "expected numeric (int or float), got string" in refused.reasons[0]
    assert refused.id == "istio-system/mesh-observability"
    # What was asked for stays in the inputs, what is there in the state.
    spec = refused.properties["spec"], refused.properties["__inputs"]["spec"]
    assert [tracing["tracing"][0]["randomSamplingPercentage"] for tracing in spec] == [50, "lots"]


def test_what_goes_wrong_is_answered_as_recorded(replay: Replay, plane: ControlPlane) -> None:
    def others_configmap(line: _Line) -> None:
        if line["method"] == "Create":
            plane.api.create(
                _CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "taken"}, "data": {"v": "theirs"}}
            )

    def sooner(line: _Line) -> None:
        if line["method"] == "Create":
            line["request"]["timeout"] = _SOON_SECONDS

    def release_sooner(line: _Line) -> None:
        if line["method"] == "Create":
            line["request"]["properties"]["timeout"] = _SOON_SECONDS

    def others_change(line: _Line) -> None:
        if line["method"] == "Configure":
            plane.api.request("PATCH", f"{_CONFIG_MAPS}/shared?fieldManager=somebody-else", {"data": {"v": "theirs"}})

    def others_delete(line: _Line) -> None:
        if line["method"] == "Configure":
            plane.api.request("DELETE", f"{_CONFIG_MAPS}/shared")

    def nobody_there(line: _Line) -> None:
        for key in ("news", "args", "variables"):
            for name, value in line["request"].get(key, {}).items():
                if name.endswith("kubeconfig"):
                    line["request"][key][name] = value.replace(plane.server, "https://127.0.0.1:9")
        if line["method"] == "CheckConfig":
            line["response"]["inputs"] = line["request"]["news"]

    _play(
        replay,
        _SECOND,
        {
            "11": others_configmap,
            "12": sooner,
            "14": release_sooner,
            "16": others_change,
            "18": others_delete,
            "19": nobody_there,
            "20": nobody_there,
        },
    )
    (stuck,) = (kept for urn, kept in replay.kept.items() if urn.endswith("Deployment::stuck"))
    assert stuck.reasons[0].endswith("'stuck' timed out waiting to be Ready")
    assert "Minimum number of live Pods was not attained" in stuck.reasons
    assert stuck.properties["__inputs"]["spec"]["template"]["spec"]["nodeSelector"] == {"no": "where"}


def test_an_await_survives_a_restart_of_the_api_server(plane: ControlPlane) -> None:
    containers = [{"name": "c", "image": "c:1"}]
    pod = {"metadata": {"labels": {"app": "late"}}, "spec": {"nodeSelector": {"no": "where"}, "containers": containers}}
    spec = {"selector": {"matchLabels": {"app": "late"}}, "template": pod}
    late = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "late", "namespace": "default"}, "spec": spec}
    path, nowhere = "/apis/apps/v1/namespaces/default/deployments/late", {"spec": {"nodeSelector": None, "containers": containers}}
    with double_client.client(str(plane.kubeconfig)) as double, ThreadPoolExecutor() as waiting:
        answer = waiting.submit(double.create, "kubernetes:apps/v1:Deployment", late, timeout=60)
        assert processes.wait_until(lambda: plane.api.exists(path), 60)
        plane.restart_api_server()
        # It may not know yet who we are.
        assert processes.wait_until(lambda: _accepted(plane, path, {"spec": {"template": nowhere}}), 60, every=0.2)
        state = answer.result().state
        assert state["status"]["readyReplicas"] == 1
        assert not double.delete("kubernetes:apps/v1:Deployment", "default/late", state).error


def _accepted(plane: ControlPlane, path: str, change: dict[str, Any]) -> bool:
    try:
        plane.api.request("PATCH", path, change)
    except ApiError:
        return False
    return True
