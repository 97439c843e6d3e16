"""The program under the real engine, on the real API server: what a run does, says and leaves."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from operations import drift
from operations.drift import Found
from rehearsal import engine, probe, processes
from rehearsal.control_plane import ControlPlane
from rehearsal.engine import Outcome
from rehearsal.errors import RehearsalError
from tests.rehearsal import rig as rigs
from tests.rehearsal.rig import PROGRAM, Rig

pytestmark = pytest.mark.xdist_group("engine")


@dataclass
class Standing:
    """A stack that is up, and the run that brought it up."""

    rig: Rig
    first: Outcome

    def state(self) -> str:
        """The text of the state."""
        (file,) = self.rig.options.directory.glob("state/*/.pulumi/stacks/small/local.json")
        return file.read_text()


@pytest.fixture(scope="module")
def standing(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """One stack for all tests of this module; each leaves it as it was."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("KUBECONFIG", str(control_plane.kubeconfig))
        environment.setenv(probe.OFFLINE, "1")
        rig = rigs.make(tmp_path_factory.mktemp("standing"), control_plane.api)
        yield Standing(rig, rig.up())


def test_an_up_makes_every_resource_under_its_layer(standing: Standing) -> None:
    run = standing.first
    assert (run.succeeded, run.changes, run.errors) == (True, {"create": 17}, [])
    made = {(run.layers[op.urn], op.kind) for op in run.operations if op.concrete}
    assert {("first", "Release"), ("second", "Secret"), ("third", "Namespace")} <= made
    assert len(standing.rig.namespaces()) == 3


def test_a_second_up_changes_nothing(standing: Standing) -> None:
    again = standing.rig.up()
    assert (again.succeeded, again.changed, again.changes) == (True, 0, {"same": 17})


def test_the_users_own_engine_settings_do_not_reach_a_run(standing: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"BACKEND_URL": "file:///nowhere", "CONFIG_PASSPHRASE": "theirs", "STACK": "prod", "HOME": "/nowhere"}.items():
        monkeypatch.setenv(f"PULUMI_{name}", value)
    assert standing.rig.up().changed == 0


def test_files_of_the_project_are_not_written(standing: Standing) -> None:
    root = standing.rig.options.root
    assert (root / "Pulumi.yaml").read_bytes() == (PROGRAM / "Pulumi.yaml").read_bytes()
    assert "secure" in (root / "Pulumi.local.yaml").read_text()
    assert {path.name for path in root.iterdir()} == {path.name for path in PROGRAM.iterdir()}


def test_the_state_holds_no_path_of_this_machine_and_no_bare_secret(standing: Standing) -> None:
    resources = json.loads(standing.state())["checkpoint"]["latest"]["resources"]
    assert [r["inputs"]["chart"] for r in resources if r["type"].endswith("Release")] == ["chart"] * 3
    # Where in the program a resource was made is the engine's own note, made by `pulumi up` too.
    text = json.dumps([[resource.get("inputs"), resource.get("outputs")] for resource in resources])
    assert str(standing.rig.options.root) not in text and str(standing.rig.options.directory) not in text
    assert "placeholder-for-password" not in standing.state()


def test_logs_hold_no_secret(standing: Standing) -> None:
    logs = list((standing.rig.options.directory / "logs").iterdir())
    assert logs and all("placeholder-for-password" not in log.read_text() for log in logs)


def test_a_run_leaves_imports_and_working_directory_as_they_were(standing: Standing) -> None:
    import components

    before = (Path.cwd(), list(sys.path), sys.modules["components"])
    standing.rig.configure(mistake="settings")  # makes the program import its own package of that name
    standing.rig.up()
    standing.rig.configure(mistake="")
    assert (Path.cwd(), sys.path, sys.modules["components"]) == before
    assert sys.modules["components"] is components


def test_a_preview_says_what_would_change_and_changes_nothing(standing: Standing) -> None:
    before = standing.state()
    standing.rig.configure(greeting="bye")
    run = standing.rig.run(lambda ready, refresh: ready.engine.preview(), None)
    standing.rig.configure(greeting="hello")
    assert (run.succeeded, run.changes) == (True, {"same": 14, "update": 3})
    assert standing.state() == before


def test_one_changed_setting_updates_what_depends_on_it(standing: Standing) -> None:
    standing.rig.configure(greeting="bye")
    run = standing.rig.up()
    assert {op.kind for op in run.operations if op.changes and op.concrete} == {"Release"}
    path = f"/api/v1/namespaces/{standing.rig.prefix}-first/configmaps/first"
    assert standing.rig.api.request("GET", path)["data"] == {"text": "bye"}
    standing.rig.configure(greeting="hello")
    assert standing.rig.up().succeeded


