"""The commands: up, preview, refresh, destroy, down, status, tools."""

import argparse
import errno
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from rehearsal import console, kept_azurite, probe, report, run_lock, stack_files, surroundings, timeline, tools
from rehearsal.control_plane import ControlPlane
from rehearsal.engine import Outcome, require_disk
from rehearsal.errors import RehearsalError
from rehearsal.events import PROVIDERS
from rehearsal.processes import remove
from rehearsal.session import OWN_CLUSTER, BadSettings, Options, Session, prepare

DISK_BYTES = 300 * 2**20
_OURS = ("bin", "logs", "mirror", "pulumi", "run.lock")
"""What a run leaves in its directory, beside state, passphrase and control plane."""
_SHOWN_ERRORS = 20
FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130


def main(arguments: Sequence[str] | None = None, root: Path = tools.ROOT) -> int:
    """Runs one command; the exit code: 0 done, 1 failed, 2 bad input, 130 interrupted."""
    chosen = _parser().parse_args(arguments)
    if chosen.offline:
        os.environ[probe.OFFLINE] = "1"
    options = Options(chosen.stack, chosen.cluster, (root / chosen.directory).absolute(), root, chosen.pod_start, dict(chosen.set))
    try:
        return _COMMANDS[chosen.command](options, chosen)
    except RehearsalError as error:
        console.error(str(error))
    except BadSettings as error:
        console.error(str(error))
        return BAD_INPUT
    except KeyboardInterrupt:
        console.error(f"interrupted: run `{chosen.command}` again to go on from here")
        return INTERRUPTED
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        console.error(f"{error.filename or options.directory}: {os.strerror(error.errno)}")
    return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m rehearsal", description="Brings a stack up on a rehearsal cluster, or on a real one.")
    parser.add_argument("command", choices=list(_COMMANDS), help="what to do")
    parser.add_argument("--stack", default="local", help="the stack, by its Pulumi.<stack>.yaml (default: local)")
    parser.add_argument(
        "--cluster", choices=("rehearsal", "current", "configured"), default="rehearsal",
        help="rehearsal: a control plane of our own; current: what kubectl uses; configured: what the stack says (default: rehearsal)",
    )  # fmt: skip
    parser.add_argument("--timeline", type=Path, metavar="FILE.svg", help="draw the layers over time")
    parser.add_argument("--pod-start", type=seconds, metavar="SECONDS", help="how long a simulated pod takes to be ready (default: 3)")
    parser.add_argument("--directory", type=Path, default=Path(".rehearsal"), help="where everything is kept (default: .rehearsal)")
    parser.add_argument(
        "--set", type=change, action="append", default=[], metavar="KEY=VALUE",
        help="another value (YAML) for a configuration key than the stack file gives it, to try a change out",
    )  # fmt: skip
    parser.add_argument("--with-data", action="store_true", help="destroy: also what is protected because it holds data")
    parser.add_argument("--offline", action="store_true", help="ask nothing outside this machine: stand-ins for what is not here")
    return parser


def change(text: str) -> tuple[str, Any]:
    """A configuration key and its value, given as an argument."""
    key, equals, value = text.partition("=")
    try:
        if not (key and equals):
            raise ValueError
        return key, yaml.safe_load(value)
    except (ValueError, yaml.YAMLError):
        raise argparse.ArgumentTypeError(f"{text} is not KEY=VALUE with a value in YAML, such as 'istio={{mode: ambient}}'") from None


