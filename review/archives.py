"""The charts of a rendering: the real archives that can be had, one by one, and bundles for the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from components.charts import CACHE, ROOT, Chart, open_lock
from components.errors import ConfigurationError
from components.merge import read_yaml
from rehearsal import probe
from rehearsal.bundles import pack
from rehearsal.mirror import DEFAULT_LOCK

_BUNDLES = Path("rehearsal") / "bundles"
_answers: dict[str, bool] = {}
"""Hosts that were asked, and whether they answered: once a run, as silence takes seconds."""


@dataclass(frozen=True)
class Wanted:
    """The charts that one stack of one checkout asks for."""

    root: Path
    lock: str = DEFAULT_LOCK
    mirror: str | None = None
    """Folder or address, as the stack says."""

    @property
    def lock_file(self) -> Path:
        """The lock: of the checkout, or where the stack's own is outside of it."""
        return self.root / self.lock if (self.root / self.lock).exists() else ROOT / self.lock

    @property
    def where(self) -> str | None:
        """The mirror; a folder with its whole path."""
        return self.mirror if self.mirror is None or "://" in self.mirror else str(ROOT / self.mirror)


def real(wanted: Wanted) -> dict[str, Path]:
    """The archives that can be had, by chart. ConfigurationError for one that is not the one that was locked."""
    charts = open_lock(str(wanted.lock_file), wanted.where)
    entries = _entries(wanted.lock_file)
    folder = Path(wanted.where) if wanted.where and "://" not in wanted.where else ROOT / CACHE
    here = {name for name, chart in charts.entries.items() if (folder / chart.file).is_file()}
    missing = {name: _address(chart, wanted.where) for name, chart in charts.entries.items() if name not in here}
    found: dict[str, Path] = {}
    asked = _answering(missing.values()) if folder == ROOT / CACHE else set()
    for name in charts.entries:
        if entries[name].get("standIn"):
            continue
        if name in here:
            found[name] = ROOT / charts.archive(name)
        elif urlsplit(missing[name]).netloc in asked:
            try:
                found[name] = ROOT / charts.archive(name)
            except ConfigurationError:
                if (folder / charts[name].file).is_file():  # it came, and is another one
                    raise
    return found


def fill(wanted: Wanted, archives: Mapping[str, Path], into: Path) -> dict[str, dict[str, Any]]:
    """Makes a folder a mirror with a lock, of these archives and a bundle for every other chart; returns the entries of the lock.

    RehearsalError where a chart has neither.
    """
    entries = _entries(wanted.lock_file)
    into.mkdir(parents=True, exist_ok=True)
    for name, entry in entries.items():
        chart = name.partition("@")[0]
        file = f"{chart}-{entry['version']}.{'yaml' if entry.get('kind') == 'manifest' else 'tgz'}"
        if name in archives:
            content = archives[name].read_bytes()
        else:
            own = wanted.root / _BUNDLES
            bundles = own if (own / chart).is_dir() else pack.BUNDLES
            content = pack.archive(chart, str(entry["version"]), str(entry["appVersion"]), bundles)
        (into / file).write_bytes(content)
        entry.update(digest=sha256(content).hexdigest(), standIn=name not in archives)
    (into / "charts.yaml").write_text(yaml.safe_dump({"charts": entries}, sort_keys=False))
    return entries


def _entries(lock: Path) -> dict[str, dict[str, Any]]:
    return {name: dict(entry) for name, entry in read_yaml(lock)["charts"].items()}


def _address(chart: Chart, mirror: str | None) -> str:
    return f"{mirror.rstrip('/')}/{chart.file}" if mirror else chart.url


def _answering(urls: Collection[str]) -> set[str]:
    """Hosts among those of the addresses that answer."""
    by_host = {urlsplit(url).netloc: url for url in urls}
    unknown = {host: url for host, url in by_host.items() if host not in _answers}
    answered = probe.answering(unknown.values()) if unknown else set()
    _answers.update({host: url in answered for host, url in unknown.items()})
    return {host for host in by_host if _answers[host]}
