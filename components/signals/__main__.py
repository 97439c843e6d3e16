"""`make graph`: checks the signals of a stack and draws them. `python -m components.signals --stack dev [--into FOLDER]`.

Exit code 0 where every signal finds its way, 1 where one does not (the drawing is made all the same), 2 for bad input.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from components import signals
from components.charts import ROOT
from components.errors import ConfigurationError
from components.preflight.__main__ import PROJECT, stack_settings
from components.signals import drawing, page
from components.topology import plan

LOCAL = "local"
NAME = "signals"


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Reads, checks, draws; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m components.signals", description="checks the signals of a stack and draws them")
    parser.add_argument("--stack", default=LOCAL)
    parser.add_argument(
        "--into", type=Path, help="folder of the page and its drawing (default: docs for local, .signals/<stack> for others)"
    )
    chosen = parser.parse_args(arguments)
    into: Path = chosen.into or (root / "docs" if chosen.stack == LOCAL else root / ".signals" / chosen.stack)
    try:
        settings = stack_settings(root, chosen.stack)
        graph = signals.graph(settings, plan(settings, PROJECT, chosen.stack))
        written = write(graph, chosen.stack, into)
    except ConfigurationError as error:
        return _refuse(error.lines, 2)
    except OSError as error:
        return _refuse([f"{error.filename or into}: {error.strerror}"], 2)
    for path in written:
        print(path.relative_to(root) if path.is_relative_to(root) else path)
    return _refuse([f"signals: {line}" for line in signals.defects(graph)], 1)


def write(graph: signals.Graph, stack: str, into: Path) -> list[Path]:
    """Writes the page and the drawing; their paths. OSError where the folder cannot be written."""
    into.mkdir(parents=True, exist_ok=True)
    texts = {
        f"{NAME}.md": page.page(graph, stack, f"{NAME}.svg"),
        f"{NAME}.svg": drawing.draw(graph, f"signals of stack {stack}"),
    }
    for name, text in texts.items():
        (into / name).write_text(text)
    return [into / name for name in texts]


def _refuse(lines: Sequence[str], code: int) -> int:
    for line in lines:
        print(f"error: {line}", file=sys.stderr)
    return code if lines else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
