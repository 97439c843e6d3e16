"""A stack of the small program on the shared control plane, in folders of its own: what the engine's tests stand on."""

import os
import secrets
import shutil
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rehearsal import session
from rehearsal.cluster_api import ClusterApi
from rehearsal.engine import Outcome
from rehearsal.processes import wait_until
from rehearsal.session import Options, Session

PROGRAM = Path(__file__).with_name("program")


@dataclass
class Rig:
    """One stack. Its namespaces begin with its own prefix, so that stacks do not meet."""

    options: Options
    prefix: str
    api: ClusterApi

    def configure(self, **settings: Any) -> None:
        """Changes keys of the stack file, as a user would."""
        file = self.options.root / "Pulumi.local.yaml"
        document = yaml.safe_load(file.read_text())
        document["config"] |= {f"small:{key}": value for key, value in settings.items()}
        file.write_text(yaml.safe_dump(document))

    def up(self, meanwhile: Callable[[Session], None] | None = None) -> Outcome:
        """One whole `up` with its recovery; `meanwhile` runs beside the engine, in a thread."""
        return self.run(lambda ready, refresh: ready.engine.up(refresh), meanwhile)

    def destroy(self, meanwhile: Callable[[Session], None] | None = None) -> Outcome:
        """One whole `destroy`."""
        return self.run(lambda ready, refresh: ready.engine.destroy(), meanwhile)

    def run(self, call: Callable[[Session, bool], Outcome], meanwhile: Callable[[Session], None] | None) -> Outcome:
        """One run of the engine as the commands make it."""
        ready = session.prepare(self.options)
        refresh = ready.recover()
        beside = threading.Thread(target=meanwhile, args=(ready,), daemon=True) if meanwhile else None
        with ready.unfinished():
            if beside:
                beside.start()
            outcome = call(ready, refresh)
        ready.settle(outcome)
        if beside:
            beside.join(60)
        return outcome

    def namespaces(self) -> list[str]:
        """The stack's namespaces in the cluster, those that are going included."""
        items = self.api.request("GET", "/api/v1/namespaces")["items"]
        return [item["metadata"]["name"] for item in items if item["metadata"]["name"].startswith(f"{self.prefix}-")]


def make(folder: Path, api: ClusterApi) -> Rig:
    """A stack of the small program in a folder. The cluster is the one that KUBECONFIG names."""
    prefix = f"small-{secrets.token_hex(3)}"
    root = folder / "project"
    shutil.copytree(PROGRAM, root)
    rig = Rig(Options(cluster="current", directory=folder / "run", root=root), prefix, api)
    rig.configure(prefix=prefix)
    return rig


def kill_after(seconds: float) -> Callable[[Session], None]:
    """Kills the engine with its process group so many seconds after its first resource began, if it still runs then."""

    def kill(ready: Session) -> None:
        begun = wait_until(lambda: any(op.concrete for op in ready.engine.recorder.operations()), 30)
        assert begun, "the engine never began"
        threading.Event().wait(seconds)
        kill_engine(ready)

    return kill


def kill_engine(ready: Session) -> None:
    """SIGKILL to the engine's process group."""
    pid = ready.engine.pid
    if pid:
        os.killpg(pid, signal.SIGKILL)
