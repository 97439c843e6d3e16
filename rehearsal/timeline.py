"""Draws a run as an SVG: each layer over time, and in it each resource that changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from pathlib import Path

from rehearsal.engine import Outcome
from rehearsal.errors import RehearsalError
from rehearsal.events import Operation

_WIDTH = 1200
_LEFT = 270
_RIGHT = 60
_TOP = 84
_ROW = 18
_LAYER_GAP = 14
_BAR = 12
_SHORTEST = 2.5
"""Width of the shortest bar in pixels: an instant must be seen too."""
_COLOURS = {
    "Release": ("#3867a6", "Helm release"),
    "workload": ("#c77d2b", "workload of ours"),
    "custom": ("#4a8f6a", "custom resource"),
    "object": ("#8c8fa3", "other object"),
    "delete": ("#a65a5a", "removal"),
    "failed": ("#c62828", "failed"),
}
_WORKLOADS = {"Deployment", "StatefulSet", "DaemonSet", "Job"}
_STYLE = """
text { font-family: 'Inter', 'Segoe UI', 'Helvetica Neue', Arial, sans-serif; font-size: 12px; fill: #24292f; }
.title { font-size: 18px; font-weight: 600; } .note { fill: #656d76; } .layer { font-weight: 600; font-size: 13px; }
.tick { fill: #656d76; font-size: 11px; } .value { fill: #656d76; font-size: 11px; } .grid { stroke: #e3e6ea; stroke-width: 1; }
.span { fill: #eef1f5; }
"""


@dataclass(frozen=True)
class Lane:
    """One layer with its operations, by start."""

    name: str
    operations: tuple[Operation, ...]

    @property
    def started(self) -> float:
        return self.operations[0].started

    @property
    def ended(self) -> float:
        return max(operation.ended or operation.started for operation in self.operations)


def lanes(outcome: Outcome) -> list[Lane]:
    """The layers in which something changed, by start."""
    found: dict[str, list[Operation]] = {}
    for operation in outcome.operations:
        if operation.changes and operation.concrete:
            found.setdefault(outcome.layers[operation.urn], []).append(operation)
    sorted_lanes = (Lane(name, tuple(sorted(own, key=lambda operation: operation.started))) for name, own in found.items())
    return sorted(sorted_lanes, key=lambda lane: lane.started)


def write(outcome: Outcome, file: Path, title: str) -> None:
    """Writes the drawing. RehearsalError where the file cannot be written."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(draw(lanes(outcome), outcome.seconds, title))
    except OSError as error:
        raise RehearsalError(f"the timeline cannot be written to {file}: {error.strerror}") from None


def draw(drawn: Sequence[Lane], seconds: float, title: str) -> str:
    """The drawing as SVG text; times are seconds since the run began."""
    end = max([seconds, *(lane.ended for lane in drawn)])
    step = _tick(end)
    last = max(step, ceil(end / step) * step)
    scale = (_WIDTH - _LEFT - _RIGHT) / last
    bottom = _TOP + sum(_height(lane) for lane in drawn)
    parts = [
        f'<text class="title" x="20" y="32">{escape(title)}</text>',
        f'<text class="note" x="20" y="54">{_subtitle(drawn, seconds)}</text>',
        *_axis(step, last, scale, bottom),
    ]
    top = _TOP
    for lane in drawn:
        parts += _lane(lane, top, scale)
        top += _height(lane)
    parts += _legend(drawn, bottom + 44)
    height = bottom + 66
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" role="img">\n'
        f"<style>{_STYLE}</style>\n"
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _height(lane: Lane) -> int:
    return (len(lane.operations) + 1) * _ROW + _LAYER_GAP


def _subtitle(drawn: Sequence[Lane], seconds: float) -> str:
    count = sum(len(lane.operations) for lane in drawn)
    return f"{count} resources in {len(drawn)} layers, {seconds:.1f} s" if drawn else f"no change, {seconds:.1f} s"


def _tick(seconds: float) -> float:
    """A round distance of ticks, so that about ten of them cover the time."""
    raw = max(seconds, 0.1) / 10
    magnitude = 10 ** floor(log10(raw))
    return next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= raw)


def _axis(step: float, last: float, scale: float, bottom: int) -> list[str]:
    parts = []
    for number in range(round(last / step) + 1):
        x = _LEFT + number * step * scale
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{_TOP - 6}" x2="{x:.1f}" y2="{bottom}"/>')
        for y in (_TOP - 12, bottom + 16):
            parts.append(f'<text class="tick" x="{x:.1f}" y="{y}" text-anchor="middle">{number * step:g} s</text>')
    return parts


def _lane(lane: Lane, top: int, scale: float) -> list[str]:
    x, width = _LEFT + lane.started * scale, max((lane.ended - lane.started) * scale, _SHORTEST)
    height = _height(lane) - _LAYER_GAP
    parts = [
        f'<rect class="span" x="{x:.1f}" y="{top}" width="{width:.1f}" height="{height}" rx="3"/>',
        f'<text class="layer" x="20" y="{top + 13}">{escape(lane.name)}</text>',
        f'<text class="value" x="{x + 4:.1f}" y="{top + 13}">{lane.ended - lane.started:.1f} s</text>',
    ]
    for number, operation in enumerate(lane.operations, 1):
        parts += _bar(operation, top + number * _ROW, scale)
    return parts


def _bar(operation: Operation, top: int, scale: float) -> list[str]:
    ended = operation.ended if operation.ended is not None else operation.started
    x, width = _LEFT + operation.started * scale, max((ended - operation.started) * scale, _SHORTEST)
    label = f"{operation.kind} {operation.name}"
    shown = label if len(label) <= 40 else f"{label[:39]}…"
    tip = f"{label}: {operation.op}, {operation.started:.2f} s to {ended:.2f} s"
    took = f"{ended - operation.started:.1f} s"
    colour = _COLOURS[_sort(operation)][0]
    parts = [
        f'<text class="note" x="32" y="{top + 10}">{escape(shown)}</text>',
        f'<rect x="{x:.1f}" y="{top}" width="{width:.1f}" height="{_BAR}" rx="2" fill="{colour}"><title>{escape(tip)}</title></rect>',
    ]
    if ended - operation.started >= 0.05:
        parts.append(f'<text class="value" x="{x + width + 4:.1f}" y="{top + 10}">{took}</text>')
    return parts


def _sort(operation: Operation) -> str:
    """Which colour an operation has."""
    if operation.failed:
        return "failed"
    if operation.op.startswith("delete"):
        return "delete"
    if operation.kind == "Release":
        return "Release"
    if operation.kind in _WORKLOADS:
        return "workload"
    group = operation.type.split(":")[1].partition("/")[0] if operation.type.count(":") >= 2 else ""
    return "custom" if "." in group and not group.endswith(".k8s.io") else "object"


def _legend(drawn: Sequence[Lane], y: int) -> list[str]:
    used = {_sort(operation) for lane in drawn for operation in lane.operations}
    parts, x = [], 20.0
    for key, (colour, label) in _COLOURS.items():
        if key in used:
            parts.append(f'<rect x="{x:.0f}" y="{y - 10}" width="12" height="12" rx="2" fill="{colour}"/>')
            parts.append(f'<text class="note" x="{x + 18:.0f}" y="{y}">{label}</text>')
            x += 36 + 6.6 * len(label)
    return parts
