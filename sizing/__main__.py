"""`make size`: what a load needs and costs, per environment. `python -m sizing --help` names the figures."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from rich.console import Console

from components.errors import ConfigurationError
from components.settings import LoadSettings
from components.settings_base import RetentionDays
from sizing.data import Environment, environments, prices
from sizing.plan import plan
from sizing.report import PRICES, docs_table, prices_text, show

LOAD = {
    "pods": (int, "pods in the mesh"),
    "requests_per_second": (float, "requests between them and into them"),
    "spans_per_second": (float, "spans that reach the collector"),
    "log_mb_per_second": (float, "megabytes of logs"),
    "active_series": (int, "time series that Prometheus holds at once"),
}


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sizing",
        description="What a load needs and costs. What is not named comes from the environment's stack file or example.",
    )
    for name, (kind, text) in LOAD.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar="N", help=text)
    parser.add_argument("--retention-days", type=int, metavar="DAYS", help="how long metrics, traces and logs are kept")
    parser.add_argument("--environment", metavar="NAME", help="one of sizing/environments.yaml; default: all")
    parser.add_argument("--mesh", choices=("sidecar", "ambient"), help="default: what the stack file says")
    parser.add_argument("--prices", type=Path, default=PRICES, metavar="FILE", help="default: prices.yaml")
    parser.add_argument("--markdown", action="store_true", help="print the page of the documentation instead")
    return parser.parse_args(argv)


def with_load(environment: Environment, asked: argparse.Namespace) -> Environment:
    """The environment with the figures that the command line names. Raises ConfigurationError."""
    named: dict[str, Any] = {
        LoadSettings.model_fields[name].alias or to_camel(name): value for name in LOAD if (value := getattr(asked, name)) is not None
    }
    try:
        load = LoadSettings.model_validate(environment.settings.load.model_dump(by_alias=True) | named)
        if asked.retention_days is not None:
            TypeAdapter(RetentionDays).validate_python(asked.retention_days)
    except ValidationError as error:
        wrong = error.errors(include_url=False)
        raise ConfigurationError(
            f"{e['loc'][0] if e['loc'] else 'retentionDays'} is {e['input']!r}: {e['msg'].removeprefix('Input ')}" for e in wrong
        ) from None
    return environment.changed(load=load, retention_days=asked.retention_days, mesh=asked.mesh)


def run(asked: argparse.Namespace, console: Console) -> None:
    """Prints the plan of each environment. Raises ConfigurationError."""
    if asked.markdown:
        console.file.write(docs_table(asked.prices))
        return
    costs, known = prices(asked.prices), environments()
    if asked.environment is not None and asked.environment not in known:
        raise ConfigurationError(f"environment is {asked.environment}: must be one of {', '.join(known)}")
    chosen = {name: with_load(e, asked) for name, e in known.items() if asked.environment in (None, name)}
    for name, environment in chosen.items():
        show(console, name, environment, plan(environment, costs), costs)
    console.print(f"\n{prices_text(costs)}", highlight=False)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code: 0, or 2 where an argument or a data file is wrong."""
    try:
        run(arguments(argv), Console(width=None if sys.stdout.isatty() else 160))
    except ConfigurationError as error:
        for line in error.lines:
            print(f"error: {line}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
