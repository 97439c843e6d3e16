"""`make lock`: versions to digests, for every chart of the lock or for one, which may also become another version.

All or nothing: where one repository does not answer, or one archive is another one than it was, the lock stays as it is.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from components.charts import Chart, open_lock
from rehearsal import console
from rehearsal.bundles.pack import write_whole
from supply import repository
from supply.errors import SupplyError

_AT_ONCE = 4


@dataclass(frozen=True)
class Pinned:
    """One chart as it is to stand in the lock."""

    version: str
    app_version: str
    url: str
    digest: str


def lock(path: Path, chart: str | None = None, to: str | None = None) -> list[str]:
    """Pins every chart of a lock file, or one, there or at another version; returns a line for each that is pinned otherwise now.

    SupplyError, a line for each reason, where that cannot be done. ConfigurationError for a lock that cannot be read.
    """
    entries = open_lock(str(path.absolute())).entries
    if to is not None and chart is None:
        raise SupplyError(f"TO is {to}: CHART must say which chart goes there")
    if chart is not None and chart not in entries:
        raise SupplyError(f"CHART is {chart}: {path} holds no such chart; it holds {', '.join(entries)}")
    if to is not None and "@" in str(chart):
        raise SupplyError(f"TO is {to}: the name of CHART {chart} says its version; give {to} an entry of its own")
    document, round_trip = opened(path)
    chosen = {name: entry for name, entry in entries.items() if chart in (None, name)}
    pinned: dict[str, Pinned] = {}
    refused: list[str] = []
    with console.step(f"lock {', '.join(chosen)}") as step, ThreadPoolExecutor(_AT_ONCE) as pool:
        homes = {name: str(document["charts"][name].get("repository", "")) for name, entry in chosen.items()}
        indexes = {home: pool.submit(repository.index, home) for home in {homes[name] for name, e in chosen.items() if e.kind == "chart"}}
        runs = {name: pool.submit(_pin, entry, to, homes[name], indexes) for name, entry in chosen.items()}
        for name, run in runs.items():
            try:
                pinned[name] = run.result()
            except SupplyError as error:
                refused += [f"{name} {to or chosen[name].version}: {line}" for line in str(error).splitlines()]
            step.detail = f"{len(pinned)} of {len(chosen)}"
    if refused:
        raise SupplyError("\n".join([*dict.fromkeys(refused), f"{path} is as it was"]))
    changed = [line for name, found in pinned.items() if (line := _write_into(document["charts"][name], name, entries[name], found))]
    if changed:
        write_whole(path, text_of(document, round_trip).encode())
    return changed


def opened(path: Path) -> tuple[Any, YAML]:
    """The lock with its comments and its order, and what writes it the same way."""
    round_trip = YAML()
    round_trip.preserve_quotes = True
    round_trip.width = 4096
    round_trip.representer.add_representer(type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", "null"))
    return round_trip.load(path), round_trip


def text_of(document: Any, round_trip: YAML) -> str:
    """The lock as it is written."""
    text = io.StringIO()
    round_trip.dump(document, text)
    return text.getvalue()


def _pin(entry: Chart, to: str | None, home: str, indexes: Mapping[str, Future[Mapping[str, Any]]]) -> Pinned:
    """What one entry becomes. SupplyError where that is not what was published, or not what was locked."""
    version = to or entry.version
    same = version == entry.version
    if entry.kind == "manifest":
        # a file of a release: nobody publishes an index of these
        url, said = entry.url.replace(entry.version, version), None
    else:
        found = repository.published(indexes[home].result(), home, entry.name, version)
        url, said = entry.url if same else found.url, found.digest
    content = repository.fetch(url)
    digest = sha256(content).hexdigest()
    if said is not None and said != digest:
        raise SupplyError(f"{url} is not what {home} says: sha256 is {digest}, its index says {said}")
    if same and entry.digest is not None and entry.digest != digest:
        raise SupplyError(
            f"{url}: sha256 is {digest}, locked is {entry.digest}: the same version is another archive; find out who changed it"
        )
    if entry.kind == "manifest":
        return Pinned(version, version, url, digest)
    about = repository.about(content, entry.name)
    if about.get("version") != version:
        raise SupplyError(f"{url} holds version {about.get('version')}")
    return Pinned(version, str(about.get("appVersion", version)), url, digest)


def _write_into(entry: Any, name: str, before: Chart, found: Pinned) -> str:
    """Changes what is otherwise now; returns what that is, or nothing."""
    if (before.version, before.app_version, before.url, before.digest) == (found.version, found.app_version, found.url, found.digest):
        return ""
    entry.update(version=found.version, appVersion=found.app_version, url=found.url, digest=found.digest)
    if "reason" in entry:
        # a comment that follows stands with the last key of the entry
        comment = entry.ca.items.pop("reason", None)
        del entry["reason"]
        if comment is not None:
            entry.ca.items["digest"] = comment
    moved = f"{name} {before.version}" + (f" -> {found.version}" if before.version != found.version else "")
    return f"{moved}: sha256 {found.digest}"
