"""The provider: what the engine configured, and what it answers about resources and functions."""

from typing import Any

from rehearsal.doubles.azure_native import VERSION, check, diff, ids, invokes, settings, storage, values
from rehearsal.doubles.azure_native.catalogue import ACCOUNT, BY_TOKEN, Kind
from rehearsal.doubles.azure_native.check import Naming
from rehearsal.doubles.azure_native.resource_manager import ResourceManager
from rehearsal.doubles.kubernetes.errors import Refusal
from rehearsal.doubles.kubernetes.host import Host
from rehearsal.doubles.kubernetes.requests import Call
from rehearsal.doubles.kubernetes.values import revealed

NOTICE = f"azure-native double: stands in for the real plugin {VERSION}; nothing is made in Azure"
# Known while an update is only previewed, as they never change in one.
_STABLE = ("name", "location")


class Provider:
    """One provider, for the life of the process."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._configured: ResourceManager | None = None

    def configure(self, variables: dict[str, str]) -> None:
        """Takes the arguments and the environment. Refusal where something in them cannot be."""
        self._configured = ResourceManager(settings.settings(variables))
        self._host.warn_once(NOTICE)

    def check(self, call: Call, naming: Naming) -> tuple[dict[str, Any], list[str]]:
        """The inputs as the provider wants them, and what is wrong with them."""
        location = self._manager.settings.location
        return check.check(_kind(call), revealed(call.olds), revealed(call.news), naming, location, self._manager.group_location)

    def diff(self, call: Call) -> tuple[dict[str, str], bool]:
        """Kinds of change by path, and whether the old resource goes before the new one comes."""
        old_inputs = revealed(call.old_inputs)
        found = diff.changes(_kind(call), old_inputs, revealed(call.news), revealed(call.olds))
        return found, diff.deletes_first(found, old_inputs)

    def create(self, call: Call) -> tuple[str, dict[str, Any]]:
        """Id and outputs of a new resource."""
        kind, inputs = _kind(call), revealed(call.news)
        if call.preview:
            return "", values.preview(inputs, kind.outputs)
        identifier, outputs = self._manager.create(kind, inputs)
        return identifier, _versioned(kind, outputs)

    def update(self, call: Call) -> dict[str, Any]:
        """The outputs of a changed resource."""
        kind, inputs, before = _kind(call), revealed(call.news), revealed(call.olds)
        if call.preview:
            return {**values.preview(inputs, kind.outputs), **{key: before[key] for key in _STABLE if key in before}}
        if kind.token == ACCOUNT.token:
            inputs = {**{key: value for key, value in storage.DEFAULTS.items() if key in before}, **inputs}
        return _versioned(kind, self._manager.update(kind, inputs))

    def read(self, call: Call) -> tuple[str, dict[str, Any], dict[str, Any]] | None:
        """Id, outputs and inputs of a resource as it is, None when it is gone."""
        kind, before, old_inputs = _kind(call), revealed(call.olds), revealed(call.old_inputs)
        found = self._manager.read(kind, call.identifier)
        if found is None:
            return None
        outputs = found[1]
        now = values.projected(outputs, kind.body)
        if old_inputs:
            inputs = diff.refreshed(old_inputs, values.projected(before, kind.body), now)
        else:
            names = ids.read(kind.path, call.identifier)
            if names is None:
                raise Refusal(f"{call.identifier} is no id of a {kind.token}: must be like {kind.path}")
            inputs = {**{name: names[name] for name in kind.parameters}, **now}
        return call.identifier, _versioned(kind, outputs), inputs

    def delete(self, call: Call) -> None:
        """Deletes a resource."""
        self._manager.delete(_kind(call), call.identifier)

    def invoke(self, token: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """What a function answers."""
        return invokes.call(token, self._manager, revealed(arguments))

    @property
    def _manager(self) -> ResourceManager:
        if self._configured is None:
            raise Refusal("the azure-native provider is used before it is configured")
        return self._configured


def _kind(call: Call) -> Kind:
    if call.type not in BY_TOKEN:
        raise Refusal(f"the azure-native double does not know the resource type {call.type}; it knows {', '.join(sorted(BY_TOKEN))}")
    return BY_TOKEN[call.type]


def _versioned(kind: Kind, outputs: dict[str, Any]) -> dict[str, Any]:
    return {**outputs, "azureApiVersion": kind.api_version}
