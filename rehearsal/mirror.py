"""Decides where a run's charts come from: the mirror its stack names, the charts' repositories, or bundles of ours packed into a mirror."""

import os
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import yaml

from rehearsal.bundles import pack
from rehearsal.errors import RehearsalError
from rehearsal.probe import SECONDS

DEFAULT_LOCK = "charts.yaml"
CACHE = ".charts"
"""Where the program keeps the archives it fetched from their repositories."""


@dataclass(frozen=True)
class Source:
    """Where the charts come from, and why."""

    kind: Literal["chartMirror", "repositories", "bundles"]
    where: str
    why: str
    settings: Mapping[str, str] = field(default_factory=dict)
    """Configuration keys (without the project's prefix) that tell the program."""


@dataclass(frozen=True)
class Wishes:
    """What a stack says about its charts."""

    mirror: str | None
    lock: str
    root: Path

    @classmethod
    def of(cls, root: Path, config: Mapping[str, Any], project: str) -> "Wishes":
        """From the configuration of a stack by full key."""
        return cls(config.get(f"{project}:chartMirror"), config.get(f"{project}:chartLock", DEFAULT_LOCK), root)

    @property
    def mirror_is_remote(self) -> bool:
        """Whether the mirror is an address rather than a folder."""
        return bool(self.mirror and "://" in self.mirror)

    @cached_property
    def entries(self) -> dict[str, Any]:
        """The charts of the lock; none where there is no lock that can be read: the program says what is wrong with it."""
        try:
            return (yaml.load((self.root / self.lock).read_text(), pack.Loader) or {}).get("charts") or {}
        except (OSError, yaml.YAMLError, AttributeError):
            return {}

    def addresses(self) -> list[str]:
        """What has to answer for the charts to be had from where the stack wants them: one archive of each host."""
        if self.mirror and not self.mirror_is_remote:
            return []
        by_host: dict[str, str] = {}
        for name, entry in self.entries.items():
            url = f"{self.mirror.rstrip('/')}/{_file(name, entry)}" if self.mirror else entry["url"]
            by_host.setdefault(urlsplit(url).netloc, url)
        return [] if not self.mirror and self.cached() else list(by_host.values())

    def cached(self) -> bool:
        """Whether every archive of the lock was fetched before."""
        entries = self.entries
        return bool(entries) and all((self.root / CACHE / _file(name, entry)).is_file() for name, entry in entries.items())


def decide(wishes: Wishes, answering: Set[str], directory: Path, simulated: bool) -> Source:
    """The source of a run's charts. RehearsalError where none can be had and the cluster is one where a stand-in would do harm.

    `answering` holds those of `wishes.addresses()` that answered.
    """
    silent = [url for url in wishes.addresses() if url not in answering]
    if wishes.mirror and not silent:
        return Source("chartMirror", wishes.mirror, "the stack's chartMirror")
    if not wishes.mirror and wishes.cached():
        return Source("repositories", CACHE, f"every archive of {wishes.lock} was fetched before")
    if not wishes.mirror and not silent:
        return Source("repositories", f"the repositories in {wishes.lock}", "they answer")
    asked = f"chartMirror {wishes.mirror}" if wishes.mirror else "repositories"
    why = f"{asked}: no answer from {', '.join(sorted(urlsplit(url).netloc for url in silent))} within {SECONDS:g} s"
    if not simulated:
        raise RehearsalError(f"charts: {why}; stand-ins are for simulated clusters alone: name a folder with the archives as chartMirror")
    into = directory / "mirror"
    lock = pack.pack(wishes.root / wishes.lock, into)
    folder = os.path.relpath(into, wishes.root)
    return Source("bundles", folder, why, {"chartMirror": folder, "chartLock": os.path.relpath(lock, wishes.root)})


def _file(name: str, entry: Mapping[str, Any]) -> str:
    return f"{name.partition('@')[0]}-{entry['version']}.{'yaml' if entry.get('kind') == 'manifest' else 'tgz'}"
