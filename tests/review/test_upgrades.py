"""The steps of upgrades as data: each file is whole, and together they lead from one version to another."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from components.charts import open_lock
from review import upgrades, versions
from review.errors import Refusal
from review.upgrades import FOLDER

KNOWN = upgrades.load()
STEPS = [(folder, step) for folder, steps in KNOWN.steps.items() for step in steps]


@pytest.mark.parametrize(("folder", "step"), STEPS, ids=lambda p: p if isinstance(p, str) else f"{p.start}-{p.to}")
def test_every_step_leads_somewhere_and_somebody_vouches_for_it(folder: str, step: upgrades.Upgrade) -> None:
    charts = {KNOWN.folder(chart) for chart in open_lock("charts.yaml").entries}
    assert folder in charts
    assert step.summary and step.verified.by and len(step.verified.source) > 20


def test_a_plan_has_every_step_on_the_way_and_no_other() -> None:
    assert [step.to for step in KNOWN.plan("loki", "15.2.0", "18.11.0")] == ["16", "17", "18"]
    assert KNOWN.plan("loki", "18.0.0", "18.11.0") == []
    assert [step.to for step in KNOWN.plan("opentelemetry-operator", "0.109.4", "0.122.0")] == ["0.110", "0.116"]


def test_what_is_missing_on_the_way_has_a_name() -> None:
    assert KNOWN.missing("loki", "17.0.0", "19.1.0") == ["upgrades/loki/18-19.yaml"]
    assert KNOWN.missing("ztunnel", "1.29.1", "1.31.0") == ["upgrades/istio/1.29-1.30.yaml"]
    assert KNOWN.missing("istiod", "1.31.0", "2.0.0") == ["upgrades/istio/1.31-2.0.yaml"]
    assert KNOWN.missing("opentelemetry-operator", "0.109.4", "0.122.0") == []


@pytest.mark.parametrize(
    ("file", "content", "line"),
    [
        ("loki/18-19.yaml", "from: '18'\nto: '20'\nsummary: x\n", "upgrades/loki/18-19.yaml: verified: Field required"),
        ("loki/18-19.yaml", "nonsense: 1\n", "upgrades/loki/18-19.yaml: nonsense: Extra inputs are not permitted"),
        (
            "loki/18-19.yaml",
            "{from: '18', to: '20', summary: x, verified: {by: us, when: 2026-01-01, how: read, source: somewhere}}",
            "upgrades/loki/18-19.yaml: it says from 18 to 20, its name says 18-19",
        ),
        ("refused.yaml", "one: {chart: loki}\n", "upgrades/refused.yaml: one: value: Field required"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_refused_by_name(tmp_path: Path, file: str, content: str, line: str) -> None:
    folder = shutil.copytree(FOLDER, tmp_path / "upgrades")
    (folder / file).write_text(content)
    with pytest.raises(Refusal) as refused:
        upgrades.load(folder)
    assert line in str(refused.value).splitlines()


@pytest.mark.parametrize(("text", "numbers"), [("18.11.0", (18, 11, 0)), ("v1.21.1", (1, 21, 1)), ("1.31.0-rc.0", (1, 31, 0))])
def test_versions_are_read_as_charts_write_them(text: str, numbers: versions.Version) -> None:
    assert versions.parse(text) == numbers


@pytest.mark.parametrize("text", ["18", "latest", "1.2", "1.2.3.4", ""])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no version such as"):
        versions.parse(text)