def seconds(text: str) -> float:
    """A time given as an argument; above 0, and not so long that it must be a slip."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 600:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0 and up to 600")
    return value


def _up(options: Options, chosen: argparse.Namespace) -> int:
    with run_lock.held(options.directory):
        require_disk(options.directory, DISK_BYTES)
        session = prepare(options)
        refresh = session.recover()
        with session.unfinished():
            outcome = session.engine.up(refresh)
        session.settle(outcome)
        if outcome.configuration_errors:
            return _bad_input(session, outcome)
        proof = surroundings.prove_order(session) if outcome.succeeded else None
        resources = session.engine.checkpoint().get("resources") or []
        report.show(outcome, resources, surroundings.describe(session, proof))
        if chosen.timeline:
            timeline.write(outcome, chosen.timeline, f"up of stack {options.stack} on {session.cluster.context}")
            console.note(f"timeline: {chosen.timeline}")
        _say_result(outcome)
        violations = proof.violations if proof else []
        for line in violations[:_SHOWN_ERRORS]:
            console.error(f"order: {line}")
        return 0 if outcome.succeeded and not violations else FAILED


def _preview(options: Options, chosen: argparse.Namespace) -> int:
    with run_lock.held(options.directory):
        session = prepare(options)
        session.unlock()
        outcome = session.engine.preview()
        if outcome.configuration_errors:
            return _bad_input(session, outcome)
        report.show_plan(outcome)
        _say_result(outcome)
        return 0 if outcome.succeeded else FAILED


def _refresh(options: Options, chosen: argparse.Namespace) -> int:
    with run_lock.held(options.directory):
        session = prepare(options, needs_charts=False)
        session.recover()
        with session.unfinished():
            outcome = session.engine.refresh()
        session.settle(outcome)
        _say_result(outcome)
        return 0 if outcome.succeeded else FAILED


def _destroy(options: Options, chosen: argparse.Namespace) -> int:
    with run_lock.held(options.directory):
        stack_files.read_config(options.root, options.stack)
        if options.cluster == "rehearsal" and not (options.directory / "control-plane").exists():
            console.note("nothing to destroy: there is no rehearsal cluster")
            return 0
        session = prepare(options, needs_charts=False)
        session.recover()
        if not session.engine.state_file.exists():
            console.note(f"nothing to destroy: stack {options.stack} is not on {session.cluster.context}")
            return 0
        if chosen.with_data:
            session.engine.release()
        with session.unfinished():
            outcome = session.engine.destroy()
        session.settle(outcome)
        _say_result(outcome)
        kept = session.engine.protected()
        if outcome.succeeded and kept:
            _say_kept(options, kept)
        elif outcome.succeeded:
            session.engine.forget()
        return 0 if outcome.succeeded else FAILED


def _say_kept(options: Options, kept: Sequence[Mapping[str, Any]]) -> None:
    things = [resource for resource in kept if resource.get("custom") and not resource["type"].startswith(PROVIDERS)]
    named = ", ".join(f"{resource['type'].rpartition(':')[2]} {resource.get('id', '').rpartition('/')[2]}" for resource in things)
    console.note(f"kept, as it is protected and holds data: {named}; the next up finds it")
    console.note(
        f"to remove it with its data, on purpose: make destroy STACK={options.stack} REHEARSE=1 DATA=remove "
        "(in Azure itself: docs/operations.md, What `destroy` keeps)"
    )


def _down(options: Options, chosen: argparse.Namespace) -> int:
    directory = options.directory
    if not directory.exists():
        console.note(f"nothing is up: there is no {directory}")
        return 0
    with run_lock.held(directory):
        with console.step("stop the control plane", quiet_for=0.5):
            ControlPlane(directory).stop(remove=True)
            kept_azurite.stop(directory)
        others = [state for state in sorted((directory / "state").glob("*")) if not (state / OWN_CLUSTER).exists()]
        for state in (directory / "state").glob("*"):
            if state not in others:
                remove(state)
        if not others:
            remove(directory / "state")
            remove(directory / "passphrase")
        for name in _OURS:
            remove(directory / name)
        for state in others:
            console.note(f"kept: {state}, the state of a stack on another cluster; `destroy --cluster current` removes that stack")
        if not any(directory.iterdir()):
            directory.rmdir()
    console.note(f"down: nothing of the rehearsal cluster is left in {directory}")
    return 0


def _status(options: Options, chosen: argparse.Namespace) -> int:
    for line in surroundings.status(options):
        print(line)
    return 0


def _tools(options: Options, chosen: argparse.Namespace) -> int:
    for name, path in tools.ensure(*tools.names()).items():
        print(f"{name}\t{path}")
    return 0


def _bad_input(session: Session, outcome: Outcome) -> int:
    """The program refused its configuration, before it made anything: what was begun for this run alone goes."""
    if not any(operation.changes and operation.concrete for operation in outcome.operations):
        session.ledger.end()
    if not session.engine.checkpoint().get("resources"):
        session.engine.forget()
    for line in outcome.configuration_errors:
        console.error(line)
    return BAD_INPUT


def _say_result(outcome: Outcome) -> None:
    for line in outcome.warnings:
        console.warning(line)
    for line in outcome.errors[:_SHOWN_ERRORS]:
        console.error(line)
    if len(outcome.errors) > _SHOWN_ERRORS:
        console.error(f"and {len(outcome.errors) - _SHOWN_ERRORS} more; the engine's own words are in the log")
    changes = ", ".join(f"{count} {op}" for op, count in sorted(outcome.changes.items()))
    if not outcome.succeeded:
        console.error(f"{outcome.command} failed after {outcome.seconds:.1f} s; run it again when the cause is mended")
    elif not outcome.changed:
        console.note(f"{outcome.command}: no change ({outcome.seconds:.1f} s)")
    else:
        console.note(f"{outcome.command}: {changes} ({outcome.seconds:.1f} s)")


_COMMANDS: dict[str, Callable[[Options, argparse.Namespace], int]] = {
    "up": _up,
    "preview": _preview,
    "refresh": _refresh,
    "destroy": _destroy,
    "down": _down,
    "status": _status,
    "tools": _tools,
}


def run(root: Path = tools.ROOT) -> None:
    """Entry point of the process, which a request to end interrupts as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    code = main(root=root)
    sys.stdout.flush()
    sys.stderr.flush()
    # A thread of the program that still waits for a killed engine must not hold the process.
    os._exit(code)
