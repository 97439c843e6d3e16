"""The drawing of a run: one band a layer, one bar a resource, to scale."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from rehearsal import timeline
from rehearsal.engine import Outcome
from rehearsal.errors import RehearsalError
from rehearsal.events import Operation

SVG = "{http://www.w3.org/2000/svg}"


def operation(
    name: str, started: float, ended: float, kind: str = "kubernetes:helm.sh/v3:Release", op: str = "create", **more
) -> Operation:
    return Operation(f"urn:pulumi:s::p::p:part:L${kind}::{name}", kind, op, "", started, ended=ended, **more)


def outcome(*operations: Operation, seconds: float = 10.0, layer: str = "first") -> Outcome:
    return Outcome("up", True, seconds, {}, list(operations), {op.urn: layer for op in operations})


def bars(drawing: str) -> dict[str, tuple[float, float]]:
    """Left edge and width of each bar, by the name in its tooltip."""
    found = {}
    for rect in ET.fromstring(drawing).iter(f"{SVG}rect"):
        title = rect.find(f"{SVG}title")
        if title is not None and title.text:
            found[title.text.partition(":")[0]] = (float(rect.attrib["x"]), float(rect.attrib["width"]))
    return found


def drawn(*operations: Operation, seconds: float = 10.0) -> str:
    return timeline.draw(timeline.lanes(outcome(*operations, seconds=seconds)), seconds, "up")


def test_bars_are_to_scale() -> None:
    found = bars(drawn(operation("a", 1.0, 3.0), operation("b", 3.0, 7.0)))
    (a, a_width), (b, b_width) = found["Release a"], found["Release b"]
    assert b_width == pytest.approx(2 * a_width, rel=0.01)
    assert b == pytest.approx(a + a_width, abs=0.2)


def test_an_instant_is_still_seen() -> None:
    assert bars(drawn(operation("a", 1.0, 1.0)))["Release a"][1] >= 2


def test_only_what_changed_is_drawn_in_layers_by_start() -> None:
    late, early = operation("late", 5.0, 6.0), operation("early", 1.0, 2.0)
    same = operation("same", 0.0, 0.1, op="same")
    run = outcome(late, early, same)
    run.layers = {late.urn: "second", early.urn: "first", same.urn: "zero"}
    assert [(lane.name, [op.name for op in lane.operations]) for lane in timeline.lanes(run)] == [
        ("first", ["early"]),
        ("second", ["late"]),
    ]


def test_what_failed_looks_different() -> None:
    good, bad = drawn(operation("a", 0.0, 1.0)), drawn(operation("a", 0.0, 1.0, failed=True))
    assert "failed" in bad and "failed" not in good


def test_names_cannot_break_the_drawing() -> None:
    texts = [text.text for text in ET.fromstring(timeline.draw([], 1.0, 'up of <stack> & "more"')).iter(f"{SVG}text")]
    assert texts[0] == 'up of <stack> & "more"'


def test_a_long_run_keeps_about_ten_ticks() -> None:
    for seconds in (0.4, 3.0, 14.0, 75.0, 900.0):
        ticks = ET.fromstring(drawn(operation("a", 0.0, seconds), seconds=seconds)).findall(f"{SVG}line")
        assert 6 <= len(ticks) <= 12, seconds


def test_a_run_without_a_change_says_so() -> None:
    assert "no change" in drawn(operation("a", 0.0, 1.0, op="same"))


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RehearsalError, match=r"the timeline cannot be written to .*file/t\.svg"):
        timeline.write(outcome(), tmp_path / "file" / "t.svg", "up")
