"""`make mirror`: a folder that has all that a stack installs, verified, and the list of the images that it runs."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.charts import open_lock
from components.errors import ConfigurationError
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


def test_a_mirror_does_not_take_the_place_of_the_lock_that_it_is_made_from(lock: Path) -> None:
    before = lock.read_text()
    with pytest.raises(SupplyError, match=r"^DIR is .*: that is the folder of the lock itself"):
        mirroring.fill(lock.parent, lock)
    assert lock.read_text() == before


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


def digests(folder: Path) -> dict[str, str | None]:
    """What the lock of a folder says, by the name of the entry."""
    return {name: chart.digest for name, chart in open_lock(str(folder / "charts.yaml")).entries.items()}


def test_a_folder_that_is_filled_again_with_other_charts_has_both(repository: Repository, lock: Path, tmp_path: Path) -> None:
    known = {"tempo": repository.publish("tempo", "2.2.4", "2.10.8"), "gateway-api": repository.manifest("v1.5.1")}
    for name in known:
        mirroring.fill(tmp_path / "mirror", lock, [name])
    assert digests(tmp_path / "mirror") == known


def test_an_older_version_that_is_still_there_is_locked_under_a_name_of_its_own(repository: Repository, lock: Path, tmp_path: Path) -> None:
    old, new = (repository.publish("tempo", version, "2.10.8") for version in ("2.2.4", "2.3.0"))
    mirroring.fill(tmp_path / "mirror", lock, ["tempo"])
    lock.write_text(lock.read_text().replace("2.2.4", "2.3.0"))
    for _ in range(2):
        mirroring.fill(tmp_path / "mirror", lock, ["tempo"])
        assert digests(tmp_path / "mirror") == {"tempo": new, "tempo@2.2.4": old}


@pytest.mark.parametrize("gone", [True, False])
def test_an_entry_whose_archive_is_gone_or_another_is_left_out(gone: bool, repository: Repository, lock: Path, tmp_path: Path) -> None:
    repository.publish("tempo", "2.2.4", "2.10.8")
    repository.manifest("v1.5.1")
    mirroring.fill(tmp_path / "mirror", lock, ["tempo"])
    archive = tmp_path / "mirror" / "tempo-2.2.4.tgz"
    if gone:
        archive.unlink()
    else:
        archive.write_bytes(b"another")
    filled = mirroring.fill(tmp_path / "mirror", lock, ["gateway-api"])
    assert (filled.left_out, list(digests(tmp_path / "mirror"))) == (("tempo",), ["gateway-api"])


def test_a_version_that_came_before_as_another_archive_is_refused(repository: Repository, lock: Path, tmp_path: Path) -> None:
    """The lock has no digest, so what the folder pinned when it came first is the only thing to know it by."""
    first = repository.publish("tempo", "2.2.4", "2.10.8")
    into = tmp_path / "mirror"
    mirroring.fill(into, lock, ["tempo"])
    before = {path.name: path.read_bytes() for path in into.iterdir()}
    second = repository.publish("tempo", "2.2.4", "2.10.9")
    with pytest.raises(SupplyError) as caught:
        mirroring.fill(into, lock, ["tempo"])
    refused, end = str(caught.value).splitlines()
    assert refused.startswith(
        f"tempo 2.2.4: sha256 is {second}, {into / 'charts.yaml'} says digest: {first}, as it came first: a version is "
    )
    assert end == f"{into / 'charts.yaml'} stays as it was: run it again when the cause is mended"
    assert {path.name: path.read_bytes() for path in into.iterdir()} == before


def test_a_version_that_came_before_as_the_same_archive_is_verified(repository: Repository, lock: Path, tmp_path: Path) -> None:
    repository.publish("tempo", "2.2.4", "2.10.8")
    assert mirroring.fill(tmp_path / "mirror", lock, ["tempo"]).unverified == ("tempo",)
    text = (tmp_path / "mirror" / "charts.yaml").read_text()
    assert mirroring.fill(tmp_path / "mirror", lock, ["tempo"]).unverified == ()
    assert (tmp_path / "mirror" / "charts.yaml").read_text() == text


def test_an_archive_that_the_folder_pins_is_replaced_only_once_all_came(repository: Repository, lock: Path, tmp_path: Path) -> None:
    """A lock that has learned the digest since is right; what failed beside it leaves the folder as its own lock says."""
    first = repository.publish("tempo", "2.2.4", "2.10.8")
    mirroring.fill(tmp_path / "mirror", lock, ["tempo"])
    second = repository.publish("tempo", "2.2.4", "2.10.9")
    lock.write_text(lock.read_text().replace("digest: null", f"digest: {second}", 1))
    archive = tmp_path / "mirror" / "tempo-2.2.4.tgz"
    with pytest.raises(SupplyError, match="gateway-api"):
        mirroring.fill(tmp_path / "mirror", lock)
    assert sha256(archive.read_bytes()).hexdigest() == digests(tmp_path / "mirror")["tempo"] == first
    repository.manifest("v1.5.1")
    mirroring.fill(tmp_path / "mirror", lock)
    assert sha256(archive.read_bytes()).hexdigest() == digests(tmp_path / "mirror")["tempo"] == second


@pytest.mark.parametrize("text", ["", "charts:", "a: b"])
def test_a_folder_whose_lock_is_none_is_named(text: str, lock: Path, tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "charts.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"^chartLock is .*/mirror/charts\.yaml: it has no mapping charts$"):
        mirroring.fill(tmp_path / "mirror", lock)
    assert (tmp_path / "mirror" / "charts.yaml").read_text() == text


def image(name: str, *stacks: str, path: str = "a/b", used_by: str = "") -> dict[str, Any]:
    return {"image": name, "path": path, "digest": None, "stacks": list(stacks), "usedBy": [used_by or f"Pod {stacks[0]}"]}


def list_again(
    folder: Path, stack: str, entries: list[dict[str, Any]], unknown: Sequence[str] = ()
) -> tuple[list[dict[str, Any]], list[str]]:
    found = mirroring.with_earlier(folder, [stack], entries, unknown)
    mirroring.write_images(folder, *found)
    return found


def test_lists_of_images_are_those_of_every_stack_that_was_mirrored(tmp_path: Path) -> None:
    """Of a stack that is listed again nothing stays that it does not run any more."""
    one, both, two = "q.io/a/one:1", "q.io/a/both:1", "q.io/a/two:1"
    list_again(tmp_path, "a", [image(one, "a", path="a/one:1"), image(both, "a", path="a/both:1")], ["stack a: x"])
    listed, unknown = list_again(tmp_path, "b", [image(both, "b", path="a/both:1"), image(two, "b", path="a/two:1")], ["stack b: y"])
    assert [(entry["image"], entry["stacks"], entry["usedBy"]) for entry in listed] == [
        (both, ["a", "b"], ["Pod a", "Pod b"]), (one, ["a"], ["Pod a"]), (two, ["b"], ["Pod b"]),
    ]  # fmt: skip
    assert unknown == ["stack a: x", "stack b: y"]
    assert yaml.safe_load((tmp_path / "images.yaml").read_text()) == {"notKnown": unknown, "images": listed}
    assert (tmp_path / "images.txt").read_text().splitlines() == [both, one, two]
    listed, unknown = list_again(tmp_path, "a", [image(one, "a", path="a/one:1")])
    assert [(entry["image"], entry["stacks"]) for entry in listed] == [(both, ["b"]), (one, ["a"]), (two, ["b"])]
    assert unknown == ["stack b: y"]


def test_images_of_two_runs_that_would_be_one_are_refused_and_the_list_stays(tmp_path: Path) -> None:
    list_again(tmp_path, "a", [image("q.io/a/b:1", "a", path="a/b:1")])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(SupplyError, match=r"ghcr\.io/a/b:1 and q\.io/a/b:1 would be one image in imageRegistry"):
        list_again(tmp_path, "b", [image("ghcr.io/a/b:1", "b", path="a/b:1")])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("text", ["images: [", "", "images: [{image: a}]"])
def test_a_list_of_images_that_is_none_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "images.yaml").write_text(text)
    with pytest.raises(SupplyError, match=r"images\.yaml: .*remove it to have it made anew"):
        list_again(tmp_path, "a", [image("q.io/a/b:1", "a")])


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
    listed["images"].append(image("q.io/another:1", "another", path="another:1"))
    (into / "images.yaml").write_text(yaml.safe_dump(listed))
    assert main(command) == 0
    assert f"{into}: 0 fetched, 11 there already" in capsys.readouterr().err
    assert (into / "images.txt").read_text().splitlines() == sorted([*names, "q.io/another:1"])


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
