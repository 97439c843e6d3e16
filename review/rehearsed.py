"""`make rehearse-upgrade`: an earlier state of the project brought up by its own program, then the present one on the same cluster."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.merge import read_yaml
from rehearsal import console, kept_azurite, run_lock, stack_files, tools
from rehearsal.cluster_api import ApiError, ClusterApi
from rehearsal.control_plane import ControlPlane
from rehearsal.engine import Outcome
from rehearsal.mirror import CACHE
from rehearsal.processes import remove
from rehearsal.session import PLACEHOLDER_IMAGE, Options, prepare
from review import worktree
from review.announced import Happening, happenings
from review.compare import differences
from review.errors import Refusal
from review.objects import HELM, Key
from review.recorder import ROOT
from review.render import Rendering
from review.upgrades import FOLDER
from review.work import pairs

DIRECTORY = Path(".rehearsal-upgrade")
_SECONDS = 1200


@dataclass(frozen=True)
class Result:
    """How it went."""

    base: str
    outcome: Outcome
    found: list[Happening]

    @property
    def surprises(self) -> list[Happening]:
        """What was made anew or removed without a word of it in the difference."""
        return [happening for happening in self.found if not happening.announced]


def baseline() -> str:
    """The commit that was landed last."""
    return str(read_yaml(FOLDER / "baseline.yaml")["commit"])


def rehearse(base: str, stack: str, directory: Path = DIRECTORY, root: Path = ROOT) -> Result:
    """Brings a stack up as it was at a git ref, then as it is; what the second `up` made anew, and whether the difference had said so.

    The folder of the rehearsal is one below the project. Refusal where the state of before cannot be brought up.
    """
    with worktree.checked_out(root, base) as before:
        if stack not in stack_files.known_stacks(before):
            raise Refusal(f"stack {stack} is not there at {base}: there is nothing to upgrade")
        changes = _changes(before, root, stack)
        # both states keep everything in one folder, at the same place below their project: paths in the state are relative to that
        (root / directory).mkdir(parents=True, exist_ok=True)
        (before / directory).symlink_to(root / directory)
        if (root / CACHE).is_dir():
            (before / CACHE).symlink_to(root / CACHE)
        with console.step(f"stack {stack} as it was at {base}, by its own program"):
            _up(before, stack, directory, changes)
        with run_lock.held(root / directory):
            session = prepare(Options(stack, "rehearsal", (root / directory).absolute(), root, changes=changes))
            bundles = session.source is not None and session.source.kind == "bundles"
            pair = pairs(before, root, [stack], bundles=bundles, changes=changes)[stack]
            if pair.base is None or pair.head is None or pair.head.errors:
                raise Refusal("\n".join(pair.head.errors) if pair.head else f"stack {stack} is not there any more")
            there = _uids(session.cluster.api, pair.base)
            refresh = session.recover()
            with session.unfinished():
                outcome = session.engine.up(refresh)
            session.settle(outcome)
            now = _uids(session.cluster.api, pair.base)
    found = happenings(differences(pair.base, pair.head), outcome.operations, pair.base.objects, there, now)
    return Result(base, outcome, found)


@contextlib.contextmanager
def cleared(directory: Path = DIRECTORY, root: Path = ROOT) -> Iterator[None]:
    """Around a rehearsal: what it left before and what it leaves goes, with its cluster."""
    _clear(root / directory)
    try:
        yield
    finally:
        with console.step("stop the control plane", quiet_for=0.5):
            _clear(root / directory)


def _clear(folder: Path) -> None:
    if folder.exists():
        ControlPlane(folder).stop(remove=True)
        kept_azurite.stop(folder)
        remove(folder)


def _changes(before: Path, root: Path, stack: str) -> dict[str, Any]:
    """The sample application, which a rehearsal installs even where its stack names no image: said outright, for the difference too."""
    for checkout in (before, root):
        key = f"{stack_files.project_name(checkout)}:sampleApp"
        sample = stack_files.read_config(checkout, stack).get(key) or {}
        if isinstance(sample, Mapping) and sample.get("image"):
            return {}
    return {"sampleApp": {"image": PLACEHOLDER_IMAGE}}


def _up(before: Path, stack: str, directory: Path, changes: Mapping[str, Any]) -> None:
    """The earlier program's own `up`, as its user gave it."""
    command = [sys.executable, "-m", "rehearsal", "up", "--stack", stack, "--directory", str(directory)]
    command += [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONSAFEPATH")}
    environment |= {"ISTIO_STACK_TOOLS": str(tools.cache()), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(command, cwd=before, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Refusal(f"the earlier program's `up` does not end within {_SECONDS} s") from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("error: ")] or done.stderr.strip().splitlines()[-1:]
        raise Refusal(f"the earlier program's `up` fails with code {done.returncode}: {'; '.join(said)[:600]}")


def _uids(api: ClusterApi, rendering: Rendering) -> dict[Key, str]:
    """The uid of every object of a rendering that is in the cluster."""
    wanted = {item.key for item in rendering.objects if item.key.group != HELM and "azure-native" not in item.key.group}
    served = _served(api)
    found: dict[Key, str] = {}
    for group, kind in sorted({(key.group, key.kind) for key in wanted}):
        path = served.get((group, kind))
        for item in api.request("GET", path)["items"] if path else ():
            metadata = item["metadata"]
            key = Key(group, kind, metadata.get("namespace", ""), metadata["name"])
            if key in wanted:
                found[key] = metadata["uid"]
    return found


def _served(api: ClusterApi) -> dict[tuple[str, str], str]:
    """Where the objects of each kind are listed, by group and kind."""
    groups = {"": "/api/v1"}
    groups |= {group["name"]: f"/apis/{group['preferredVersion']['groupVersion']}" for group in api.request("GET", "/apis")["groups"]}
    found: dict[tuple[str, str], str] = {}
    for group, prefix in groups.items():
        try:
            resources = api.request("GET", prefix)["resources"]
        except ApiError:  # an API whose server is away
            continue
        found |= {(group, r["kind"]): f"{prefix}/{r['name']}" for r in resources if "list" in r["verbs"] and "/" not in r["name"]}
    return found
