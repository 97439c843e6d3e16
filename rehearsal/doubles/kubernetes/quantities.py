"""Kubernetes quantities in the form the API server gives them back: 1000m is 1, 1024Mi is 1Gi."""

import re
from fractions import Fraction
from math import ceil
from typing import Any

_DECIMAL = {"n": -3, "u": -2, "m": -1, "": 0, "k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
_BINARY = {"": 0, "Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_FORM = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?")
# Where quantities stand in the built-in kinds: maps of them, and single ones.
_MAPS = frozenset({"requests", "limits", "hard", "capacity", "allocatable", "overhead"})
_SINGLE = frozenset({"sizeLimit", "divisor", "averageValue"})


def canonical(quantity: Any) -> Any:
    """The quantity as the API server writes it; what is none comes back as it is."""
    match = None if isinstance(quantity, bool) else _FORM.fullmatch(str(quantity))
    if match is None:
        return quantity
    number, suffix = Fraction(match[1]), match[2] or ""
    if suffix.endswith("i"):
        value = number * 1024 ** _BINARY[suffix]
        return _decimal(value) if -1024 < value < 1024 else _binary(ceil(value))
    if suffix and suffix not in _DECIMAL:
        exponent = int(suffix[1:])
        return _exponential(number * Fraction(10) ** exponent)
    return _decimal(number * Fraction(1000) ** _DECIMAL[suffix])


def canonical_throughout(value: Any, *, in_map: bool = False) -> Any:
    """A copy with each quantity of an object canonical, known by the names of the fields around it."""
    if isinstance(value, dict):
        if in_map:
            return {key: canonical(item) if isinstance(item, str | int | float) else item for key, item in value.items()}
        return {
            key: canonical(item)
            if key in _SINGLE and isinstance(item, str | int | float)
            else canonical_throughout(item, in_map=key in _MAPS)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [canonical_throughout(item) for item in value]
    return value


def _in_thousands(value: Fraction) -> tuple[int, int]:
    """As mantissa and power of a thousand, the largest that leaves a whole mantissa; never finer than a billionth."""
    billionths, power = ceil(value * 10**9), -3
    while billionths and billionths % 1000 == 0 and power < _DECIMAL["E"]:
        billionths, power = billionths // 1000, power + 1
    return (billionths, power) if billionths else (0, 0)


def _decimal(value: Fraction) -> str:
    mantissa, power = _in_thousands(value)
    return f"{mantissa}{next(suffix for suffix, at in _DECIMAL.items() if at == power)}"


def _exponential(value: Fraction) -> str:
    mantissa, power = _in_thousands(value)
    return f"{mantissa}e{power * 3}" if power else str(mantissa)


def _binary(value: int) -> str:
    power = 0
    while value % 1024 == 0 and power < _BINARY["Ei"]:
        value, power = value // 1024, power + 1
    return f"{value}{next(suffix for suffix, at in _BINARY.items() if at == power)}"
