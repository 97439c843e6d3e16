"""Packs the bundles into a mirror folder: the archives and the lock that an air-gapped site would have.

A bundle is a small chart of ours that stands in for a chart nobody can fetch here. Its folder holds no version: it takes the one the
lock pins. Archives are the same bytes on every run, as their digests go into a lock.
"""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from rehearsal.errors import RehearsalError

BUNDLES = Path(__file__).resolve().parent
ROOT = BUNDLES.parent.parent
SHARED = {"templates/_lib.tpl": "_lib.tpl", "templates/objects.yaml": "objects.yaml"}
"""What every bundle gets from `_lib` at packing time, by the path inside its chart."""
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Reads a lock ten times as fast as Python's own, where the C library is there."""


def pack(lock_path: Path = ROOT / "charts.yaml", into: Path = ROOT / ".rehearsal" / "mirror") -> Path:
    """Writes every chart of the lock as `<chart>-<version>.tgz` (a manifest as `.yaml`) into a folder, with a lock of its own.

    The lock that is written is the one that was read, with the digests of the archives written and `standIn: true` per chart.
    Returns its path. Raises RehearsalError where a chart has no bundle or the folder cannot be written.
    """
    lock = _read(lock_path)
    contents: dict[str, bytes] = {}
    for name, entry in lock["charts"].items():
        chart = name.partition("@")[0]  # another version of a chart stands in the lock as <chart>@<version>
        content = archive(chart, str(entry["version"]), str(entry["appVersion"]))
        contents[f"{chart}-{entry['version']}.{'yaml' if entry.get('kind') == 'manifest' else 'tgz'}"] = content
        entry.update(digest=sha256(content).hexdigest(), standIn=True)
        entry.pop("reason", None)
    try:
        into.mkdir(parents=True, exist_ok=True)
        for file, content in contents.items():
            write_whole(into / file, content)
        write_whole(into / "charts.yaml", yaml.safe_dump(lock, sort_keys=False).encode())
    except OSError as error:
        raise RehearsalError(f"chart bundles cannot be written to {into}: {error.strerror}") from None
    return into / "charts.yaml"


def archive(name: str, version: str, app_version: str, bundles: Path = BUNDLES) -> bytes:
    """The bundle of one chart: a chart archive, or the manifest itself. Raises RehearsalError where there is none."""
    folder = bundles / name
    if (folder / "manifest.yaml").is_file():
        return (folder / "manifest.yaml").read_bytes()
    if not (folder / "Chart.yaml").is_file():
        known = ", ".join(sorted(path.parent.name for path in bundles.glob("*/*.yaml") if path.name in ("Chart.yaml", "manifest.yaml")))
        raise RehearsalError(f"chart {name} has no bundle to stand in for it; there are bundles for {known}")
    files = dict(_files(folder))
    files["Chart.yaml"] += yaml.safe_dump({"version": version, "appVersion": app_version}).encode()
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, content in sorted(files.items()):
            member = tarfile.TarInfo(f"{name}/{path}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), mtime=0)


def _read(lock_path: Path) -> dict[str, Any]:
    try:
        lock = yaml.load(lock_path.read_text(), Loader)
    except OSError as error:
        raise RehearsalError(f"{lock_path} cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise RehearsalError(f"{lock_path}: {' '.join(str(error).split())}") from None
    entries = lock.get("charts") if isinstance(lock, dict) else None
    if not isinstance(entries, dict) or not all(isinstance(e, dict) and {"version", "appVersion"} <= e.keys() for e in entries.values()):
        raise RehearsalError(f"{lock_path} is not a chart lock: it needs `charts`, and each chart its version and appVersion")
    return lock


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path, source in SHARED.items():
        yield path, (folder.parent / "_lib" / source).read_bytes()
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path.read_bytes()


def write_whole(target: Path, content: bytes) -> None:
    """All or nothing: a run that is killed half-way leaves no archive that looks whole."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(content)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
