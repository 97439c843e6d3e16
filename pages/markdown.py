"""What the generated pages share of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a cell is one line in which no bar ends a column."""
    return "\n".join(_row(cells) for cells in (head, ["---"] * len(head), *rows))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(' '.join(cell.split()).replace('|', '&#124;') for cell in cells)} |"


def code(text: object) -> str:
    """Text as it is typed."""
    return f"`{text}`"


def listed(words: Sequence[str], last: str = "and") -> str:
    """Words as a sentence lists them."""
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def prose(text: str) -> str:
    """Text in which only what stands between backticks means something to Markdown."""
    parts = text.split("`")
    for index in range(0, len(parts), 2):
        for character, harmless in (("\\", "\\\\"), ("<", "&lt;"), ("*", "\\*"), ("_", "\\_")):
            parts[index] = parts[index].replace(character, harmless)
    return " ".join("`".join(parts).split())
