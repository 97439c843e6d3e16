"""Azurite that outlives the command that started it: one for each rehearsal directory, with its blobs on disk, until `down`."""

import json
from collections.abc import Iterable
from pathlib import Path

from rehearsal import processes
from rehearsal.azurite import Azurite
from rehearsal.doubles.azure_native.keys import account_keys
from rehearsal.processes import Process

FOLDER = "azurite"


def start(directory: Path, accounts: Iterable[str], die_with_parent: bool = False) -> Azurite:
    """The Azurite of this directory, serving at least these accounts under their own names, with the keys that the double hands out.

    One that runs without an account it should have is started again with the same blobs.
    """
    folder = (directory / FOLDER).absolute()
    running, served = _recorded(folder)
    wanted = sorted({*served, *accounts})
    if running and running.serves():
        if wanted == served:
            return running
        running.stop()
    # One that no file names any more, as somebody removed the directory, would hold the same blobs.
    for stray in processes.with_argument(str(folder), programs=("node",)):
        stray.stop()
    azurite = Azurite.start(
        folder, in_memory=False, die_with_parent=die_with_parent, accounts={name: account_keys(name) for name in wanted}
    )
    record = {"pid": azurite.process.pid, "started": azurite.process.started, "port": azurite.port, "accounts": wanted}
    partial = folder / "state.new"
    partial.write_text(json.dumps(record, indent=2))
    partial.replace(folder / "state.json")
    return azurite


def attach(directory: Path) -> Azurite | None:
    """The Azurite that runs in this directory, if one does."""
    running, _ = _recorded((directory / FOLDER).absolute())
    return running if running and running.serves() else None


def stop(directory: Path) -> None:
    """Ends the Azurite of this directory and removes its blobs; nothing where there is none."""
    folder = (directory / FOLDER).absolute()
    running, _ = _recorded(folder)
    if running and running.process.is_running():
        running.stop()
    for stray in processes.with_argument(str(folder), programs=("node",)):
        stray.stop()
    processes.remove(folder)


def _recorded(folder: Path) -> tuple[Azurite | None, list[str]]:
    """What the file says was started, whether it runs or not, and the accounts it serves."""
    try:
        record = json.loads((folder / "state.json").read_text())
        return Azurite(Process(record["pid"], record["started"]), record["port"]), list(record["accounts"])
    except (OSError, ValueError, KeyError, TypeError):
        return None, []
