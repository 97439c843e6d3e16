"""`make policy`: what a stack, or every one, breaks of the rules, and what the scanners say. `python -m policies --help`.

Exit code 0, 1 where something is broken that no waiver names, or a waiver is needless, 2 for bad input.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from components.errors import ConfigurationError
from policies import conformity, report, scanners
from policies.gate import Checked, check
from policies.waivers import read
from rehearsal import console
from rehearsal.errors import RehearsalError
from review import work, writing
from review.errors import Refusal
from review.recorder import ROOT
from review.render import stacks_of

ALL = "all"
BROKEN, BAD_INPUT = 1, 2


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Runs the gate and returns the exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        checked = _checked(chosen, root)
    except (Refusal, RehearsalError, ConfigurationError) as error:
        console.error(str(error))
        return BAD_INPUT
    # over one stack, a waiver of another is not needless
    return report.show(checked, Console(width=None if sys.stdout.isatty() else 200), whole=chosen.stack == ALL and not chosen.rules_only)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m policies", description="What a stack breaks of the policies, without a cluster.")
    parser.add_argument("--stack", default=ALL, help="a stack by its Pulumi.<stack>.yaml, or all (default)")
    parser.add_argument("--bundles", action="store_true", help="take no real chart, even where it can be had: the same everywhere")
    parser.add_argument("--rules-only", action="store_true", help="our own rules alone, without checkov, kube-score and kubeconform")
    return parser


def _checked(chosen: argparse.Namespace, root: Path) -> Checked:
    known = stacks_of(root)
    if chosen.stack not in (ALL, *known):
        raise Refusal(f"stack {chosen.stack} is unknown: there is no Pulumi.{chosen.stack}.yaml; known are {', '.join(known)}")
    waivers = read()
    renderings = work.render(known if chosen.stack == ALL else [chosen.stack], root, bundles=chosen.bundles)
    stand_ins = False
    for stack, rendering in renderings.items():
        if missing := writing.stand_ins(rendering):
            console.warning(f"stack {stack}: bundles stand in for {', '.join(missing)}: their archives were not to be had")
            stand_ins = True
    if chosen.rules_only:
        return check(root, renderings, waivers, ())
    stacks = [rendering.objects for rendering in renderings.values()]
    scans = []
    with console.step("checkov", quiet_for=1.0):
        scans.append(scanners.checkov(scanners.distinct(stacks, scanners.CHECKOV_CHECKS | {"NetworkPolicy"})))
    without = scanners.NOT_OF_BUNDLES if stand_ins else ()
    if without:
        console.note(f"kube-score: {', '.join(without)} cannot be asked of bundles")
    with console.step("kube-score", quiet_for=1.0):
        scans.append(scanners.kube_score([scanners.distinct([objects], scanners.KUBE_SCORE_CHECKS) for objects in stacks], without))
    with console.step("kubeconform", quiet_for=1.0):
        scans.append(conformity.kubeconform(scanners.distinct(stacks), conformity.openapi()))
    return check(root, renderings, waivers, scans)


if __name__ == "__main__":
    sys.exit(main())
