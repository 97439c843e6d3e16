"""Where the charts of a run come from, and why."""

from pathlib import Path

import pytest
import yaml

from rehearsal import mirror
from rehearsal.errors import RehearsalError
from rehearsal.mirror import Wishes

LOCK = {
    "charts": {
        "tempo": {"version": "2.2.4", "appVersion": "2.10.8", "url": "https://one.invalid/tempo-2.2.4.tgz", "digest": "0" * 64},
        "loki": {"version": "18.11.0", "appVersion": "3.7.6", "url": "https://one.invalid/loki-18.11.0.tgz", "digest": "0" * 64},
        "alloy": {"version": "1.11.1", "appVersion": "v1.18.1", "url": "https://two.invalid/alloy-1.11.1.tgz", "digest": "0" * 64},
    }
}
ALL = {"https://one.invalid/tempo-2.2.4.tgz", "https://two.invalid/alloy-1.11.1.tgz"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "charts.yaml").write_text(yaml.safe_dump(LOCK, sort_keys=False))
    return tmp_path


def wishes(root: Path, **keys: str) -> Wishes:
    return Wishes.of(root, {f"p:{key}": value for key, value in keys.items()}, "p")


def test_one_archive_of_each_repository_is_asked_for(root: Path) -> None:
    assert set(wishes(root).addresses()) == ALL


def test_repositories_that_all_answer_are_used(root: Path) -> None:
    source = mirror.decide(wishes(root), ALL, root / "run", simulated=True)
    assert (source.kind, source.settings) == ("repositories", {})


def test_one_silent_repository_is_enough_for_bundles_which_the_program_sees_as_a_mirror_with_a_lock(root: Path) -> None:
    source = mirror.decide(wishes(root), {"https://one.invalid/tempo-2.2.4.tgz"}, root / "run", simulated=True)
    assert source.kind == "bundles" and "two.invalid" in source.why and "one.invalid" not in source.why
    assert source.settings == {"chartMirror": "run/mirror", "chartLock": "run/mirror/charts.yaml"}
    packed = yaml.safe_load((root / source.settings["chartLock"]).read_text())["charts"]
    assert packed["tempo"]["version"] == "2.2.4" and packed["tempo"]["standIn"] is True
    assert (root / "run" / "mirror" / "tempo-2.2.4.tgz").is_file()


def test_no_stand_in_goes_to_a_real_cluster(root: Path) -> None:
    with pytest.raises(RehearsalError, match=r"no answer from one\.invalid, two\.invalid within 3 s; .* chartMirror$"):
        mirror.decide(wishes(root), set(), root / "run", simulated=False)
    assert not (root / "run").exists()


def test_a_mirror_folder_of_the_stack_is_taken_as_it_is(root: Path) -> None:
    own = wishes(root, chartMirror="vendor")
    assert own.addresses() == []
    source = mirror.decide(own, set(), root / "run", simulated=True)
    assert (source.kind, source.where, source.settings) == ("chartMirror", "vendor", {})


def test_a_mirror_that_is_an_address_is_asked_instead_of_the_repositories(root: Path) -> None:
    own = wishes(root, chartMirror="https://mirror.invalid/charts/")
    assert own.addresses() == ["https://mirror.invalid/charts/tempo-2.2.4.tgz"]
    assert mirror.decide(own, set(own.addresses()), root / "run", simulated=True).kind == "chartMirror"
    assert mirror.decide(own, set(), root / "run", simulated=True).kind == "bundles"


def test_archives_fetched_before_need_no_repository(root: Path) -> None:
    (root / mirror.CACHE).mkdir()
    for name, entry in LOCK["charts"].items():
        (root / mirror.CACHE / f"{name}-{entry['version']}.tgz").touch()
    assert wishes(root).addresses() == []
    assert mirror.decide(wishes(root), set(), root / "run", simulated=False).kind == "repositories"


def test_a_lock_that_cannot_be_read_is_left_to_the_program_to_name(root: Path) -> None:
    (root / "charts.yaml").write_text("charts: [")
    assert wishes(root).addresses() == []
