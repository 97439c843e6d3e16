"""What a benchmark found: its figures, their ratios, and the tables that show them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from rich.console import Console
from rich.table import Table

_WIDTH = 120


@dataclass(frozen=True)
class Link:
    """One resource of the critical path: what it costs at least, and when `up` began and ended it."""

    label: str
    layer: str
    seconds: float
    started: float
    ended: float


@dataclass(frozen=True)
class Figures:
    """One round; all times in seconds, those of `up` since its command was given."""

    pod_start_seconds: float
    up_seconds: float
    up_releases_seconds: float
    """Until the last chart was installed."""
    engine_seconds: float
    up_again_seconds: float
    up_again_changes: int
    destroy_seconds: float
    by_hand_seconds: float
    by_hand_charts_seconds: float
    charts: int
    critical_path: tuple[Link, ...]
    load: tuple[float, ...]
    """Load average of the last minute: before, after `up`, at the end."""
    cores: int

    @property
    def critical_path_seconds(self) -> float:
        return sum(link.seconds for link in self.critical_path)

    @property
    def ratios(self) -> dict[str, float]:
        """`up` over what it is held against."""
        return {
            "up_by_hand": self.up_seconds / self.by_hand_seconds,
            "releases_by_hand_charts": self.up_releases_seconds / self.by_hand_charts_seconds,
            "up_by_hand_charts": self.up_seconds / self.by_hand_charts_seconds,
            "up_critical_path": self.up_seconds / self.critical_path_seconds,
        }


def as_json(rounds: Sequence[Figures]) -> str:
    """The figures of all rounds, for machines."""
    return json.dumps([asdict(figures) | {"ratios": figures.ratios} for figures in rounds], indent=2) + "\n"


def show(rounds: Sequence[Figures], console: Console | None = None) -> None:
    """Prints the figures, medians where there are several rounds, and the critical path of the last."""
    console = console or _console()
    last = rounds[-1]
    console.print(_figures(rounds))
    console.print(_path(last))
    loads = ", ".join(f"{load:.1f}" for figures in rounds for load in figures.load)
    console.print(f"{last.cores} cores, load {loads}; {len(rounds)} round(s), pods ready after {last.pod_start_seconds:g} s")


def _figures(rounds: Sequence[Figures]) -> Table:
    table = Table(title="One `up` and what it is held against", title_justify="left")
    for heading in ("", "seconds", "up / this"):
        table.add_column(heading, justify="right" if heading else "left")
    last = rounds[-1]

    def row(name: str, seconds: Callable[[Figures], float], ratio: str = "") -> None:
        table.add_row(name, _spread([seconds(f) for f in rounds], 1), _spread([f.ratios[ratio] for f in rounds], 2) if ratio else "")

    row("up: the whole stack", lambda f: f.up_seconds)
    row("up again: no change", lambda f: f.up_again_seconds)
    row("destroy", lambda f: f.destroy_seconds)
    table.add_section()
    row("the whole stack by hand, one after another", lambda f: f.by_hand_seconds, "up_by_hand")
    row(f"its {last.charts} charts alone by helm install --wait", lambda f: f.by_hand_charts_seconds, "up_by_hand_charts")
    row("    against up until its last chart is installed", lambda f: f.up_releases_seconds, "releases_by_hand_charts")
    row("critical path of the layers", lambda f: f.critical_path_seconds, "up_critical_path")
    return table


def _path(figures: Figures) -> Table:
    table = Table(title="The critical path, and how it was walked", title_justify="left")
    for heading in ("layer", "resource", "at least", "waited", "took", "done at"):
        table.add_column(heading, justify="left" if heading in ("layer", "resource") else "right")
    before = 0.0
    for link in figures.critical_path:
        took = link.ended - link.started
        table.add_row(link.layer, link.label, *(f"{value:.1f}" for value in (link.seconds, link.started - before, took, link.ended)))
        before = link.ended
    table.add_section()
    total = figures.critical_path_seconds
    table.add_row("", "end of the command", f"{total:.1f}", f"{figures.up_seconds - before:.1f}", "", f"{figures.up_seconds:.1f}")
    return table


def _spread(values: Sequence[float], digits: int) -> str:
    """The median, with the range where there are several."""
    text = f"{median(values):.{digits}f}"
    return text if len(values) == 1 else f"{text} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH)
