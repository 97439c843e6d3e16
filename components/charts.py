"""The chart lock: which archive each chart is, and the archive itself, verified before anyone uses it.

Every Release installs a local archive, `.charts/<chart>-<version>.tgz` or one of a mirror folder, by a path relative to the
project. So the digest is checked by us, state holds no path of a machine, and an air-gapped site needs nothing but a folder.
"""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from components.errors import ConfigurationError
from components.merge import DuplicateKey, read_yaml

ROOT = Path(__file__).resolve().parent.parent
CACHE = ".charts"
TIMEOUT_SECONDS = 60
DOWNLOADS = 8
"""How many archives are fetched at once."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One entry of the lock."""

    name: str
    """The chart's own name, whichever entry it is."""
    version: str
    app_version: str
    url: str
    digest: str | None
    """sha256 of the archive in hex; None where none is published, with the reason in the lock."""
    kind: str = "chart"

    @property
    def file(self) -> str:
        return f"{self.name}-{self.version}.{'tgz' if self.kind == 'chart' else 'yaml'}"


@dataclass(frozen=True, slots=True)
class Charts:
    """The charts of one stack: the lock, and where their archives are."""

    entries: Mapping[str, Chart]
    lock: str
    mirror: str | None = None

    def __getitem__(self, name: str) -> Chart:
        """The entry of that name, or for `<chart>@<version>` the chart's own entry where it is of that version."""
        chart, _, version = name.partition("@")
        plain = self.entries.get(chart)
        if name in self.entries:
            return self.entries[name]
        if plain and plain.version == version:
            return plain
        raise ConfigurationError(f"{self.lock} holds no chart {name}; it holds {', '.join(self.entries)}")

    def versions(self, names: Iterable[str]) -> dict[str, str]:
        """Chart name to version."""
        return {name: self[name].version for name in names}

    def gathered(self, names: Iterable[str]) -> Charts:
        """These charts, once every archive that a stack installs is there and is the one that was locked: nothing is begun before.

        Raises ConfigurationError with a line for each that is missing, cannot be had, or is another.
        """

        def wrong(name: str) -> tuple[str, ...]:
            try:
                self.archive(name)
            except ConfigurationError as error:
                return error.lines
            return ()

        with ThreadPoolExecutor(DOWNLOADS) as pool:
            lines = [line for found in pool.map(wrong, names) for line in found]
        if lines:
            raise ConfigurationError(lines)
        return self

    def archive(self, name: str) -> str:
        """Path of the chart's archive relative to the project, after its digest was verified; downloads it once if need be.

        Raises ConfigurationError where the archive is missing, cannot be had, or is not the one that was locked.
        """
        chart = self[name]
        if self.mirror and not _is_url(self.mirror):
            path = Path(self.mirror) / chart.file
            if not (ROOT / path).is_file():
                raise ConfigurationError(f"chartMirror is {self.mirror}: the folder holds no {chart.file}")
        else:
            path = Path(CACHE) / chart.file
            if not (ROOT / path).is_file():
                _download(f"{self.mirror.rstrip('/')}/{chart.file}" if self.mirror else chart.url, ROOT / path, chart)
        _verify(ROOT / path, path, chart, self.lock)
        return path.as_posix()


def open_lock(lock: str, mirror: str | None = None) -> Charts:
    """The charts of a lock file. Raises ConfigurationError where it cannot be read or an entry lacks something."""
    try:
        document: Any = read_yaml(ROOT / lock)
    except FileNotFoundError:
        raise ConfigurationError(f"chartLock is {lock}: there is no such file") from None
    except (DuplicateKey, yaml.YAMLError) as error:
        raise ConfigurationError(f"chartLock is {lock}: {' '.join(str(error).split())}") from None
    if not isinstance(document, Mapping) or not isinstance(document.get("charts"), Mapping):
        raise ConfigurationError(f"chartLock is {lock}: it has no mapping charts")
    entries = {}
    for name, entry in document["charts"].items():
        missing = [key for key in ("version", "appVersion", "url", "digest") if key not in entry]
        if missing:
            raise ConfigurationError(f"{lock}: chart {name} lacks {', '.join(missing)}")
        if entry["digest"] is None and not entry.get("reason"):
            raise ConfigurationError(f"{lock}: chart {name} has no digest and no reason for it")
        chart, _, version = name.partition("@")
        if version and version != str(entry["version"]):
            raise ConfigurationError(f"{lock}: chart {name} is of version {entry['version']}; its name must say the same")
        entries[name] = Chart(
            chart, str(entry["version"]), str(entry["appVersion"]), entry["url"], entry["digest"], entry.get("kind", "chart")
        )
    return Charts(entries, lock, mirror)


def values_file(name: str) -> dict[str, Any]:
    """What never varies by stack for one chart: components/values/<name>.yaml."""
    return read_yaml(ROOT / "components" / "values" / f"{name}.yaml") or {}


def _is_url(source: str) -> bool:
    return "://" in source


def _download(url: str, target: Path, chart: Chart) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}.part")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:
            partial.write_bytes(response.read())
        partial.replace(target)
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise ConfigurationError(
            f"chart {chart.name} {chart.version} cannot be had from {url}: {reason}; chartMirror may name a folder that holds it"
        ) from None
    finally:
        partial.unlink(missing_ok=True)


def _verify(absolute: Path, shown: Path, chart: Chart, lock: str) -> None:
    if chart.digest is None:
        return
    found = sha256(absolute.read_bytes()).hexdigest()
    if found != chart.digest:
        raise ConfigurationError(
            f"{shown}: sha256 is {found}, {lock} says {chart.digest} for {chart.name} {chart.version}: "
            "not the archive that was locked; remove the file to fetch it again, or find out who changed it"
        )
