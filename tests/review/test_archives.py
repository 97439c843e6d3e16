"""Which charts a rendering is made of: the real ones where they can be had, one by one, and the same in both sides of a difference."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from rehearsal import probe
from rehearsal.bundles import pack
from review import archives, work
from review.errors import Refusal
from review.recorder import ROOT
from tests.review.changes import STACK, copy


@pytest.fixture(autouse=True)
def nothing_else_at_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither a repository nor what was fetched before."""
    monkeypatch.setenv(probe.OFFLINE, "1")
    monkeypatch.setattr(archives, "CACHE", str(tmp_path / "nothing"))


def mirrored(root: Path, *charts: str) -> Path:
    """Gives the stack of a copy a mirror that holds archives of these charts alone."""
    folder = root / "mirror"
    folder.mkdir()
    entries = yaml.safe_load((ROOT / "charts.yaml").read_text())["charts"]
    for name in charts:
        entry = entries[name]
        (folder / f"{name}-{entry['version']}.tgz").write_bytes(pack.archive(name, entry["version"], entry["appVersion"]))
    file = root / f"Pulumi.{STACK}.yaml"
    document = yaml.safe_load(file.read_text())
    document["config"]["istio-stack:chartMirror"] = str(folder)
    file.write_text(yaml.safe_dump(document))
    return root


def test_what_a_mirror_holds_is_taken_and_bundles_stand_in_for_the_rest(tmp_path: Path) -> None:
    found = work.render([STACK], mirrored(copy(tmp_path), "base", "istiod"))[STACK]
    sources = {name: use.source for name, use in found.charts.items()}
    assert {name for name, source in sources.items() if source == "archive"} == {"base", "istiod"}
    assert sources["loki"] == "stand-in"


def test_a_chart_that_one_side_alone_can_have_has_a_stand_in_in_both(tmp_path: Path) -> None:
    base, head = copy(tmp_path / "base"), mirrored(copy(tmp_path / "head"), "base")
    pair = work.pairs(base, head, [STACK])[STACK]
    for side in pair:
        assert side is not None
        assert {use.source for use in side.charts.values()} == {"stand-in"}


def test_an_archive_that_is_not_the_locked_one_is_refused(tmp_path: Path) -> None:
    root = mirrored(copy(tmp_path), "loki")
    with pytest.raises(Refusal, match="not the archive that was locked"):
        work.render([STACK], root)
