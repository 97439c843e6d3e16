"""What a run leaves for the next one to know, if it does not end well."""

from pathlib import Path

from rehearsal.events import Operation
from rehearsal.ledger import Ledger


def failed(op: str = "create") -> Operation:
    properties = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "key", "namespace": "place", "annotations": {"big": "thing"}},
        "stringData": {"password": "[secret]"},
    }
    return Operation("urn:x", "kubernetes:core/v1:Secret", op, "", 0.0, properties)


def test_a_run_that_ends_well_leaves_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "stack.unfinished.json")
    ledger.begin()
    ledger.note_failure(failed())
    ledger.end()
    assert list(tmp_path.iterdir()) == []
    assert Ledger(tmp_path / "stack.unfinished.json").unfinished_since is None


def test_of_several_unfinished_runs_the_first_one_counts(tmp_path: Path) -> None:
    Ledger(tmp_path / "l.json").begin()
    first = Ledger(tmp_path / "l.json").unfinished_since
    Ledger(tmp_path / "l.json").begin()
    assert first is not None and Ledger(tmp_path / "l.json").unfinished_since == first


def test_a_failed_creation_is_kept_by_what_identifies_it_and_no_more(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.json")
    ledger.begin()
    ledger.note_failure(failed())
    ledger.note_failure(failed("update"))
    inputs = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key", "namespace": "place"}}
    kept = {"urn": "urn:x", "type": "kubernetes:core/v1:Secret", "inputs": inputs}
    assert Ledger(tmp_path / "l.json").failed_creations == [kept]


def test_a_file_cut_short_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "l.json").write_text('{"began": "20')
    assert Ledger(tmp_path / "l.json").unfinished_since is None
