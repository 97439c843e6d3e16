"""`make bench`: one `up` of the whole stack beside the same by hand and the critical path, on one cluster, as ratios."""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench import ours, report
from bench.by_hand import Hands
from bench.graph import Node, critical_path, order
from bench.report import Figures, Link
from bench.stack import Resource, graph, resources
from rehearsal import console, probe, tools
from rehearsal.cli import seconds
from rehearsal.control_plane import PROGRAMS, ControlPlane
from rehearsal.errors import RehearsalError
from rehearsal.report import RELEASE

POD_START_SECONDS = 15.0
FAILED, INTERRUPTED = 1, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints; the exit code: 0 done, 1 failed, 130 interrupted. However slow it was, that is no failure."""
    chosen = _parser().parse_args(arguments)
    if chosen.offline:
        os.environ[probe.OFFLINE] = "1"
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        tools.ensure("pulumi", "helm", *PROGRAMS)
        with tempfile.TemporaryDirectory(prefix="istio-stack-bench-") as folder:
            rounds = _measure(Path(folder).resolve(), chosen.pod_start, chosen.rounds)
        report.show(rounds)
        if chosen.json:
            chosen.json.write_text(report.as_json(rounds))
    except RehearsalError as error:
        console.error(str(error))
        return FAILED
    except OSError as error:
        console.error(f"{error.filename}: {error.strerror}")
        return FAILED
    except KeyboardInterrupt:
        console.error("interrupted: nothing of the bench is left")
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.up", description=__doc__)
    parser.add_argument(
        "--pod-start", type=seconds, default=POD_START_SECONDS, metavar="SECONDS", help="how long a simulated pod takes (default: 15)"
    )
    parser.add_argument("--rounds", type=_count, default=1, help="how often everything is measured (default: 1, about five minutes)")
    parser.add_argument("--json", type=_file, metavar="FILE", help="write the figures there")
    parser.add_argument("--offline", action="store_true", help="ask nothing outside this machine: bundles stand in for the charts")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is not a number of rounds")
    return int(text)


def _file(text: str) -> Path:
    if not Path(text).parent.is_dir() or Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text}: no file can be written there")
    return Path(text)


def _measure(folder: Path, pod_start: float, rounds: int) -> list[Figures]:
    directory, scratch = folder / "rehearsal", folder / "by-hand"
    scratch.mkdir()
    plane = ControlPlane.start(directory, pod_start, die_with_parent=True)
    try:
        hands = Hands(tools.ensure("helm")["helm"], plane.api, plane.kubeconfig, tools.ROOT, scratch)
        # Archives, caches and compiled modules are there for both sides; what nobody answered is not asked again.
        if ours.run("preview", directory).stands_in:
            os.environ[probe.OFFLINE] = "1"
        return [_round(directory, hands, pod_start) for _ in range(rounds)]
    finally:
        plane.stop(remove=True)


def _round(directory: Path, hands: Hands, pod_start: float) -> Figures:
    load = [os.getloadavg()[0]]
    up = ours.run("up", directory)
    again = ours.run("up", directory)
    load.append(os.getloadavg()[0])
    destroy = ours.run("destroy", directory)
    hands.clear()
    stack = resources(up.resources)
    nodes = graph(stack, pod_start)
    steps = hands.install([stack[urn] for urn in order(nodes) if stack[urn].concrete])
    hands.clear()
    load.append(os.getloadavg()[0])
    releases = [operation.ended for operation in up.operations if operation.type == RELEASE]
    return Figures(
        pod_start_seconds=pod_start,
        up_seconds=up.seconds,
        up_releases_seconds=max(releases),
        engine_seconds=up.engine_seconds,
        up_again_seconds=again.seconds,
        up_again_changes=again.changed,
        destroy_seconds=destroy.seconds,
        by_hand_seconds=sum(step.seconds for step in steps),
        by_hand_charts_seconds=sum(step.seconds for step in steps if step.is_chart),
        charts=sum(step.is_chart for step in steps),
        critical_path=_links(stack, nodes, up),
        load=tuple(load),
        cores=os.cpu_count() or 1,
    )


def _links(stack: Mapping[str, Resource], nodes: Mapping[str, Node], up: ours.Run) -> tuple[Link, ...]:
    return tuple(
        Link(stack[urn].label, stack[urn].layer, nodes[urn].seconds, operation.started, operation.ended)
        for urn in critical_path(nodes)
        if (operation := up.of(urn))
    )


if __name__ == "__main__":
    sys.exit(main())
