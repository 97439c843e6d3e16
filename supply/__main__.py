"""`make lock` and `make mirror`. `python -m supply --help`. Exit code 0, or 2 where something cannot be had or is not what was locked."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.errors import ConfigurationError
from rehearsal import console, stack_files
from rehearsal.errors import RehearsalError
from rehearsal.mirror import DEFAULT_LOCK
from review import work
from review.errors import Refusal
from review.recorder import ROOT
from review.render import stacks_of
from supply import locking, mirroring
from supply.errors import SupplyError

ALL = "all"
BAD_INPUT = 2


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Runs one command and returns the exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        return {"lock": _lock, "mirror": _mirror}[chosen.command](chosen, root)
    except (SupplyError, Refusal, RehearsalError, ConfigurationError) as error:
        console.error(str(error))
    except OSError as error:
        console.error(f"{error.filename}: {error.strerror}")
    return BAD_INPUT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m supply", description="The charts of a stack, pinned and taken along.")
    commands = parser.add_subparsers(dest="command", required=True)
    lock = commands.add_parser("lock", help="versions to digests")
    lock.add_argument("--chart", help="only this one (default: every chart of the lock)")
    lock.add_argument("--to", metavar="VERSION", help="the version to lock it at (default: the one it has)")
    mirror = commands.add_parser("mirror", help="fill a folder with every chart, and list every image")
    mirror.add_argument("--into", type=Path, required=True, metavar="DIR", help="the folder")
    mirror.add_argument("--stack", default=ALL, help="only what this stack needs (default: all stacks, and every chart of the lock)")
    mirror.add_argument("--source", metavar="FROM", help="a folder or address that holds every archive (default: each chart's own)")
    for command in (lock, mirror):
        command.add_argument("--file", type=Path, metavar="LOCK", help="the lock (default: charts.yaml, or the stack's own)")
    return parser


def _lock(chosen: argparse.Namespace, root: Path) -> int:
    changed = locking.lock(root / (chosen.file or DEFAULT_LOCK), chosen.chart, chosen.to)
    for line in changed:
        console.note(line)
    console.note(f"{chosen.file or DEFAULT_LOCK}: {len(changed) or 'no'} change{'s' if len(changed) > 1 else ''}")
    return 0


def _mirror(chosen: argparse.Namespace, root: Path) -> int:
    stacks = stacks_of(root) if chosen.stack == ALL else [chosen.stack]
    lock = root / (chosen.file or _lock_of(stacks, root))
    names = None if chosen.stack == ALL else _charts_of(chosen.stack, root)
    filled = mirroring.fill(chosen.into, lock, names, chosen.source)
    console.note(f"{chosen.into}: {len(filled.fetched)} fetched, {len(filled.kept)} there already, lock {filled.lock}")
    for name in filled.unverified:
        console.warning(f"{name}: {lock.name} has no digest to verify it by; {filled.lock} pins what came")
    for name in filled.left_out:
        console.warning(f"{name}: {filled.lock} has it no more, since its archive in {chosen.into} is gone or another one")
    # as they are without a registry of one's own, which is what a registry is filled from
    changes = {"chartMirror": str(chosen.into.absolute()), "chartLock": str(filled.lock.absolute()), "imageRegistry": None}
    renderings = work.render(stacks, root, changes=changes)
    missing = mirroring.not_known(renderings)
    entries, unknown = mirroring.with_earlier(chosen.into, stacks, mirroring.listed(renderings), missing)
    mirroring.write_images(chosen.into, entries, unknown)
    known = sum(entry["digest"] is not None for entry in entries)
    console.note(f"{chosen.into}/images.txt: {len(entries)} images, the digest of {known} known")
    for line in missing:
        console.warning(line)
    return 0


def _own(stack: str, root: Path) -> dict[str, Any]:
    """A stack's configuration without the project's prefix."""
    prefix = f"{stack_files.project_name(root)}:"
    return {key.removeprefix(prefix): value for key, value in stack_files.read_config(root, stack).items()}


def _lock_of(stacks: Sequence[str], root: Path) -> str:
    """The lock that the stacks share. SupplyError where they do not."""
    locks = {_own(stack, root).get("chartLock", DEFAULT_LOCK) for stack in stacks}
    if len(locks) > 1:
        raise SupplyError(f"the stacks have several locks, {', '.join(sorted(locks))}: name one with STACK or LOCK")
    return locks.pop()


def _charts_of(stack: str, root: Path) -> tuple[str, ...]:
    """The entries of the lock that a stack installs. ConfigurationError where its settings are wrong."""
    from components import config, topology

    own = stack_files.with_placeholders(_own(stack, root))
    secrets = {key: stack_files.placeholder(key) for key in config.needed_secrets(own)}
    settings = config.parse({**{key: value for key, value in own.items() if ":" not in key}, **secrets})
    return topology.plan(settings, stack_files.project_name(root), stack).charts


if __name__ == "__main__":
    sys.exit(main())