def test_bad_settings_are_lines_and_nothing_else(standing: Standing) -> None:
    standing.rig.configure(mistake="settings")
    run = standing.rig.up()
    standing.rig.configure(mistake="")
    assert (run.succeeded, run.errors) == (False, [])
    assert run.configuration_errors == ["first.key is 1: at least 2", "second.key is not a key"]


def test_a_bug_of_the_program_names_its_place_and_keeps_its_traceback_in_a_log(standing: Standing) -> None:
    standing.rig.configure(mistake="bug")
    run = standing.rig.up()
    standing.rig.configure(mistake="")
    (line,) = run.errors
    assert line.startswith("the program failed: KeyError: 'nothing of that name' (__main__.py, line ") and "\n" not in line
    assert "Traceback" in (standing.rig.options.directory / "logs" / "program.log").read_text()


def test_an_object_that_the_api_server_refuses_is_named_with_its_layer_and_the_reason(standing: Standing) -> None:
    standing.rig.configure(mistake="name")
    run = standing.rig.up()
    standing.rig.configure(mistake="")
    (line,) = run.errors
    assert line.startswith("second: ConfigMap wrong: ") and 'Invalid value: "Not_A_Name"' in line and "urn:" not in line
    assert standing.rig.up().changed == 0


def test_a_state_that_cannot_be_read_is_named_with_the_one_before(standing: Standing) -> None:
    (file,) = standing.rig.options.directory.glob("state/*/.pulumi/stacks/small/local.json")
    content = file.read_text()
    file.write_text(content[:100])
    try:
        with pytest.raises(RehearsalError, match=r"local\.json cannot be read: .*; the one before is .*local\.json\.bak$"):
            standing.rig.up()
    finally:
        file.write_text(content)


def test_attributes_of_the_state_that_a_killed_engine_left_empty_are_no_hindrance(standing: Standing) -> None:
    (file,) = standing.rig.options.directory.glob("state/*/.pulumi/stacks/small/local.json.attrs")
    file.write_text("")
    assert standing.rig.up().changes == {"same": 17}
    assert json.loads(file.read_text())


def test_what_somebody_deleted_comes_back_after_a_refresh(standing: Standing) -> None:
    path = f"/api/v1/namespaces/{standing.rig.prefix}-first/configmaps/note"
    standing.rig.api.request("DELETE", path)
    assert standing.rig.run(lambda ready, refresh: ready.engine.refresh(), None).succeeded
    assert standing.rig.up().changes == {"create": 1, "same": 16}
    assert standing.rig.api.exists(path)


def test_drift_is_seen_and_nothing_of_it_is_written_down(standing: Standing) -> None:
    rig = standing.rig
    assert drift.rehearsed(rig.options) == Found("local")
    before = standing.state()
    deleted, changed = (f"/api/v1/namespaces/{rig.prefix}-{name}/configmaps/note" for name in ("first", "second"))
    rig.api.request("DELETE", deleted)
    write = lambda text: rig.api.request("PUT", changed, {**rig.api.request("GET", changed), "data": {"text": text}})  # noqa: E731
    write("by hand")
    found = drift.rehearsed(rig.options)
    assert (found.changes, found.errors) == (("create first: ConfigMap first", "update second: ConfigMap second (data.text)"), ())
    assert standing.state() == before
    assert not rig.api.exists(deleted)
    write("second")  # by the same hand, as the field is its own now
    assert rig.run(lambda ready, refresh: ready.engine.up(True), None).changed == 1
    assert drift.rehearsed(rig.options) == Found("local")


def test_what_a_lost_cluster_held_is_made_again_by_an_up_with_a_refresh(standing: Standing) -> None:
    """As docs/operations.md says under Restore."""
    rig = standing.rig
    for name in rig.namespaces():
        rig.api.request("DELETE", f"/api/v1/namespaces/{name}")
    assert processes.wait_until(lambda: not rig.namespaces(), 60)
    run = rig.run(lambda ready, refresh: ready.engine.up(True), None)
    assert (run.succeeded, run.changes) == (True, {"create": 12, "same": 5})
    assert len(rig.namespaces()) == 3
    assert rig.up().changes == {"same": 17}


def test_a_disk_without_room_is_refused_before_a_run(tmp_path: Path) -> None:
    with pytest.raises(RehearsalError, match=r"MB are free on its disk, a run needs \d+ MB$"):
        engine.require_disk(tmp_path, 2**62)


def test_a_destroy_leaves_nothing_in_the_cluster(standing: Standing) -> None:
    run = standing.rig.destroy()
    assert (run.succeeded, run.changes) == (True, {"delete": 17})
    assert standing.rig.namespaces() == []
