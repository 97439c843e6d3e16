"""Holds the control plane that a test run shares: starts it, and takes it down when the run has ended, however it ended."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from rehearsal.control_plane import ControlPlane
from rehearsal.processes import start_time

POD_START_SECONDS = 0.5


def keep(directory: Path, owner: int) -> None:
    """Keeps a control plane in the directory as long as the owner's process lives."""
    owner_started = start_time(owner)
    plane = ControlPlane.start(directory, pod_start_seconds=POD_START_SECONDS, die_with_parent=True)
    try:
        while start_time(owner) == owner_started:
            time.sleep(0.3)
    finally:
        plane.stop(remove=True)


if __name__ == "__main__":
    keep(Path(sys.argv[1]), int(sys.argv[2]))
