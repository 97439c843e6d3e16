"""Amounts as configurations write them: sizes of volumes and lengths of time, so that two can be compared."""

from __future__ import annotations

import re
from math import inf

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKMGTPE]?i?)B?")
_FACTORS = {"": 1.0, **{unit: 1000.0 ** (n + 1) for n, unit in enumerate("kMGTPE")}}
_FACTORS |= {"K": 1000.0, **{f"{unit}i": 1024.0 ** (n + 1) for n, unit in enumerate("KMGTPE")}}
_TIME = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhdwy]))+")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}


def size(value: object) -> float | None:
    """Bytes of `50Gi` or `184320MiB`; None for what is no size."""
    match = _SIZE.fullmatch(str(value))
    return float(match[1]) * _FACTORS[match[2]] if match and match[2] in _FACTORS else None


def duration(value: object) -> float | None:
    """Seconds of `720h` or `15d`, and a number as it is; none at all (`0s`) is for ever. None for what is no time."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value) or inf
    text = str(value)
    if not _TIME.fullmatch(text):
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in re.findall(r"(\d+(?:\.\d+)?)(ms|[smhdwy])", text)) or inf
