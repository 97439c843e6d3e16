"""What the rehearsal's tests share: one control plane for the whole run."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal import probe, processes, tools
from rehearsal.control_plane import PROGRAMS, ControlPlane
from tests.rehearsal import rig as rigs


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A running control plane whose pods are ready after half a second, one for all workers: use a namespace of your own.

    It belongs to the run, not to the worker that came first: a keeper takes it down when the process that started the workers ends.
    """
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    base = tmp_path_factory.getbasetemp() if alone else tmp_path_factory.getbasetemp().parent
    directory = base / "shared-control-plane"
    keeper = None
    with processes.locked(base):
        plane = ControlPlane.attach(directory)
        if plane is None:
            plane, keeper = _kept(directory, os.getpid() if alone else os.getppid())
    yield plane
    if alone and keeper is not None:
        plane.stop(remove=True)
        keeper.stop()


@pytest.fixture
def own_control_plane(tmp_path: Path) -> Iterator[ControlPlane]:
    """A control plane that a test may hurt, in the folder `own` of its own."""
    plane, keeper = _kept(tmp_path / "own", os.getpid())
    yield plane
    plane.stop(remove=True)
    keeper.stop()


def _kept(directory: Path, owner: int) -> tuple[ControlPlane, processes.Process]:
    """A new control plane, and the keeper that takes it down when the owner's process ends."""
    tools.ensure(*PROGRAMS)  # here, as a build takes longer than the keeper is given
    log = directory / "keeper.log"
    keeper = processes.start([sys.executable, Path(__file__).with_name("keeper.py"), directory, str(owner)], log)
    ended = processes.wait_until(
        lambda: not keeper.is_running() or ControlPlane.attach(directory) is not None, 2 * processes.START_SECONDS, every=0.1
    )
    plane = ControlPlane.attach(directory)
    assert ended and plane is not None, log.read_text()
    return plane, keeper


@pytest.fixture
def rig(control_plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> rigs.Rig:
    """A stack of the small program, not up yet, in folders and namespaces of its own."""
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
    monkeypatch.setenv(probe.OFFLINE, "1")
    return rigs.make(tmp_path, control_plane.api)
