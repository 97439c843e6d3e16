"""The review of one stack: what changes, of which class and why, what it costs, which signals go another way, and why it is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from review import guards
from review.classes import ORDER, Class, Judged, of_field, of_object
from review.compare import ABSENT, Difference, configuration_moved, differences
from review.render import Rendering
from review.work import Pair
from review.writing import stand_ins

FIELDS_SHOWN = 12
"""Of one object; of a CRD or a dashboard fewer, as nobody reads them this way."""
FEW_FIELDS_SHOWN = 3


class Row(NamedTuple):
    """One line of a table."""

    kind: Class
    object: str
    layer: str
    field: str
    before: Any
    after: Any
    why: str


@dataclass(frozen=True)
class CostRow:
    """One line of the bill, per month."""

    what: str
    before: float
    after: float


@dataclass(frozen=True)
class Review:
    """What a change does to one stack."""

    stack: str
    refusals: tuple[str, ...]
    notes: tuple[str, ...]
    counts: dict[Class, int]
    """Objects by class, the worst first."""
    rows: tuple[Row, ...]
    folded: int
    """Objects of which only labels and checksums of charts differ, and nothing that runs."""
    charts: tuple[tuple[str, str, str], ...]
    currency: str
    costs: tuple[CostRow, ...]
    signals_added: tuple[str, ...]
    signals_removed: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """Whether nothing differs."""
        return not (self.refusals or self.rows or self.folded or self.costs or self.signals_added or self.signals_removed or self.charts)


def review(stack: str, pair: Pair) -> Review:
    """Compares and judges."""
    base, head = pair
    notes: list[str] = []
    if base is not None and base.errors:
        notes.append(f"the base refuses its own configuration, so everything counts as new: {base.errors[0]}")
        base = None
    if head is not None and head.errors:
        return Review(stack, head.errors, tuple(notes), {}, (), 0, (), "", (), (), ())
    notes += _stand_ins(base, head)
    notes += [f"was there before: {line}" for line in (head.leaks if head else ()) if base and line in base.leaks]
    refusals = tuple(line for line in (head.leaks if head else ()) if base is None or line not in base.leaks)
    if head is not None:
        refusals += tuple(guards.broken(base, head))
        notes += guards.standing(base, head)
    judged = [(d, of_object(d)) for d in differences(base, head)]
    shown = [(d, one) for d, one in judged if d.action != "change" or d.fields or one.kind != "safe"]
    shown.sort(key=lambda item: ORDER.index(item[1].kind))
    counts: dict[Class, int] = {kind: count for kind in ORDER if (count := sum(one.kind == kind for _, one in shown))}
    rows = tuple(row for d, one in shown for row in _rows(d, one))
    currency, costs = _costs(base, head)
    before, after = set(base.signals or () if base else ()), set(head.signals or () if head else ())
    if base and base.signals is None:
        notes.append("the base knows no signal graph: all of it counts as new")
    added, removed = tuple(sorted(after - before)), tuple(sorted(before - after))
    charts = _charts(base, head)
    return Review(stack, refusals, tuple(notes), counts, rows, len(judged) - len(shown), charts, currency, costs, added, removed)


def _stand_ins(base: Rendering | None, head: Rendering | None) -> list[str]:
    names = sorted({name for side in (base, head) if side for name in stand_ins(side)})
    return [f"not the real charts: bundles stand in for {', '.join(names)}"] if names else []


def _rows(d: Difference, whole: Judged) -> list[Row]:
    name = str(d.key)
    if d.action != "change":
        said = (ABSENT, "new") if d.action == "add" else ("there", "removed")
        return [Row(whole.kind, name, d.layer, "", *said, whole.why)]
    judged = [(f, of_field(d, f)) for f in d.fields]
    judged.sort(key=lambda item: ORDER.index(item[1].kind))
    rows = [Row(one.kind, name, d.layer, f.where, f.before, f.after, one.why) for f, one in judged]
    most = FEW_FIELDS_SHOWN if whole.kind == "CRD" or _is_dashboard(d) else FIELDS_SHOWN
    if len(rows) > most:
        rest = rows[most:]
        rows = [*rows[:most], Row(rest[0].kind, name, d.layer, f"and {len(rest)} more", "", "", "")]
    if configuration_moved(d):
        rows.append(Row("restart", name, d.layer, "checksum of its configuration", "", "", "its configuration is another one"))
    elif not rows or whole.kind not in [row.kind for row in rows]:
        rows.append(Row(whole.kind, name, d.layer, "labels of its chart", "", "", whole.why))
    return rows


def _is_dashboard(d: Difference) -> bool:
    return "grafana_dashboard" in ((d.after.get("metadata") or {}).get("labels") or {})


def _charts(base: Rendering | None, head: Rendering | None) -> tuple[tuple[str, str, str], ...]:
    before = {name: use.version for name, use in base.charts.items()} if base else {}
    after = {name: use.version for name, use in head.charts.items()} if head else {}
    if base is None or head is None:
        return ()
    names = sorted(before.keys() | after.keys())
    return tuple((n, before.get(n, ABSENT), after.get(n, ABSENT)) for n in names if before.get(n) != after.get(n))


def _costs(base: Rendering | None, head: Rendering | None) -> tuple[str, tuple[CostRow, ...]]:
    """The lines of the bill that differ, and their sum; none where either side has no bill or nothing differs."""
    one, other = base.cost if base else None, head.cost if head else None
    if one is None or other is None:
        return "", ()
    before, after = one["lines"], other["lines"]
    names = [*before, *(name for name in after if name not in before)]
    rows = [CostRow(name, before.get(name, 0.0), after.get(name, 0.0)) for name in names]
    changed = [row for row in rows if row.before != row.after]
    total = CostRow("in all", round(sum(before.values()), 2), round(sum(after.values()), 2))
    return other["currency"], (*changed, total) if changed else ()
