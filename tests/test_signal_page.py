"""The generated page and drawing of the signals: as committed, and as they are made for other stacks."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from components import signals
from components.charts import ROOT
from components.preflight.__main__ import stack_settings
from components.signals import __main__ as command
from components.signals import drawing, page, reading
from components.topology import plan
from tests.stacks import EVERY, settings_of
from tests.test_signals import fresh

SVG = "{http://www.w3.org/2000/svg}"


def graph_of(variant: str) -> signals.Graph:
    settings = settings_of(variant)
    return signals.graph(settings, plan(settings))


@pytest.mark.parametrize("name", ["signals.md", "signals.svg"])
def test_the_committed_page_is_what_the_code_generates(name: str, tmp_path: Path) -> None:
    settings = stack_settings(ROOT, "local")
    command.write(signals.graph(settings, plan(settings, "istio-stack", "local")), "local", tmp_path)
    assert (ROOT / "docs" / name).read_text() == (tmp_path / name).read_text(), "run `make graph`"


@pytest.mark.parametrize("variant", EVERY)
def test_mermaid_joins_nodes_that_it_declares(variant: str) -> None:
    lines = page.mermaid(graph_of(variant)).splitlines()
    assert lines[0] == "flowchart LR"
    declared = {found[1] for line in lines if (found := re.fullmatch(r'  (\w+)\[\(?".+"\)?\]', line))}
    joined = [found for line in lines if (found := re.fullmatch(r'  (\w+) -\.?->\|"[^"|]+"\| (\w+)', line))]
    assert len(declared) + len(joined) + 1 == len(lines)
    assert {name for found in joined for name in found.groups()} <= declared
    assert len(joined) == len(page.bundles(graph_of(variant))) >= 13


@pytest.mark.parametrize("variant", EVERY)
def test_the_drawing_has_every_node_edge_and_link_and_nothing_lies_outside_or_over_another(variant: str) -> None:
    g = graph_of(variant)
    root = ElementTree.fromstring(drawing.draw(g, "signals"))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    texts = {text.text for text in root.iter(f"{SVG}text")}
    assert {node.title for node in reading.nodes(g)} <= texts
    assert {link.name for link in g.links} <= texts
    assert len(list(root.iter(f"{SVG}path"))) == len(g.edges)
    boxes = [
        tuple(float(rect.attrib[key]) for key in ("x", "y", "width", "height"))
        for rect in root.iter(f"{SVG}rect")
        if rect.get("class") in ("box", "kept")
    ]
    assert len(boxes) == len(reading.nodes(g))
    for number, (x, y, w, h) in enumerate(boxes):
        assert x >= 0
        assert x + w <= width
        assert y + h <= height
        for x2, y2, w2, h2 in boxes[number + 1 :]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y


def test_an_edge_that_leads_nowhere_is_counted_and_not_drawn() -> None:
    c = fresh()
    c.instrumentation["exporter"]["endpoint"] = "http://nowhere.at-all:4318"
    g = reading.read(c)
    root = ElementTree.fromstring(drawing.draw(g, "signals"))
    assert len(list(root.iter(f"{SVG}path"))) == len(g.edges) - 3
    assert any(text.text and text.text.endswith("3 edges lead nowhere") for text in root.iter(f"{SVG}text"))


def test_another_stack_is_drawn_beside_the_documentation_and_not_over_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "Pulumi.dev.yaml").write_text((ROOT / "Pulumi.dev.yaml").read_text())
    assert command.main(["--stack", "dev"], tmp_path) == 0
    assert capsys.readouterr().out.split() == [".signals/dev/signals.md", ".signals/dev/signals.svg"]
    assert "stack `dev`" in (tmp_path / ".signals" / "dev" / "signals.md").read_text()


def test_an_unknown_stack_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--stack", "nope"]) == 2
    assert capsys.readouterr().err == "error: stack is nope: there is no Pulumi.nope.yaml\n"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert command.main(["--into", str(tmp_path / "file" / "x")]) == 2
    error = capsys.readouterr().err
    assert "file" in error
    assert error.count("\n") == 1


def test_a_stack_whose_signals_get_lost_is_drawn_and_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    c = fresh()
    c.instrumentation["exporter"]["endpoint"] = "http://nowhere.at-all:4318"
    monkeypatch.setattr(signals, "graph", lambda settings, topology: reading.read(c))
    assert command.main(["--into", str(tmp_path)]) == 1
    assert 'nowhere["nowhere"]' in (tmp_path / "signals.md").read_text()
    assert (tmp_path / "signals.svg").is_file()
    assert "error: signals: Instrumentation exporter.endpoint is nowhere.at-all:4318: nothing listens there" in capsys.readouterr().err
