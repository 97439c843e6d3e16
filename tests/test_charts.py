"""The chart lock: what is installed is what was locked, or nothing is."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest
import yaml

from components import charts
from components.charts import Chart, Charts, open_lock
from components.errors import ConfigurationError

CONTENT = b"an archive"
DIGEST = sha256(CONTENT).hexdigest()


def chart(digest: str | None = DIGEST, url: str = "http://127.0.0.1:9/tempo-1.0.0.tgz") -> Chart:
    return Chart("tempo", "1.0.0", "2.0.0", url, digest)


def lock(entry: Chart, mirror: str | None = None) -> Charts:
    return Charts({entry.name: entry}, "charts.yaml", mirror)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(charts, "ROOT", tmp_path)
    return tmp_path


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[str]:
    """A chart repository on loopback that holds one archive."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "tempo-1.0.0.tgz").write_bytes(CONTENT)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_an_archive_of_a_mirror_folder_is_used_where_it_lies(root: Path) -> None:
    (root / "mirror").mkdir()
    (root / "mirror" / "tempo-1.0.0.tgz").write_bytes(CONTENT)
    assert lock(chart(), "mirror").archive("tempo") == "mirror/tempo-1.0.0.tgz"


def test_an_archive_of_a_repository_is_fetched_once_and_verified(root: Path, repository: str) -> None:
    entry = chart(url=f"{repository}/tempo-1.0.0.tgz")
    assert lock(entry).archive("tempo") == ".charts/tempo-1.0.0.tgz"
    assert (root / ".charts" / "tempo-1.0.0.tgz").read_bytes() == CONTENT
    assert lock(chart()).archive("tempo") == ".charts/tempo-1.0.0.tgz"  # whose address nobody answers


def test_a_mirror_at_an_address_serves_archives_by_file_name(root: Path, repository: str) -> None:
    assert lock(chart(), repository).archive("tempo") == ".charts/tempo-1.0.0.tgz"
    assert (root / ".charts" / "tempo-1.0.0.tgz").read_bytes() == CONTENT


def test_an_archive_that_is_not_the_locked_one_is_refused(root: Path) -> None:
    (root / "mirror").mkdir()
    (root / "mirror" / "tempo-1.0.0.tgz").write_bytes(b"tampered")
    with pytest.raises(ConfigurationError) as caught:
        lock(chart(), "mirror").archive("tempo")
    (line,) = caught.value.lines
    assert line.startswith(
        f"mirror/tempo-1.0.0.tgz: sha256 is {sha256(b'tampered').hexdigest()}, charts.yaml says {DIGEST} for tempo 1.0.0: "
    )
    assert "not the archive that was locked" in line


def test_an_archive_missing_from_a_mirror_is_named(root: Path) -> None:
    (root / "mirror").mkdir()
    with pytest.raises(ConfigurationError, match=r"^chartMirror is mirror: the folder holds no tempo-1\.0\.0\.tgz$"):
        lock(chart(), "mirror").archive("tempo")


def test_every_archive_that_is_wrong_is_named_before_anything_is_begun(root: Path) -> None:
    (root / "mirror").mkdir()
    (root / "mirror" / "tempo-1.0.0.tgz").write_bytes(b"another one")
    (root / "mirror" / "grafana-1.0.0.tgz").write_bytes(CONTENT)
    entries = {name: Chart(name, "1.0.0", "2.0.0", "", DIGEST) for name in ("tempo", "grafana", "loki")}
    with pytest.raises(ConfigurationError) as refused:
        Charts(entries, "charts.yaml", "mirror").gathered(entries)
    first, second = refused.value.lines
    assert first.startswith("mirror/tempo-1.0.0.tgz: sha256 is ")
    assert second == "chartMirror is mirror: the folder holds no loki-1.0.0.tgz"


def test_charts_whose_archives_are_all_there_are_gathered(root: Path) -> None:
    (root / "mirror").mkdir()
    (root / "mirror" / "tempo-1.0.0.tgz").write_bytes(CONTENT)
    assert lock(chart(), "mirror").gathered(["tempo"]).archive("tempo") == "mirror/tempo-1.0.0.tgz"


def test_an_unreachable_repository_is_named_and_leaves_nothing_half_made(root: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^chart tempo 1\.0\.0 cannot be had from http://127.0.0.1:9/.*: .*refused"):
        lock(chart()).archive("tempo")
    assert list((root / ".charts").iterdir()) == []


def test_a_chart_that_is_not_locked_is_named_with_those_that_are() -> None:
    with pytest.raises(ConfigurationError, match=r"^charts\.yaml holds no chart mimir; it holds tempo$"):
        lock(chart())["mimir"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("charts: {tempo: {version: 1, appVersion: 1, url: x}}", "lock.yaml: chart tempo lacks digest"),
        ("charts: {tempo: {version: 1, appVersion: 1, url: x, digest: null}}", "lock.yaml: chart tempo has no digest and no reason for it"),
        ("charts:\n  a: 1\n  a: 2\n", "chartLock is lock.yaml: .*:3: key 'a' stands twice"),
        ("charts: [", "chartLock is lock.yaml: .*"),
    ],
)
def test_a_broken_lock_is_named(root: Path, text: str, message: str) -> None:
    (root / "lock.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        open_lock("lock.yaml")


def test_a_lock_that_is_not_there_is_named(root: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^chartLock is nowhere\.yaml: there is no such file$"):
        open_lock("nowhere.yaml")


def test_our_lock_pins_exact_versions_and_explains_each_missing_digest() -> None:
    document = yaml.safe_load((charts.ROOT / "charts.yaml").read_text())
    assert len(document["charts"]) >= 14
    for name, entry in document["charts"].items():
        assert str(entry["version"]).lstrip("v").replace(".", "").isdigit(), name
        assert entry["digest"] or entry["reason"], name
        assert entry["url"].startswith("https://") and str(entry["version"]) in entry["url"], name
