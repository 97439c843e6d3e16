"""Draws a signal graph as an SVG: who sends on the left, who keeps on the right, one line for each signal, Grafana's links below."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

from components.signals.model import Node
from components.signals.page import bundles, link_text, port, scraped
from components.signals.reading import Graph, Resolved, nodes

_WIDTH = 1330
_LEFTS = (20, 400, 755, 1100)
"""Where each column begins."""
_BOX = 210
_TOP = 100
_LINE = 18
"""Between two lines that arrive at or leave the same side of a node."""
_GAP = 26
_COLOURS = {
    "span": ("#3867a6", "spans"),
    "log": ("#4a8f6a", "logs"),
    "access log": ("#7a9f35", "access logs"),
    "stdout line": ("#8a8f98", "lines of stdout"),
    "metric": ("#c77d2b", "metrics"),
    "block": ("#7b5ea7", "blocks and chunks"),
    "chunk": ("#7b5ea7", "blocks and chunks"),
    "query": ("#b04a78", "queries"),
    "view": ("#2f8f9d", "what people see"),
    "sign-in": ("#8c564b", "sign-in"),
    "dashboard": ("#8a8f98", "dashboards"),
}
_STYLE = """
text { font-family: 'Inter', 'Segoe UI', 'Helvetica Neue', Arial, sans-serif; font-size: 12px; fill: #24292f; }
.title { font-size: 18px; font-weight: 600; } .note { fill: #656d76; } .node { font-weight: 600; font-size: 13px; }
.small { fill: #656d76; font-size: 10.5px; } .box { fill: #f6f8fa; stroke: #c9d1d9; } .kept { fill: #f3eefb; stroke: #c9b8e6; }
.port { font-size: 10.5px; fill: #24292f; paint-order: stroke; stroke: #ffffff; stroke-width: 4px; }
"""


@dataclass
class _Box:
    """A node on the page, and the lines that touch each of its sides."""

    node: Node
    x: float
    y: float = 0
    height: float = 0
    touching: dict[str, list[_Line]] = field(default_factory=dict)

    def place(self, side: str, line: _Line) -> tuple[float, float]:
        """Where a line touches a side. Lines are sorted by their other ends, so that they cross little."""
        lines = self.touching[side]
        if side in ("top", "bottom"):
            return self.x + _BOX / 3, self.y + (self.height if side == "bottom" else 0)
        other = sorted(lines, key=lambda found: found.other(self).y + found.other(self).height / 2)
        return self.x + (_BOX if side == "right" else 0), self.y + self.height / 2 + (other.index(line) - (len(lines) - 1) / 2) * _LINE


@dataclass(eq=False)
class _Line:
    """One signal on its way between two boxes."""

    found: Resolved
    source: _Box
    target: _Box

    def other(self, box: _Box) -> _Box:
        return self.target if box is self.source else self.source

    @property
    def sides(self) -> tuple[str, str]:
        """Where it leaves its source and reaches its target; two of one column are joined from below to above."""
        if self.source.x == self.target.x:
            return ("bottom", "top") if self.source.y < self.target.y else ("top", "bottom")
        return ("right", "left") if self.source.x < self.target.x else ("left", "right")

    @property
    def ends(self) -> tuple[tuple[float, float], tuple[float, float]]:
        out, into = self.sides
        return self.source.place(out, self), self.target.place(into, self)


def draw(g: Graph, title: str) -> str:
    """The drawing as SVG text."""
    boxes, ways, bottom = _placed(g)
    lines = [part for way in ways for line in way for part in _line(line)] + [_port(way[0]) for way in ways if way]
    links, height = _links(g, bottom + 40)
    parts = [
        f'<text class="title" x="20" y="32">{escape(title)}</text>',
        f'<text class="note" x="20" y="54">{escape(_subtitle(g))}</text>',
        *_legend(g, 78),
        *lines,
        *(part for box in boxes.values() for part in _box(box, scraped(g).get(box.node.name))),
        *links,
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" width="{_WIDTH}" height="{height:.0f}" role="img">\n'
        f"<style>{_STYLE}</style>\n"
        f'<rect width="{_WIDTH}" height="{height:.0f}" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _subtitle(g: Graph) -> str:
    lost = [found for found in g.edges if found.target is None]
    text = f"{len(g.edges)} edges, {len(g.monitors)} monitors, {len(g.links)} links"
    return f"{text}; {len(lost)} edges lead nowhere" if lost else text


def _placed(g: Graph) -> tuple[dict[str, _Box], list[list[_Line]], float]:
    """Every node's box, high enough for its lines, its column spread from top to bottom; the lines by way; where the lowest ends."""
    boxes = {node.name: _Box(node, _LEFTS[node.column], y) for y, node in enumerate(nodes(g))}
    ways = [
        [_Line(found, boxes[found.edge.source], boxes[found.target]) for found in edges if found.target is not None]
        for edges in bundles(g).values()
    ]
    for line in (line for way in ways for line in way):
        for box, side in zip((line.source, line.target), line.sides, strict=True):
            box.touching.setdefault(side, []).append(line)
    columns: dict[int, list[_Box]] = {}
    for box in boxes.values():
        box.height = max(44, max(len(box.touching.get(side, ())) for side in ("left", "right")) * _LINE + 14)
        columns.setdefault(box.node.column, []).append(box)
    tallest = max(sum(box.height for box in column) + _GAP * (len(column) - 1) for column in columns.values())
    for column in columns.values():
        gap = (tallest - sum(box.height for box in column)) / len(column)
        y = _TOP + gap / 2
        for box in column:
            box.y = y
            y += box.height + gap
    return boxes, ways, _TOP + tallest


def _line(line: _Line) -> list[str]:
    """A curve, and a dot where it arrives."""
    (x1, y1), (x2, y2) = line.ends
    edge, half = line.found.edge, (x2 - x1) / 2
    colour, _ = _COLOURS[edge.signal]
    dashes = ' stroke-dasharray="5 3"' if edge.signal == "query" else ""
    tip = f"{edge.signal} from {edge.source} to {line.found.at} ({edge.protocol}), said in {edge.said}"
    curve = f"M{x1:.0f},{y1:.1f} C{x1 + half:.0f},{y1:.1f} {x2 - half:.0f},{y2:.1f} {x2:.0f},{y2:.1f}"
    return [
        f'<path d="{curve}" fill="none" stroke="{colour}" stroke-width="1.8"{dashes}><title>{escape(tip)}</title></path>',
        f'<circle cx="{x2:.0f}" cy="{y2:.1f}" r="3.2" fill="{colour}"/>',
    ]


def _port(line: _Line) -> str:
    """Protocol and port of a way: beside its source where that is a producer or who asks, else beside the target."""
    found, ((x1, y1), (x2, y2)) = line.found, line.ends
    text = found.edge.protocol if found.at == found.edge.protocol else f"{found.edge.protocol} {port(found.at).partition('/')[0]}"
    end = ""
    if line.sides[0] in ("top", "bottom"):
        x, y = x1 + 8, (y1 + y2) / 2 + 4
    elif line.source.node.column == 0:
        x, y = x1 + 8, y1 - 5
    elif line.sides[1] == "right":
        x, y, end = x1 - 10, y1 - 5, ' text-anchor="end"'
    else:
        x, y, end = x2 - 8, y2 - 6, ' text-anchor="end"'
    return f'<text class="port" x="{x:.0f}" y="{y:.1f}"{end}>{escape(text)}</text>'


def _box(box: _Box, scrape: str | None) -> list[str]:
    style = "kept" if box.node.name.endswith("blobs") else "box"
    middle = box.y + box.height / 2
    parts = [
        f'<rect class="{style}" x="{box.x}" y="{box.y:.1f}" width="{_BOX}" height="{box.height:.1f}" rx="6"/>',
        f'<text class="node" x="{box.x + 14}" y="{middle + (-2 if scrape else 5):.1f}">{escape(box.node.title)}</text>',
    ]
    if scrape:
        parts.append(f'<text class="small" x="{box.x + 14}" y="{middle + 13:.1f}">scraped at {escape(scrape)}</text>')
    return parts


def _legend(g: Graph, y: int) -> list[str]:
    used = dict.fromkeys(_COLOURS[found.edge.signal] for found in g.edges)
    parts, x = [], 20.0
    for colour, label in used:
        parts.append(f'<line x1="{x:.0f}" y1="{y - 4}" x2="{x + 18:.0f}" y2="{y - 4}" stroke="{colour}" stroke-width="3"/>')
        parts.append(f'<text class="note" x="{x + 24:.0f}" y="{y}">{label}</text>')
        x += 46 + 6.4 * len(label)
    return parts


def _links(g: Graph, y: float) -> tuple[list[str], float]:
    """Grafana's links as lines of text, and where the drawing ends."""
    parts = [f'<text class="node" x="20" y="{y:.0f}">Links in Grafana</text>']
    for name, source, target, goes_by in link_text(g):
        y += 20
        parts.append(f'<text x="32" y="{y:.0f}">{escape(name)}</text>')
        parts.append(f'<text x="170" y="{y:.0f}">{escape(source)} → {escape(target)}</text>')
        parts.append(f'<text class="note" x="340" y="{y:.0f}">{escape(goes_by)}</text>')
    return parts, y + 28
