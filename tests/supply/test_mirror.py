"""`make mirror`: a folder that has all that a stack installs, verified, and the list of the images that it runs."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
import yaml

from components.charts import open_lock
from components.topology import plan
from rehearsal import probe
from supply import mirroring
from supply.__main__ import main
from supply.errors import SupplyError
from tests.stacks import settings_of
from tests.supply.conftest import Repository


def test_every_archive_comes_with_a_lock_that_pins_what_came(repository: Repository, lock: Path, tmp_path: Path) -> None:
    digests = {"tempo": repository.publish("tempo", "2.2.4", "2.10.8"), "gateway-api": repository.manifest("v1.5.1")}
    filled = mirroring.fill(tmp_path / "mirror", lock)
    assert filled.fetched == filled.unverified == ("tempo", "gateway-api")
    charts = open_lock(str(filled.lock), str(tmp_path / "mirror"))
    assert {name: chart.digest for name, chart in charts.entries.items()} == digests
    assert [Path(charts.archive(name)).name for name in digests] == ["tempo-2.2.4.tgz", "gateway-api-v1.5.1.yaml"]
    written = yaml.safe_load(filled.lock.read_text())["charts"]["tempo"]
    assert written["reason"] == "as it came into this mirror; no published digest was at hand"


def test_of_several_versions_of_a_chart_those_asked_for_come(repository: Repository, lock: Path, tmp_path: Path) -> None:
    for version in ("2.2.4", "2.3.0"):
        repository.publish("tempo", version, "2.10.8")
    second = lock.read_text().split("  # Not")[0].partition("charts:\n")[2].replace("2.2.4", "2.3.0").replace("tempo:", "tempo@2.3.0:")
    lock.write_text(lock.read_text() + second)
    assert mirroring.fill(tmp_path / "one", lock, ["tempo@2.2.4"]).fetched == ("tempo",)
    assert mirroring.fill(tmp_path / "two", lock, ["tempo", "tempo@2.3.0"]).fetched == ("tempo", "tempo@2.3.0")
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["charts.yaml", "tempo-2.2.4.tgz", "tempo-2.3.0.tgz"]


def test_what_is_there_already_is_not_fetched_again(repository: Repository, lock: Path, tmp_path: Path) -> None:
    digest = repository.publish("tempo", "2.2.4", "2.10.8")
    lock.write_text(lock.read_text().replace("digest: null", f"digest: {digest}", 1))
    mirroring.fill(tmp_path / "mirror", lock, ["tempo"])
    repository.asked.clear()
    again = mirroring.fill(tmp_path / "mirror", lock, ["tempo"])
    assert (again.fetched, again.kept, repository.asked) == ((), ("tempo",), [])


def test_a_folder_or_an_address_may_be_the_source_of_all(repository: Repository, lock: Path, tmp_path: Path) -> None:
    repository.publish("tempo", "2.2.4", "2.10.8")
    lock.write_text(lock.read_text().replace(f"url: {repository.url}", "url: https://nowhere.invalid"))
    for number, source in enumerate((str(repository.folder), repository.url, f"{repository.url}/")):
        assert mirroring.fill(tmp_path / str(number), lock, ["tempo"], source).fetched == ("tempo",)


def test_what_is_not_the_locked_archive_is_refused_and_there_is_no_lock(repository: Repository, lock: Path, tmp_path: Path) -> None:
    digest = repository.publish("tempo", "2.2.4", "2.10.8")
    lock.write_text(lock.read_text().replace("digest: null", f"digest: {'0' * 64}", 1))
    with pytest.raises(SupplyError) as caught:
        mirroring.fill(tmp_path / "mirror", lock)
    tempo, manifest, end = str(caught.value).splitlines()
    assert tempo.startswith(f"tempo 2.2.4: sha256 is {digest}, ") and tempo.endswith("not the archive that was locked")
    assert manifest.startswith("gateway-api v1.5.1: ") and "404" in manifest
    assert end == f"{tmp_path / 'mirror'} has no lock yet: run it again when the cause is mended"
    assert not (tmp_path / "mirror").exists()


def test_what_came_before_something_failed_is_kept_for_the_next_try(repository: Repository, lock: Path, tmp_path: Path) -> None:
    digest = repository.publish("tempo", "2.2.4", "2.10.8")
    lock.write_text(lock.read_text().replace("digest: null", f"digest: {digest}", 1))
    with pytest.raises(SupplyError, match="gateway-api"):
        mirroring.fill(tmp_path / "mirror", lock)
    repository.manifest("v1.5.1")
    filled = mirroring.fill(tmp_path / "mirror", lock)
    assert (filled.fetched, filled.kept) == (("gateway-api",), ("tempo",))


def test_a_folder_that_lacks_an_archive_or_cannot_be_written_is_named(lock: Path, tmp_path: Path) -> None:
    with pytest.raises(SupplyError, match=r"^tempo 2\.2\.4: FROM is nowhere: tempo-2\.2\.4\.tgz: No such file"):
        mirroring.fill(tmp_path / "mirror", lock, ["tempo"], "nowhere")
    (tmp_path / "taken").write_text("")
    assert main(["mirror", "--into", str(tmp_path / "taken" / "x"), "--stack", "nobody"]) == 2


def test_the_command_fills_a_folder_for_one_stack_and_lists_its_images(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(probe.OFFLINE, "1")
    into = tmp_path / "mine"
    command = ["mirror", "--into", str(into), "--stack", "local", "--source", str(mirror), "--file", str(mirror / "charts.yaml")]
    assert main(command) == 0
    said = capsys.readouterr().err
    assert f"{into}: 11 fetched, 0 there already" in said
    assert "warning: stack local: bundles stand in for " in said
    charts = plan(settings_of("local")).charts
    locked = open_lock(str(into / "charts.yaml"), str(into)).entries
    assert set(locked) == set(charts)
    for chart in locked.values():
        assert sha256((into / chart.file).read_bytes()).hexdigest() == chart.digest
    listed = yaml.safe_load((into / "images.yaml").read_text())
    names = [entry["image"] for entry in listed["images"]]
    assert (into / "images.txt").read_text().splitlines() == names == sorted(names)
    assert "docker.io/grafana/loki:3.7.6" in names and "mcr.microsoft.com/azure-storage/azurite:3.37.0" in names
    assert any("bundles stand in" in line for line in listed["notKnown"])
    assert main(command) == 0
    assert f"{into}: 0 fetched, 11 there already" in capsys.readouterr().err


def test_a_stack_that_nobody_knows_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mirror", "--into", str(tmp_path), "--stack", "nobody"]) == 2
    assert "error: stack nobody is unknown: there is no Pulumi.nobody.yaml; known are " in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_stacks_with_locks_of_their_own_are_mirrored_one_by_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: istio-stack\n")
    (tmp_path / "Pulumi.a.yaml").write_text("config: {}\n")
    (tmp_path / "Pulumi.b.yaml").write_text("config: {'istio-stack:chartLock': other.yaml}\n")
    assert main(["mirror", "--into", str(tmp_path / "m")], tmp_path) == 2
    assert "the stacks have several locks, charts.yaml, other.yaml: name one with STACK or LOCK" in capsys.readouterr().err
