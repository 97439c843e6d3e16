"""Secrets where anybody can read them: in the values of a release, a ConfigMap, or a resource of the cloud."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from review import documents
from review.recorder import SECRET, SIGNATURE

_NAMED = re.compile(
    r"(password|passwd|passphrase|secret|token|api_?key|account_?key|access_?key|private_?key|client_?secret|connection_?string)$", re.I
)
_KINDS = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a storage account's key": re.compile(r"(AccountKey=|^)[A-Za-z0-9+/]{86}==(;|$)"),
    "a shared access signature": re.compile(r"[?&]sig=[A-Za-z0-9%+/]{20,}"),
    "a token": re.compile(
        r"\b(eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]+|gh[pousr]_\w{30,}|glsa_\w{20,}|glc_\w{20,}"
        r"|xox[bp]-[\w-]{10,}|AKIA[A-Z0-9]{16})"
    ),
    "a URL with a password": re.compile(r"://[^/\s:@]+:[^/\s:@${]+@"),
}
_REFERENCE = re.compile(r"\$\{|\$\(|\$\w|\{\{|^[/<%]|^\(secret\)$")
"""What only points to a secret: a variable, a template, a path."""
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?(/[a-z0-9]([-a-z0-9.]*[a-z0-9])?)?")


class Leak(NamedTuple):
    """A secret that anybody can read."""

    path: str
    nature: str
    """What it is, without saying it."""
    literal: str
    """The text that holds it; it must not be shown."""


def found(inputs: Any, known: Collection[str], *, values: bool) -> Iterator[Leak]:
    """Every secret that stands in clear; for values of a release (`values`) encrypted ones count, too.

    `known` holds secrets that must not show up anywhere.
    """
    yield from _found(inputs, (), known, values)


def _found(value: Any, path: tuple[str, ...], known: Collection[str], values: bool) -> Iterator[Leak]:
    if isinstance(value, Mapping):
        if value.get(SIGNATURE) == SECRET:
            if values:
                yield Leak(".".join(path), "a secret of the configuration", "")
            return
        named = value.get("name")
        if isinstance(named, str) and isinstance(value.get("value"), str) and _is_literal(named, value["value"]):
            yield Leak(".".join((*path, named)), f"a literal under the name {named}", value["value"])
        for key, child in value.items():
            yield from _found(child, (*path, str(key)), known, values)
    elif isinstance(value, list):
        for number, child in enumerate(value):
            yield from _found(child, (*path, str(number)), known, values)
    elif isinstance(value, str) and (nature := _nature(path[-1] if path else "", value, known)):
        yield Leak(".".join(path), nature, value)
    elif isinstance(value, str) and (inner := documents.nested(value)) is not None:
        yield from _found(inner, path, known, values)


def _nature(key: str, text: str, known: Collection[str]) -> str:
    if any(secret in text for secret in known):
        return "a secret of the configuration"
    kind = next((kind for kind, pattern in _KINDS.items() if pattern.search(text)), "")
    return kind or (f"a literal under the name {key}" if _is_literal(key, text) else "")


def _is_literal(key: str, text: str) -> bool:
    """Whether a value under a name like `adminPassword` is itself one, and no reference to one."""
    match = _NAMED.search(key)
    if not match or not text or _REFERENCE.search(text):
        return False
    # `existingSecret: grafana-admin` names an object
    return not (match[1].lower() == "secret" and _NAME.fullmatch(text) and len(text) <= 63)
