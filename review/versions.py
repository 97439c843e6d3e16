"""Versions of charts: their order, and the line of releases that one belongs to."""

from __future__ import annotations

import re

_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(?:[-+].*)?")
Version = tuple[int, int, int]


def parse(text: str) -> Version:
    """The numbers of a version such as 18.11.0 or v1.21.1. ValueError for anything else."""
    match = _VERSION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text} is no version such as 18.11.0")
    major, minor, patch = match.groups()
    return int(major), int(minor), int(patch)


def line(version: Version, depth: int) -> str:
    """The line of a version: `18` of 18.11.0 (depth 1), `1.30` of 1.30.3 (depth 2)."""
    return ".".join(str(part) for part in version[:depth])
