"""`make mirror`: a folder with every chart of a lock, verified, a lock that belongs to it, and the list of the images that they need."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from components import images as image_rules
from components.charts import CACHE, ROOT, Chart, open_lock
from components.merge import DuplicateKey, read_yaml
from rehearsal import console
from rehearsal.bundles.pack import write_whole
from review.render import Rendering
from supply import images, repository
from supply.errors import SupplyError

LOCK = "charts.yaml"
IMAGES = "images.yaml"
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
    """Charts of which no lock had a digest: pinned in the mirror's lock as they came."""
    left_out: tuple[str, ...] = ()
    """Entries that the mirror's lock had until now, whose archive is gone or another one."""


def fill(into: Path, lock: Path, names: Collection[str] | None = None, source: str | None = None) -> Filled:
    """Makes a folder hold every archive of a lock, or those named, and a lock of its own, which is written last.

    They come from `source`, a folder or an address that holds them all, or from each chart's own address. What the folder's lock has
    already stays in it. SupplyError, a line for each chart that cannot be had or is not the locked one; what came before is kept for the
    next try, and no archive that the folder's lock pins is replaced before all came.
    """
    if (into / LOCK).absolute().resolve() == lock.absolute().resolve():
        raise SupplyError(f"DIR is {into}: that is the folder of the lock itself, {lock}, which a mirror's own would take the place of")
    charts = open_lock(str(lock.absolute()))
    wanted = charts.entries.values() if names is None else [charts[name] for name in names]
    entries = {name: chart for name, chart in charts.entries.items() if chart in wanted}
    written: dict[str, dict[str, Any]] = {name: dict(entry) for name, entry in read_yaml(lock)["charts"].items() if name in entries}
    earlier = _earlier(into / LOCK)
    recorded = {chart.file: chart.digest for chart, _ in earlier.values()}
    fetched, kept, refused = [], [], []
    replacing: dict[str, bytes] = {}
    with console.step(f"{len(entries)} charts into {into}") as step:
        for number, (name, chart) in enumerate(entries.items(), 1):
            step.detail = f"{name} {chart.version}, {number} of {len(entries)}"
            if chart.digest and _holds(into, chart):
                kept.append(name)
                continue
            try:
                content = _verified(_content(chart, source), chart, lock)
                digest, before = _digest(content), recorded.get(chart.file)
                if chart.digest is None and before not in (None, digest):
                    raise SupplyError(
                        f"sha256 is {digest}, {into / LOCK} says digest: {before}, as it came first: a version is one archive for ever; "
                        "find out who changed it, or remove its entry there to take this one"
                    )
                if before in (None, digest):
                    write_whole(_folder(into) / chart.file, content)
                else:
                    replacing[chart.file] = content
                fetched.append(name)
                written[name]["digest"] = digest
            except SupplyError as error:
                refused.append(f"{name} {chart.version}: {error}")
    if refused:
        state = f"{into / LOCK} stays as it was" if earlier else f"{into} has no lock yet"
        raise SupplyError("\n".join([*refused, f"{state}: run it again when the cause is mended"]))
    for file, content in replacing.items():
        write_whole(into / file, content)
    for name in fetched:
        if entries[name].digest is None:
            written[name]["reason"] = f"as it came into this mirror; {written[name]['reason']}"
    stay, left_out = _staying(into, earlier, written)
    write_whole(into / LOCK, (_LOCK_SAYS + yaml.safe_dump({"charts": {**stay, **written}}, sort_keys=False, width=200)).encode())
    unverified = tuple(name for name in fetched if entries[name].digest is None and recorded.get(entries[name].file) is None)
    return Filled(into / LOCK, tuple(fetched), tuple(kept), unverified, left_out)


def _earlier(lock: Path) -> dict[str, tuple[Chart, dict[str, Any]]]:
    """The entries of the folder's own lock, also as they are written; none where there is no lock yet."""
    if not lock.is_file():
        return {}
    entries = open_lock(str(lock.absolute())).entries
    written = read_yaml(lock)["charts"]
    return {name: (chart, written[name]) for name, chart in entries.items()}


def _staying(
    into: Path, earlier: Mapping[str, tuple[Chart, dict[str, Any]]], written: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, dict[str, Any]], tuple[str, ...]]:
    """Entries of the folder's lock that another run made and that still hold, and the names of those that do not.

    Where the name is another version's now, the entry has its version in its name.
    """
    stay: dict[str, dict[str, Any]] = {}
    left_out = []
    for name, (chart, entry) in earlier.items():
        now = written.get(name)
        if now is not None and str(now["version"]) == chart.version:
            stay[name] = entry  # its place in the file; what is written now goes over it
        elif not _holds(into, chart):
            left_out.append(name)
        else:
            stay[name if now is None else f"{chart.name}@{chart.version}"] = entry
    return stay, tuple(left_out)


def _holds(into: Path, chart: Chart) -> bool:
    """Whether the folder has the chart's archive, and it is the one that its digest says."""
    target = into / chart.file
    return target.is_file() and _digest(target.read_bytes()) == chart.digest


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
    _refuse_shared_paths(found)
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


def _refuse_shared_paths(names: Iterable[str]) -> None:
    by_path: dict[str, list[str]] = {}
    for image in names:
        by_path.setdefault(image_rules.path(image), []).append(image)
    if shared := [" and ".join(both) for both in by_path.values() if len(both) > 1]:
        raise SupplyError("\n".join(f"{both} would be one image in imageRegistry" for both in shared))


def with_earlier(
    into: Path, stacks: Collection[str], entries: Sequence[Mapping[str, Any]], unknown: Sequence[str]
) -> tuple[list[dict[str, Any]], list[str]]:
    """The images of some stacks and those that the folder lists already for other ones, and what either list cannot say.

    SupplyError where the folder's list cannot be read, or two images would be one in a registry of one's own.
    """
    listed_before, unknown_before = _listed_before(into / IMAGES)
    images_now = {entry["image"]: dict(entry) for entry in entries}
    for entry in listed_before:
        others = [stack for stack in entry["stacks"] if stack not in stacks]
        if not others:
            continue
        now = images_now.get(entry["image"], {**entry, "stacks": [], "usedBy": []})
        both = {key: sorted({*now[key], *there}) for key, there in (("stacks", others), ("usedBy", entry["usedBy"]))}
        images_now[entry["image"]] = {**now, **both}
    _refuse_shared_paths(sorted(images_now))
    theirs = [line for line in unknown_before if not any(line.startswith(f"stack {stack}: ") for stack in stacks)]
    return [images_now[name] for name in sorted(images_now)], [*theirs, *unknown]


def _listed_before(file: Path) -> tuple[list[dict[str, Any]], list[str]]:
    if not file.is_file():
        return [], []
    try:
        document = read_yaml(file)
        found = [{**entry, **{key: list(entry[key]) for key in ("stacks", "usedBy")}} for entry in document["images"] if entry["image"]]
        return found, list(document["notKnown"])
    except (DuplicateKey, yaml.YAMLError, KeyError, TypeError) as error:
        raise SupplyError(f"{file}: it is no list of images ({' '.join(str(error).split())}); remove it to have it made anew") from None


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
    write_whole(into / IMAGES, (_IMAGES_SAY + yaml.safe_dump(document, sort_keys=False, width=200)).encode())
    write_whole(into / "images.txt", "".join(f"{entry['image']}\n" for entry in entries).encode())
