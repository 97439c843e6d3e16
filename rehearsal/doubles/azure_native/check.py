"""Check: the inputs with the defaults that the real plugin gives them, and what is wrong with them."""

import hashlib
import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rehearsal.doubles.azure_native import values
from rehearsal.doubles.azure_native.catalogue import ACCOUNT, GROUP, IDENTITY, Kind
from rehearsal.doubles.kubernetes.values import UNKNOWN, has_unknown

RANDOM_NAME = "__createBeforeDelete"
"""Marks inputs whose name holds a random part: another one can stand beside it, so it is made before the old one goes."""
_NEED_LOCATION = (GROUP.token, ACCOUNT.token, IDENTITY.token)


@dataclass(frozen=True)
class Naming:
    """What the engine says about a name that is missing."""

    resource_name: str
    seed: bytes
    mode: str = ""
    proposed: str = ""

    def name(self, strategy: str) -> tuple[str, bool] | None:
        """A name and whether it holds a random part; None where names have to be given."""
        if self.mode == "DISABLE":
            return None
        if self.mode == "ENFORCE" or (self.mode == "PROPOSE" and strategy != "uuid"):
            return self.proposed, True
        digits = hashlib.sha256(self.seed).hexdigest() if self.seed else secrets.token_hex(32)
        if strategy == "uuid":
            return str(uuid.UUID(digits[:32])), True
        return (self.resource_name, False) if strategy == "copy" else (self.resource_name + digits[:8], True)


def check(
    kind: Kind,
    olds: Mapping[str, Any],
    news: Mapping[str, Any],
    naming: Naming,
    configured_location: str,
    group_location: Callable[[str], str | None],
) -> tuple[dict[str, Any], list[str]]:
    """The inputs as the plugin wants them, and what is wrong with them."""
    # Nothing is as good as missing.
    inputs = {key: value for key, value in news.items() if value is not None}
    _name(kind, olds, inputs, naming)
    if "location" not in inputs and "location" in kind.inputs:
        location = _location(olds, inputs, configured_location, group_location)
        if location is not None:
            inputs["location"] = location
    inputs.setdefault("azureApiVersion", kind.api_version)
    judged = {key: value for key, value in inputs.items() if key not in ("azureApiVersion", RANDOM_NAME)}
    wrong = list(values.failures(kind, judged))
    # The SDK knows these as optional, as they may get a default here; where they got none, they are missing.
    if kind.name_parameter not in judged:
        wrong.append(f"missing required property '{kind.name_parameter}'")
    if "location" not in judged and kind.token in _NEED_LOCATION:
        wrong.append(
            "missing required property 'location'. "
            "Either set it explicitly or configure it with 'pulumi config set azure-native:location <value>'."
        )
    return inputs, wrong


def _name(kind: Kind, olds: Mapping[str, Any], inputs: dict[str, Any], naming: Naming) -> None:
    parameter = kind.name_parameter
    if parameter in inputs:
        return
    known = olds.get(parameter)
    found = naming.name(kind.autoname) if known is None else (known, bool(olds.get(RANDOM_NAME)))
    if found is not None:
        inputs[parameter] = found[0]
        if found[1]:
            inputs[RANDOM_NAME] = True


def _location(olds: Mapping[str, Any], inputs: Mapping[str, Any], configured: str, group_location: Callable[[str], str | None]) -> Any:
    if olds.get("location") is not None:
        return olds["location"]
    if configured:
        return configured
    group = inputs.get("resourceGroupName")
    if group is None:
        return None
    return UNKNOWN if has_unknown(group) else group_location(group)
