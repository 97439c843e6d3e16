"""Secrets of a run's configuration: encrypted in its own copy of the stack file.

What that copy holds in clear the engine writes into its history, run by run.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path


class Concealed:
    """The secret values of one stack, and which of them its copy of the stack file holds encrypted already.

    `file` remembers a keyed digest of each value, so that the engine is asked to encrypt only what is new; the key is the passphrase
    under which the values themselves are encrypted beside it.
    """

    def __init__(self, file: Path, passphrase: str, values: Mapping[str, str]) -> None:
        self.values = dict(values)
        self._file = file
        key = passphrase.encode()
        self._digests = {name: hmac.new(key, f"{name}={value}".encode(), hashlib.sha256).hexdigest() for name, value in values.items()}

    def is_kept(self, key: str) -> bool:
        """Whether the copy holds this key's present value."""
        return key in self._digests and self._noted().get(key) == self._digests[key]

    def note(self) -> None:
        """Remembers that the copy holds all of them."""
        if self._noted() != self._digests:
            partial = self._file.with_suffix(".new")
            partial.write_text(json.dumps(self._digests))
            partial.replace(self._file)

    def _noted(self) -> dict[str, str]:
        try:
            return dict(json.loads(self._file.read_text()))
        except (OSError, ValueError, TypeError):
            return {}
