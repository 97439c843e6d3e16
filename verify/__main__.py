"""`python -m verify`: follows one request through a stack that runs; exit code 0 it flows, 1 it does not, 2 bad input."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from components import sample_app
from rehearsal import console
from rehearsal.errors import RehearsalError
from signals.rendering import Stack, read_stack
from verify import results
from verify.checks import verify
from verify.evidence import ISTIO_METRICS, SPAN_METRICS, Subject
from verify.reaching import Given, reached

LONGEST_WAIT = 55.0
BAD_INPUT = 2
PLACES = ("gateway", "tempo", "loki", "prometheus", "grafana")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the proof; prints the table and writes the JUnit file."""
    chosen = parser().parse_args(arguments)
    try:
        stack = read_stack(chosen.stack)
        given = Given(**{name: getattr(chosen, name) for name in PLACES}, context=chosen.context, without_grafana=chosen.without_grafana)
        with reached(stack.settings, stack.topology, given, dict(chosen.absent)) as places:
            found = verify(places, subject(stack, chosen.host, chosen.path), chosen.wait)
        code = report(found, title := f"signals of stack {chosen.stack}")
        if chosen.junit is not None:
            write_junit(found, chosen.junit, title)
        return code
    except RehearsalError as error:
        console.error(str(error))
        return BAD_INPUT


def subject(stack: Stack, host: str = "", path: str = sample_app.PATH) -> Subject:
    """The sample application of a stack; with waypoints it has no proxy of its own."""
    return Subject(stack.topology.sample.name, path, host, sidecar=stack.settings.istio.mode == "sidecar")


def report(found: Sequence[results.Result], title: str) -> int:
    """Shows results; the exit code."""
    results.show(found, title)
    return results.exit_code(found)


def write_junit(found: Sequence[results.Result], file: Path, title: str) -> None:
    """Writes results for other programs. Raises RehearsalError where the file cannot be written."""
    try:
        results.write_junit(found, file, title)
    except OSError as error:
        raise RehearsalError(f"{file} cannot be written: {error.strerror}") from None


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m verify", description="One request, one trace id, three stores, and Grafana's links.")
    made.add_argument("--stack", default="local", help="the stack, by its Pulumi.<stack>.yaml (default: local)")
    for name in PLACES:
        made.add_argument(f"--{name}", type=url, metavar="URL", help=f"where {name} answers; without it, kubectl forwards a port")
    made.add_argument("--context", help="context of the kubeconfig for what is forwarded (default: the current one)")
    made.add_argument("--without-grafana", action="store_true", help="expand the links of the datasources that the program provisions")
    made.add_argument("--host", default="", help="Host header of the request, where the gateway routes by it")
    made.add_argument("--path", default=sample_app.PATH, type=path, help=f"path of the request (default: {sample_app.PATH})")
    made.add_argument("--wait", default=40.0, type=seconds, metavar="SECONDS", help="how long signals may take (default: 40)")
    made.add_argument("--junit", type=Path, metavar="FILE", help="write the results as a JUnit file, too")
    made.add_argument(
        "--absent", type=lacking, action="append", default=[], metavar="WHAT=REASON",
        help=f"what this place cannot have, so that it is shown as not run: {ISTIO_METRICS}, {SPAN_METRICS}",
    )  # fmt: skip
    return made


def url(text: str) -> str:
    """A URL given as an argument."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise argparse.ArgumentTypeError(f"{text} is no URL: it must begin with http:// or https:// and name a host")
    return text.rstrip("/")


def path(text: str) -> str:
    """A path given as an argument."""
    if not text.startswith("/") or "?" in text:
        raise argparse.ArgumentTypeError(f"{text} is no path: it must begin with / and have no query")
    return text


def seconds(text: str) -> float:
    """A wait given as an argument: all of it must end within a minute."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= LONGEST_WAIT:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0 and up to {LONGEST_WAIT:g}")
    return value


def lacking(text: str) -> tuple[str, str]:
    """A thing that a place lacks, with the reason."""
    name, equals, reason = text.partition("=")
    if name not in (ISTIO_METRICS, SPAN_METRICS) or not equals or not reason:
        raise argparse.ArgumentTypeError(f"{text} is not WHAT=REASON with WHAT one of: {ISTIO_METRICS}, {SPAN_METRICS}")
    return name, reason


if __name__ == "__main__":
    sys.exit(main())
