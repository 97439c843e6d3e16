"""What a stack is made of, and what a change does to it: `make render`, `diff`, `upgrade`, `rehearse-upgrade`. `python -m review --help`.

Exit code 0, 1 where a change is refused, 2 for bad input.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from components.errors import ConfigurationError
from rehearsal import console
from rehearsal.errors import RehearsalError
from review import rehearsed, report, upgrade, upgrade_report, work, worktree, writing
from review.errors import Refusal
from review.judging import review
from review.recorder import ROOT
from review.render import stacks_of

ALL = "all"
REFUSED, BAD_INPUT = 1, 2


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Runs one command and returns the exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        return {"render": _render, "diff": _diff, "upgrade": _upgrade, "rehearse-upgrade": _rehearse}[chosen.command](chosen, root)
    except (Refusal, RehearsalError, ConfigurationError) as error:
        console.error(str(error))
    except OSError as error:
        console.error(f"{error.filename}: {error.strerror}")
    return BAD_INPUT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m review", description="What a stack is made of, without a cluster.")
    commands = parser.add_subparsers(dest="command", required=True)
    render = commands.add_parser("render", help="write every object of a stack")
    render.add_argument("--into", type=Path, default=Path("rendered"), help="folder with one folder per stack (default: rendered)")
    diff = commands.add_parser("diff", help="what changed since a git ref")
    diff.add_argument("--base", required=True, metavar="REF", help="branch, tag or commit to compare with")
    diff.add_argument("--markdown", type=Path, metavar="FILE", help="also write it as a comment")
    diff.add_argument("--json", type=Path, metavar="FILE", help="also write it for tools")
    steps = commands.add_parser("upgrade", help="the steps to another version of a chart, and what it makes of today's values")
    steps.add_argument("--chart", required=True, help="a chart of the lock")
    steps.add_argument("--to", required=True, metavar="VERSION", help="the version wanted")
    steps.add_argument("--archive", type=Path, help="its archive, or a folder of archives (default: its repository)")
    rehearse = commands.add_parser("rehearse-upgrade", help="bring a stack up as it was, then as it is, on one cluster")
    rehearse.add_argument("--base", metavar="REF", help="branch, tag or commit to come from (default: the last landed)")
    rehearse.add_argument("--stack", default="local", help="a stack by its Pulumi.<stack>.yaml (default: local)")
    for command in (render, diff, steps):
        command.add_argument("--stack", default=ALL, help="a stack by its Pulumi.<stack>.yaml, or all (default)")
    for command in (render, diff):
        command.add_argument("--bundles", action="store_true", help="take no real chart, even where it can be had: the same everywhere")
    return parser


def _stacks(stack: str, *roots: Path) -> list[str]:
    """The stacks asked for. Refusal for one that nobody knows."""
    known = sorted({name for root in roots for name in stacks_of(root)})
    if stack != ALL and stack not in known:
        raise Refusal(f"stack {stack} is unknown: there is no Pulumi.{stack}.yaml; known are {', '.join(known)}")
    return known if stack == ALL else [stack]


def _render(chosen: argparse.Namespace, root: Path) -> int:
    found = work.render(_stacks(chosen.stack, root), root, bundles=chosen.bundles)
    for stack, rendering in found.items():
        count = writing.write(rendering, root / chosen.into / stack)
        missing = writing.stand_ins(rendering)
        console.note(f"{chosen.into / stack}: {count} objects")
        if missing:
            console.warning(f"stack {stack}: bundles stand in for {', '.join(missing)}: their archives were not to be had")
        for line in rendering.leaks:
            console.warning(f"stack {stack}: {line}")
    return 0


def _diff(chosen: argparse.Namespace, root: Path) -> int:
    with worktree.checked_out(root, chosen.base) as base:
        stacks = _stacks(chosen.stack, base, root)
        found = work.pairs(base, root, stacks, bundles=chosen.bundles)
    reviews = [review(stack, pair) for stack, pair in found.items()]
    report.text(reviews, Console(width=None if sys.stdout.isatty() else 200))
    for path, text in ((chosen.markdown, report.markdown), (chosen.json, report.as_json)):
        if path:
            path.write_text(text(reviews))
    for one in reviews:
        for line in one.refusals:
            console.error(f"refused, stack {one.stack}: {line}")
    return REFUSED if any(one.refusals for one in reviews) else 0


def _upgrade(chosen: argparse.Namespace, root: Path) -> int:
    stacks = _stacks(chosen.stack, root)
    wanted = upgrade.wish(chosen.chart, chosen.to, root)
    screen = Console(width=None if sys.stdout.isatty() else 200)
    upgrade_report.plan(wanted, screen)
    checked = upgrade.check(wanted, stacks, chosen.archive, root)
    upgrade_report.findings(wanted, checked, screen)
    return REFUSED if wanted.missing or checked.wrong else 0


def _rehearse(chosen: argparse.Namespace, root: Path) -> int:
    with rehearsed.cleared(root=root):
        result = rehearsed.rehearse(chosen.base or rehearsed.baseline(), chosen.stack, root=root)
    for happening in result.found:
        print(happening)
    for line in result.outcome.errors:
        console.error(line)
    changes = ", ".join(f"{count} {op}" for op, count in sorted(result.outcome.changes.items()))
    said = f"{len(result.found)} objects made anew or removed, {len(result.surprises)} of them not announced"
    console.note(f"stack {chosen.stack} from {result.base}: {changes} ({result.outcome.seconds:.1f} s); {said}")
    return 0 if result.outcome.succeeded and not result.surprises else REFUSED


if __name__ == "__main__":
    sys.exit(main())
