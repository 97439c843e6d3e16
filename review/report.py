"""Reviews for people and tools: as text on a terminal, as Markdown for a comment, as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from review.compare import ABSENT
from review.judging import Review

MARKER = "<!-- istio-stack review -->"
"""First line of the comment, by which the next one finds and replaces it."""
ROWS_SHOWN = 150
"""Of one stack in a comment, which has a greatest length."""
_WIDTH = 60
_STYLES = {"data loss": "bold red", "recreate": "red", "CRD": "magenta", "access": "yellow", "restart": "cyan", "safe": "green"}
_COLUMNS = ("Class", "Object", "Field", "Before", "After", "Why")


def shown(value: Any) -> str:
    """A value on one short line."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    text = " ".join(str(text).split())
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"


def headline(review: Review) -> str:
    """What happens to a stack, in one line."""
    if review.refusals:
        return f"Stack {review.stack}: refused"
    if review.empty:
        return f"Stack {review.stack}: no change"
    counts = ", ".join(f"{count} {kind}" for kind, count in review.counts.items())
    return f"Stack {review.stack}: {counts or 'nothing that runs'}"


def _lines(review: Review) -> Iterable[Sequence[str]]:
    before = None
    for row in review.rows[:ROWS_SHOWN]:
        name = row.object if row.object != before else ""
        before = row.object
        yield row.kind, name, row.field, shown(row.before), shown(row.after), row.why


def _money(review: Review) -> Iterable[Sequence[str]]:
    for row in review.costs:
        yield row.what, f"{row.before:,.2f}", f"{row.after:,.2f}", f"{row.after - row.before:+,.2f}"


def _cost_columns(review: Review) -> Sequence[str]:
    return (f"{review.currency} a month", "Before", "After", "Difference")


def _below(review: Review) -> list[str]:
    """What stands below the tables."""
    more = len(review.rows) - ROWS_SHOWN
    return [
        *([f"and {more} rows more: `make diff` prints all of them as JSON"] if more > 0 else []),
        *([f"{review.folded} more objects differ in labels and checksums of their charts alone"] if review.folded else []),
    ]


def markdown(reviews: Sequence[Review]) -> str:
    """All stacks as one comment."""
    lines = [MARKER]
    for review in reviews:
        lines += ["", f"## {headline(review)}", ""]
        lines += [f"**Refused:** {_escaped(line)}  " for line in review.refusals]
        lines += [f"> {_escaped(note)}" for note in review.notes]
        if review.charts:
            lines += _table(("Chart", "Before", "After"), review.charts)
        if review.rows:
            lines += _table(_COLUMNS, _lines(review))
        lines += [f"{line}  " for line in _below(review)]
        if review.costs:
            lines += _table(_cost_columns(review), _money(review))
        if review.signals_added or review.signals_removed:
            changes = [*(f"- {line}" for line in review.signals_removed), *(f"+ {line}" for line in review.signals_added)]
            lines += ["", "Signals:", "", "```diff", *changes, "```"]
    return "\n".join(line.rstrip() if line.startswith("|") else line for line in lines) + "\n"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    body = ["| " + " | ".join(_escaped(cell) for cell in row) + " |" for row in rows]
    return ["", "| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns), *body, ""]


def _escaped(text: str) -> str:
    """Text that means nothing to Markdown or HTML."""
    for character in "\\`*_|<>[]":
        text = text.replace(character, f"\\{character}" if character not in "<>" else {"<": "&lt;", ">": "&gt;"}[character])
    return text


def text(reviews: Sequence[Review], console: Console) -> None:
    """All stacks as tables on a terminal."""
    for review in reviews:
        console.print(Text(headline(review), style="bold"))
        for line in review.refusals:
            console.print(Text(f"refused: {line}", style="bold red"))
        for note in review.notes:
            console.print(Text(f"note: {note}", style="dim"))
        for columns, rows in (
            (("Chart", "Before", "After"), list(review.charts)),
            (_COLUMNS, list(_lines(review))),
            (_cost_columns(review), list(_money(review))),
        ):
            if rows:
                console.print(_rich(columns, rows))
        for line in _below(review):
            console.print(Text(line))
        for sign, style, lines in (("-", "red", review.signals_removed), ("+", "green", review.signals_added)):
            for line in lines:
                console.print(Text(f"{sign} {line}", style=style))
        console.print()


def _rich(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(Text(row[0], style=_STYLES.get(row[0], "")), *(Text(cell) for cell in row[1:]))
    return table


def as_json(reviews: Sequence[Review]) -> str:
    """All stacks for tools: every row, values whole; what is absent is null."""

    def plain(review: Review) -> dict[str, Any]:
        rows = [{**row._asdict(), "before": _null(row.before), "after": _null(row.after)} for row in review.rows]
        return {**asdict(review), "rows": rows, "refused": bool(review.refusals)}

    return json.dumps({"stacks": [plain(review) for review in reviews]}, indent=2, sort_keys=True, default=str) + "\n"


def _null(value: Any) -> Any:
    return None if isinstance(value, str) and value == ABSENT else value
