"""What is killed comes back: whatever ends in the middle of a run, the next `up` converges by itself, and one more finds nothing to do."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from rehearsal import cluster as clusters
from rehearsal import order, probe, processes, tools
from rehearsal.control_plane import ControlPlane
from rehearsal.session import Options, Session
from tests.rehearsal import rig as rigs
from tests.rehearsal.rig import Rig

pytestmark = pytest.mark.filterwarnings("ignore:Error in event stream")
CLI = """
import signal, sys
from pathlib import Path
from rehearsal import cli
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts the tests in the background has it ignored
cli.run(Path(sys.argv.pop(1)))
"""
KILLS = 10
LONGEST_SECONDS = 9.0
"""Within this time the whole stack is up, so that a kill hits all that an `up` does."""


def converges(rig: Rig) -> None:
    """The next `up` succeeds, the one after it changes nothing, and everything is there."""
    again = rig.up()
    assert again.succeeded, again.errors
    settled = rig.up()
    assert (settled.succeeded, settled.changes) == (True, {"same": 17})
    assert len(rig.namespaces()) == 3
    for place, name in (("first", "first"), ("second", "second"), ("second", "web"), ("third", "third")):
        path = f"/apis/apps/v1/namespaces/{rig.prefix}-{place}/deployments/{name}"
        assert rig.api.request("GET", path)["status"]["readyReplicas"] == 1


def when_running(name: str, kind: str, then: Callable[[Session], None], after: float = 0.0) -> Callable[[Session], None]:
    """Does something so many seconds after an operation on one resource began."""

    def watch(ready: Session) -> None:
        def runs() -> bool:
            operations = ready.engine.recorder.operations()
            return any((op.name, op.kind) == (name, kind) and op.changes and op.ended is None for op in operations)

        assert processes.wait_until(runs, 60), f"{kind} {name} never began"
        threading.Event().wait(after)
        then(ready)

    return watch


def test_an_engine_killed_while_helm_installs_and_a_deployment_is_awaited(rig: Rig) -> None:
    killed = rig.up(when_running("web", "Deployment", rigs.kill_engine, after=0.1))
    assert (killed.succeeded, killed.errors) == (False, ["the engine was killed by signal 9"])
    converges(rig)


def test_an_engine_killed_while_helm_upgrades(rig: Rig) -> None:
    assert rig.up().succeeded
    rig.configure(greeting="bye")
    assert not rig.up(when_running("second", "Release", rigs.kill_engine, after=0.1)).succeeded
    converges(rig)
    path = f"/api/v1/namespaces/{rig.prefix}-second/configmaps/second"
    assert rig.api.request("GET", path)["data"] == {"text": "bye"}


def test_an_engine_killed_while_it_destroys(rig: Rig) -> None:
    assert rig.up().succeeded
    assert not rig.destroy(when_running("second", "Namespace", rigs.kill_engine, after=0.5)).succeeded
    converges(rig)


def test_the_command_itself_killed_takes_the_engine_along(rig: Rig) -> None:
    arguments = [sys.executable, "-c", CLI, str(rig.options.root), "up", "--cluster", "current", "--directory", str(rig.options.directory)]
    command = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, cwd=tools.ROOT)
    try:
        assert command.stderr is not None
        assert any("first: create" in line for line in command.stderr)
    finally:
        command.kill()
        command.wait()
    locks = list(rig.options.directory.glob("state/*/.pulumi/locks/**/*.json"))
    (engine,) = [json.loads(lock.read_text())["pid"] for lock in locks]
    assert processes.wait_until(lambda: processes.start_time(engine) is None, 60)
    converges(rig)


def test_an_interrupted_command_says_so_and_the_next_one_goes_on(rig: Rig) -> None:
    arguments = [sys.executable, "-c", CLI, str(rig.options.root), "up", "--cluster", "current", "--directory", str(rig.options.directory)]
    command = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, cwd=tools.ROOT)
    said = []
    assert command.stderr is not None
    for line in command.stderr:
        said.append(line.rstrip())
        if line.endswith("first: create\n"):
            os.kill(command.pid, signal.SIGINT)
    assert command.wait() == 130
    assert said[-1] == "error: interrupted: run `up` again to go on from here"
    assert not any("Traceback" in line for line in said)
    converges(rig)


def test_an_api_server_restarted_in_the_middle(own_control_plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(own_control_plane.kubeconfig))
    monkeypatch.setenv(probe.OFFLINE, "1")
    rig = rigs.make(tmp_path, own_control_plane.api)
    rig.up(when_running("second", "Release", lambda ready: own_control_plane.restart_api_server(), after=0.5))
    converges(rig)


def test_the_whole_stack_killed_ten_times_on_its_way_up(own_control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run is killed at a random moment, and so begins with what the one before left; none of them is helped."""
    monkeypatch.setenv(probe.OFFLINE, "1")
    rig = Rig(Options(directory=own_control_plane.directory), "", own_control_plane.api)
    moments = random.Random(20)
    for _ in range(KILLS):
        rig.up(rigs.kill_after(moments.uniform(0, LONGEST_SECONDS)))
    last = rig.up()
    assert last.succeeded, last.errors
    assert rig.up().changed == 0
    assert order.prove(clusters.connect(str(own_control_plane.kubeconfig), "rehearsal").api).violations == []
