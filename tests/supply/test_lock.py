"""`make lock`: versions to digests, all or nothing, against a repository on loopback."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from components.charts import ROOT
from components.errors import ConfigurationError
from supply import locking
from supply.__main__ import main
from supply.errors import SupplyError
from tests.supply.conftest import LOCK, Repository


def test_every_entry_gets_its_digest_and_nothing_else_changes(repository: Repository, lock: Path) -> None:
    chart, manifest = repository.publish("tempo", "2.2.4", "2.10.8"), repository.manifest("v1.5.1")
    assert locking.lock(lock) == [f"tempo 2.2.4: sha256 {chart}", f"gateway-api v1.5.1: sha256 {manifest}"]
    reason = "    reason: no published digest was at hand\n"
    expected = LOCK.format(url=repository.url).replace(reason, "").replace("null", chart, 1).replace("null", manifest, 1)
    assert lock.read_text() == expected


def test_a_lock_that_is_right_is_not_touched(repository: Repository, lock: Path) -> None:
    repository.publish("tempo", "2.2.4", "2.10.8")
    repository.manifest("v1.5.1")
    locking.lock(lock)
    before = lock.stat()
    assert locking.lock(lock) == []
    assert lock.stat() == before


def test_one_chart_goes_to_another_version_with_all_that_belongs_to_it(repository: Repository, lock: Path) -> None:
    repository.publish("tempo", "2.2.4", "2.10.8")
    digest = repository.publish("tempo", "2.3.0", "2.11.0", urls=["archives/tempo-2.3.0.tgz"])
    (repository.folder / "archives").mkdir()
    shutil.move(repository.folder / "tempo-2.3.0.tgz", repository.folder / "archives")
    assert locking.lock(lock, "tempo", "2.3.0") == [f"tempo 2.2.4 -> 2.3.0: sha256 {digest}"]
    text = lock.read_text()
    for line in ("version: 2.3.0", "appVersion: 2.11.0", f"url: {repository.url}/archives/tempo-2.3.0.tgz", f"digest: {digest}"):
        assert f"    {line}\n" in text
    assert "tempo: # the trace store\n" in text and "  # Not a chart.\n  gateway-api:\n" in text
    assert text.count("digest: null") == 1  # the other entry was not asked for


def test_a_manifest_goes_to_another_version_by_its_address(repository: Repository, lock: Path) -> None:
    digest = repository.manifest("v1.6.0")
    assert locking.lock(lock, "gateway-api", "v1.6.0") == [f"gateway-api v1.5.1 -> v1.6.0: sha256 {digest}"]
    assert f"url: {repository.url}/v1.6.0/gateway-api.yaml" in lock.read_text()


def test_the_same_version_with_another_digest_is_refused(repository: Repository, lock: Path) -> None:
    repository.publish("tempo", "2.2.4", "2.10.8")
    locking.lock(lock, "tempo")
    before = lock.read_text()
    repository.publish("tempo", "2.2.4", "2.10.9")
    with pytest.raises(
        SupplyError, match=r"^tempo 2\.2\.4: .*: the same version is another archive; find out who changed it\n.* is as it was$"
    ):
        locking.lock(lock, "tempo")
    assert lock.read_text() == before


def test_an_archive_that_its_own_index_does_not_know_is_refused(repository: Repository, lock: Path) -> None:
    repository.publish("tempo", "2.2.4", "2.10.8", digest="0" * 64)
    with pytest.raises(SupplyError, match="its index says 0000"):
        locking.lock(lock, "tempo")


def test_what_is_no_archive_of_the_chart_is_refused(repository: Repository, lock: Path) -> None:
    repository.publish("tempo", "2.2.4", "2.10.8", digest=None)
    (repository.folder / "tempo-2.2.4.tgz").write_bytes(b"<html>please log in</html>")
    with pytest.raises(SupplyError, match=r"holds no tempo/Chart\.yaml"):
        locking.lock(lock, "tempo")
    shutil.copy(repository.folder / "tempo-2.2.4.tgz", repository.folder / "old.tgz")
    repository.publish("tempo", "2.0.0", "2.10.8")
    shutil.copy(repository.folder / "tempo-2.0.0.tgz", repository.folder / "tempo-2.2.4.tgz")
    with pytest.raises(SupplyError, match=r"holds version 2\.0\.0"):
        locking.lock(lock, "tempo")


def test_where_one_does_not_answer_none_is_changed_and_each_is_named(repository: Repository, lock: Path) -> None:
    repository.publish("tempo", "2.2.4", "2.10.8")
    before = lock.read_text()
    with pytest.raises(SupplyError, match=r"^gateway-api v1\.5\.1: http://127.0.0.1:\d+/v1\.5\.1/gateway-api\.yaml cannot be had: 404"):
        locking.lock(lock)
    assert lock.read_text() == before
    lock.write_text(before.replace(repository.url, "http://127.0.0.1:9"))
    with pytest.raises(SupplyError) as caught:
        locking.lock(lock)
    tempo, manifest, end = str(caught.value).splitlines()
    assert tempo.startswith("tempo 2.2.4: http://127.0.0.1:9/index.yaml cannot be reached: ") and "refused" in tempo
    assert manifest.startswith("gateway-api v1.5.1: ") and end.endswith("is as it was")
    assert sorted(path.name for path in lock.parent.iterdir()) == ["charts.yaml", "repository"]


def test_a_version_that_is_not_published_is_named_with_those_that_are(repository: Repository, lock: Path) -> None:
    repository.publish("tempo", "2.2.4", "2.10.8")
    with pytest.raises(SupplyError, match=r"publishes no tempo 9\.9\.9; its newest are 2\.2\.4"):
        locking.lock(lock, "tempo", "9.9.9")


def test_what_is_no_index_is_named(repository: Repository, lock: Path) -> None:
    (repository.folder / "index.yaml").write_text("<html>")
    with pytest.raises(SupplyError, match=r"/index\.yaml is not the index of a chart repository"):
        locking.lock(lock, "tempo")


def test_one_index_serves_every_chart_of_its_repository(repository: Repository, lock: Path) -> None:
    repository.publish("tempo", "2.2.4", "2.10.8")
    repository.publish("loki", "18.11.0", "3.7.6")
    loki = LOCK.format(url=repository.url).split("  # Not")[0].partition("charts:\n")[2]
    loki = loki.replace("tempo", "loki").replace("2.2.4", "18.11.0").replace("2.10.8", "3.7.6")
    lock.write_text(lock.read_text().split("  # Not")[0] + loki)
    assert len(locking.lock(lock)) == 2
    assert len([line for line in repository.asked if "index.yaml" in line]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing", None), r"^CHART is nothing: .*charts\.yaml holds no such chart; it holds tempo, gateway-api$"),
        ((None, "1.0.0"), r"^TO is 1\.0\.0: CHART must say which chart goes there$"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(lock: Path, arguments: tuple[str | None, str | None], message: str) -> None:
    with pytest.raises(SupplyError, match=message):
        locking.lock(lock, *arguments)


def test_an_entry_whose_name_says_its_version_is_locked_there_and_nowhere_else(repository: Repository, lock: Path) -> None:
    lock.write_text(lock.read_text().replace("  tempo: # the trace store", "  tempo@2.2.4:"))
    digest = repository.publish("tempo", "2.2.4", "2.10.8")
    assert locking.lock(lock, "tempo@2.2.4") == [f"tempo@2.2.4 2.2.4: sha256 {digest}"]
    with pytest.raises(SupplyError, match=r"^TO is 2\.3\.0: the name of CHART tempo@2\.2\.4 says its version"):
        locking.lock(lock, "tempo@2.2.4", "2.3.0")


def test_a_lock_that_cannot_be_read_is_named(lock: Path) -> None:
    lock.write_text("charts: [")
    with pytest.raises(ConfigurationError):
        locking.lock(lock)


def test_our_own_lock_survives_being_read_and_written() -> None:
    document, round_trip = locking.opened(ROOT / "charts.yaml")
    assert locking.text_of(document, round_trip) == (ROOT / "charts.yaml").read_text()


def test_the_command_says_what_it_did(repository: Repository, lock: Path, capsys: pytest.CaptureFixture[str]) -> None:
    digest = repository.publish("tempo", "2.2.4", "2.10.8")
    assert main(["lock", "--file", str(lock), "--chart", "tempo"]) == 0
    assert f"tempo 2.2.4: sha256 {digest}" in capsys.readouterr().err
    assert main(["lock", "--file", str(lock), "--chart", "tempo", "--to", "9.9.9"]) == 2
    assert "error: tempo 9.9.9: " in capsys.readouterr().err
