"""What a PromQL expression reads: the names of its series, and the labels it selects, groups or joins by.

A scanner, not a parser: promtool says whether an expression is one at all, so only names have to be told apart here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

TOKEN = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*")|(?P<range>\[[^\]]*\])|(?P<number>\d[\w.]*|\.\d+)|(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)|(?P<sign>\S)|\s+"""
)
GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}
WORDS = GROUPING | {"and", "or", "unless", "bool", "offset", "inf", "nan", "start", "end", "atan2"}


class Reads(NamedTuple):
    """Series and labels of an expression, and which labels a selector asks of which series."""

    metrics: set[str]
    labels: set[str]
    selected: set[tuple[str, str]]


def _tokens(expr: str) -> list[tuple[str, str]]:
    return [(m.lastgroup, m.group()) for m in TOKEN.finditer(expr) if m.lastgroup]


def _inside(tokens: list[tuple[str, str]], at: int, close: str) -> Iterator[tuple[str, str]]:
    for token in tokens[at:]:
        if token == ("sign", close):
            return
        yield token


def reads(expr: str) -> Reads:
    """Every name of an expression, told apart by where it stands."""
    tokens = _tokens(expr)
    found = Reads(set(), set(), set())
    skip = 0
    for at, (kind, text) in enumerate(tokens):
        if at < skip or kind != "name":
            continue
        after = tokens[at + 1] if at + 1 < len(tokens) else ("", "")
        if text in GROUPING and after == ("sign", "("):
            inside = list(_inside(tokens, at + 2, ")"))
            found.labels.update(name for kind, name in inside if kind == "name")
            skip = at + 2 + len(inside)
        elif text in WORDS or after == ("sign", "("):
            continue  # an operator, an aggregation, or a function
        elif after[0] == "name" and after[1] in ("by", "without"):
            continue  # an aggregation that says its labels first
        else:
            found.metrics.add(text)
            if after == ("sign", "{"):
                inside = list(_inside(tokens, at + 2, "}"))
                labels = {name for kind, name in inside if kind == "name"}
                found.labels.update(labels)
                found.selected.update((text, label) for label in labels)
                skip = at + 2 + len(inside)
    return found
