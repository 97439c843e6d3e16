"""Which secrets of a run must be encrypted anew."""

from __future__ import annotations

from pathlib import Path

from rehearsal.concealed import Concealed


def test_a_value_is_kept_once_it_was_noted_and_no_other_one_is(tmp_path: Path) -> None:
    first = Concealed(tmp_path / "secrets.json", "passphrase", {"a": "one", "b": "two"})
    assert not first.is_kept("a")
    first.note()
    again = Concealed(tmp_path / "secrets.json", "passphrase", {"a": "one", "b": "three"})
    assert (again.is_kept("a"), again.is_kept("b"), again.is_kept("c")) == (True, False, False)


def test_another_passphrase_means_another_encryption(tmp_path: Path) -> None:
    Concealed(tmp_path / "secrets.json", "passphrase", {"a": "one"}).note()
    assert not Concealed(tmp_path / "secrets.json", "another", {"a": "one"}).is_kept("a")


def test_the_file_holds_no_value_and_a_spoilt_one_is_as_good_as_none(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    concealed = Concealed(file, "passphrase", {"a": "sentinel-value"})
    concealed.note()
    assert "sentinel-value" not in file.read_text()
    file.write_text("{")
    assert not concealed.is_kept("a")
