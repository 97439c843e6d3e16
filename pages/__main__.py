"""`make docs`: writes every page that is made from the code. `python -m pages [--check]`.

`--check` writes nothing and names the pages that are not what the code makes. Exit code 0, 1 where one differs, 2 where one cannot be made.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from components import signals
from components.charts import ROOT
from components.errors import ConfigurationError
from components.preflight.__main__ import PROJECT, stack_settings
from components.signals import drawing
from components.signals import page as signal_page
from components.topology import plan
from pages import charts, configuration, connections, layers
from policies import homes
from rehearsal.errors import RehearsalError
from sizing.data import environments, prices
from sizing.page import page as size_page

DIFFER, FAILED = 1, 2


def _sizes() -> str:
    return size_page(environments(), prices(ROOT / "prices.yaml"))


def _signals() -> signals.Graph:
    settings = stack_settings(ROOT, layers.STACK)
    return signals.graph(settings, plan(settings, PROJECT, layers.STACK))


def _connections() -> str:
    return connections.page(stack_settings(ROOT, layers.STACK), _signals(), layers.STACK)


PAGES: Mapping[str, Callable[[], str]] = {
    "architecture.md": lambda: layers.drawn((ROOT / "docs" / "architecture.md").read_text()),
    "charts.md": charts.page,
    "configuration.md": configuration.page,
    "connections.md": _connections,
    "layers.md": layers.page,
    "postures.md": homes.page,
    "signals.md": lambda: signal_page.page(_signals(), layers.STACK, "signals.svg"),
    "signals.svg": lambda: drawing.draw(_signals(), f"signals of stack {layers.STACK}"),
    "sizes.md": _sizes,
}
"""What makes each page, by its file in docs; of the architecture, the flow chart alone."""


def main(arguments: Sequence[str] | None = None, folder: Path = ROOT / "docs") -> int:
    """Writes or checks, and returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m pages", description="The pages of the documentation that are made from the code.")
    parser.add_argument("--check", action="store_true", help="write nothing, name the pages that differ")
    chosen = parser.parse_args(arguments)
    try:
        differing = list(_differing(folder))
        for name, text in [] if chosen.check else differing:
            (folder / name).write_text(text)
    except (ConfigurationError, RehearsalError) as error:
        print("\n".join(f"error: {line}" for line in str(error).splitlines()), file=sys.stderr)
        return FAILED
    except OSError as error:
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        return FAILED
    for name, _ in differing:
        print(f"error: docs/{name} is not what the code makes: run `make docs`" if chosen.check else f"docs/{name}", file=sys.stderr)
    return DIFFER if chosen.check and differing else 0


def _differing(folder: Path) -> Iterator[tuple[str, str]]:
    """Pages that are not in the folder as the code makes them."""
    for name, make in PAGES.items():
        text, path = make(), folder / name
        if not path.is_file() or path.read_text() != text:
            yield name, text


if __name__ == "__main__":
    sys.exit(main())
