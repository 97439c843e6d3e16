"""`make mirror`: a folder with every chart of a lock, verified, a lock that belongs to it, and the list of the images that they need."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from components import images as image_rules
from components.charts import CACHE, ROOT, Chart, open_lock
from components.merge import read_yaml
from rehearsal import console
from rehearsal.bundles.pack import write_whole
from review.render import Rendering
from supply import images, repository
from supply.errors import SupplyError

LOCK = "charts.yaml"
_LOCK_SAYS = "# The lock of the archives beside it, made by `make mirror`: name this folder as chartMirror and this file as chartLock.\n"
_IMAGES_SAY = """\
# Every image that these stacks run, made by `make mirror`. `path` is where imageRegistry must hold it.
# `digest: null`: nobody has asked the registry; a copy made now is whatever the tag names now.
"""


@dataclass(frozen=True)
class Filled:
    """A mirror folder and what was learned on the way."""

    lock: Path
    fetched: tuple[str, ...]
    kept: tuple[str, ...]
    unverified: tuple[str, ...]
    """Charts whose lock has no digest: pinned in the mirror's lock as they came."""


def fill(into: Path, lock: Path, names: Collection[str] | None = None, source: str | None = None) -> Filled:
    """Makes a folder hold every archive of a lock, or those named, and a lock of its own, which is written last.

    They come from `source`, a folder or an address that holds them all, or from each chart's own address. SupplyError, a line for each
    chart that cannot be had or is not the locked one; what came before is kept for the next try.
    """
    charts = open_lock(str(lock.absolute()))
    wanted = charts.entries.values() if names is None else [charts[name] for name in names]
    entries = {name: chart for name, chart in charts.entries.items() if chart in wanted}
    written: dict[str, dict[str, Any]] = {name: dict(entry) for name, entry in read_yaml(lock)["charts"].items() if name in entries}
    fetched, kept, refused = [], [], []
    with console.step(f"{len(entries)} charts into {into}") as step:
        for number, (name, chart) in enumerate(entries.items(), 1):
            step.detail = f"{name} {chart.version}, {number} of {len(entries)}"
            target = into / chart.file
            if chart.digest and target.is_file() and _digest(target.read_bytes()) == chart.digest:
                kept.append(name)
                continue
            try:
                content = _verified(_content(chart, source), chart, lock)
                write_whole(_folder(into) / chart.file, content)
                fetched.append(name)
                written[name]["digest"] = _digest(content)
            except SupplyError as error:
                refused.append(f"{name} {chart.version}: {error}")
    if refused:
        raise SupplyError("\n".join([*refused, f"{into} has no lock yet: run it again when the cause is mended"]))
    unverified = tuple(name for name in fetched if entries[name].digest is None)
    for name in unverified:
        written[name]["reason"] = f"as it came into this mirror; {written[name]['reason']}"
    write_whole(into / LOCK, (_LOCK_SAYS + yaml.safe_dump({"charts": written}, sort_keys=False, width=200)).encode())
    return Filled(into / LOCK, tuple(fetched), tuple(kept), unverified)


def _content(chart: Chart, source: str | None) -> bytes:
    if source is None:
        cached = ROOT / CACHE / chart.file
        if chart.digest and cached.is_file() and _digest(cached.read_bytes()) == chart.digest:
            return cached.read_bytes()
        return repository.fetch(chart.url)
    if "://" in source:
        return repository.fetch(f"{source.rstrip('/')}/{chart.file}")
    try:
        return (Path(source) / chart.file).read_bytes()
    except OSError as error:
        raise SupplyError(f"FROM is {source}: {chart.file}: {error.strerror}") from None


def _verified(content: bytes, chart: Chart, lock: Path) -> bytes:
    found = _digest(content)
    if chart.digest is not None and found != chart.digest:
        raise SupplyError(f"sha256 is {found}, {lock} says {chart.digest}: not the archive that was locked")
    if chart.kind == "chart" and (version := repository.about(content, chart.name).get("version")) != chart.version:
        raise SupplyError(f"what came holds version {version}")
    return content


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SupplyError(f"{path} cannot be written: {error.strerror}") from None
    return path


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def listed(renderings: Mapping[str, Rendering]) -> list[dict[str, Any]]:
    """Every image of some stacks: its path in a registry of one's own, its digest where its name says one, and who runs it.

    SupplyError where two images would be one in such a registry.
    """
    found: dict[str, dict[str, Any]] = {}
    for stack, rendering in renderings.items():
        for image, users in images.of_rendering(rendering).items():
            entry = found.setdefault(image, {"stacks": [], "users": set()})
            entry["stacks"].append(stack)
            entry["users"].update(users)
    by_path: dict[str, list[str]] = {}
    for image in found:
        by_path.setdefault(image_rules.path(image), []).append(image)
    if shared := [" and ".join(both) for both in by_path.values() if len(both) > 1]:
        raise SupplyError("\n".join(f"{both} would be one image in imageRegistry" for both in shared))
    return [
        {
            "image": image,
            "path": image_rules.path(image),
            "digest": image.partition("@")[2] or None,
            "stacks": entry["stacks"],
            "usedBy": sorted(entry["users"]),
            **({"note": note} if (note := image_rules.NOT_REACHED.get(image)) else {}),
        }
        for image, entry in sorted(found.items())
    ]


def not_known(renderings: Mapping[str, Rendering]) -> list[str]:
    """What the list cannot say, in a line each."""
    lines = []
    for stack, rendering in renderings.items():
        missing = [name for name, use in rendering.charts.items() if use.source == "stand-in"]
        if missing:
            lines.append(f"stack {stack}: bundles stand in for {', '.join(missing)}, and show only the images that a bundle models")
        if images.OPERATOR in rendering.charts and not images.knows_operator(rendering):
            lines.append(
                f"stack {stack}: {images.OPERATOR} is not version {image_rules.OPERATOR_VERSION}, whose auto-instrumentation images "
                "are known (components/images.py)"
            )
        if not any(item.layer == "sample" for item in rendering.objects):
            lines.append(f"stack {stack}: sampleApp.image is not set; `make sample-image` builds one")
    return lines


def write_images(into: Path, entries: Sequence[Mapping[str, Any]], unknown: Sequence[str]) -> None:
    """Writes the list for people and tools (images.yaml), and one image a line for whatever copies them (images.txt)."""
    document = {"notKnown": list(unknown), "images": [dict(entry) for entry in entries]}
    write_whole(into / "images.yaml", (_IMAGES_SAY + yaml.safe_dump(document, sort_keys=False, width=200)).encode())
    write_whole(into / "images.txt", "".join(f"{entry['image']}\n" for entry in entries).encode())
