"""The provider: what the engine configured, and which part answers a call about a resource."""

import threading
from typing import Any, TypeVar

from rehearsal.doubles.kubernetes import VERSION, check, config, replaces, shapes, state
from rehearsal.doubles.kubernetes.check import Naming
from rehearsal.doubles.kubernetes.cluster import Cluster
from rehearsal.doubles.kubernetes.config import Settings
from rehearsal.doubles.kubernetes.diff import Change, changes, is_ignored, merge_patch
from rehearsal.doubles.kubernetes.errors import Refusal
from rehearsal.doubles.kubernetes.helm import Helm
from rehearsal.doubles.kubernetes.host import Host
from rehearsal.doubles.kubernetes.objects import Objects
from rehearsal.doubles.kubernetes.release import TYPE as RELEASE
from rehearsal.doubles.kubernetes.release import Releases
from rehearsal.doubles.kubernetes.requests import Call

_Part = TypeVar("_Part")
NOTICE = f"kubernetes double: stands in for the real plugin {VERSION}"


class ResourceDiff:
    """What a Diff found. `arguments` are the changed arguments, where they are told apart from the fields."""

    def __init__(
        self, found: dict[str, Change], *, arguments: list[str] | None = None, always_detailed: bool, in_place: bool = True
    ) -> None:
        self.changes = found
        self.arguments = arguments or []
        self.is_detailed = always_detailed or bool(found)
        self.replaces = sorted(path for path, change in found.items() if change.replaces)
        self.delete_first = bool(self.replaces) and in_place

    @property
    def has_changes(self) -> bool:
        """Whether anything changes."""
        return bool(self.changes or self.arguments)


class Provider:
    """One provider, for the life of the process."""

    def __init__(self, host: Host, cancelled: threading.Event) -> None:
        self._host = host
        self._cancelled = cancelled
        self._settings: Settings | None = None
        self._cluster: Cluster | None = None
        self._objects: Objects | None = None
        self._releases: Releases | None = None
        self._helm: Helm | None = None

    def configure(self, variables: dict[str, str]) -> None:
        """Connects to the cluster, as far as there is one: each call says so itself if not."""
        self._settings = config.settings(variables)
        self._host.warn_once(NOTICE)
        self._cluster = Cluster(self._settings, self._cancelled)
        self._helm = Helm(self._settings, self._cancelled)
        self._objects = Objects(self._cluster, self._settings, self._host, self._cancelled)
        self._releases = Releases(self._cluster, self._helm, self._host)

    def close(self) -> None:
        """Removes temporary files."""
        if self._helm is not None:
            self._helm.close()

    def check(self, call: Call, naming: Naming) -> dict[str, Any]:
        """The inputs as the provider wants them."""
        cluster, settings, releases = _configured(self._cluster), _configured(self._settings), _configured(self._releases)
        if cluster.unreachable and settings.has("skipUpdateUnreachable"):
            self._host.warn("Cluster is unreachable but skipUpdateUnreachable flag is set to true, skipping...", call.urn)
            return call.olds
        if call.type == RELEASE:
            return releases.check(call)
        return check.check(cluster, call.type, call.olds, call.news, naming)

    def diff(self, call: Call) -> ResourceDiff:
        """What changes between the state and the new inputs."""
        cluster, settings = _configured(self._cluster), _configured(self._settings)
        if call.type == RELEASE:
            found, arguments = _configured(self._releases).diff(call)
            return ResourceDiff(found, arguments=arguments, always_detailed=False, in_place=False)
        old_inputs, live = state.read(call.olds)
        old_inputs, inputs = shapes.normal(old_inputs), shapes.normal(shapes.from_inputs(call.news))
        before = shapes.pruned(live, old_inputs)
        before, inputs = _placed(before, cluster.is_namespaced(inputs)), _placed(inputs, cluster.is_namespaced(inputs))
        if shapes.name_of(inputs):
            before["metadata"]["name"] = shapes.name_of(live)
        forcing = replaces.IDENTITY
        if not shapes.is_patch(call.type, inputs):
            forcing = replaces.forcing_fields(inputs, settings.has("enableConfigMapMutable"), settings.has("enableSecretMutable"))
        found = changes(merge_patch(before, inputs), before, inputs, before, forcing)
        found = {path: change for path, change in found.items() if not is_ignored(path, call.ignored)}
        keeps_its_place = shapes.annotation(inputs, shapes.AUTONAMED) != "true" and shapes.identifier(inputs) == shapes.identifier(live)
        return ResourceDiff(found, always_detailed=True, in_place=keeps_its_place)

    def create(self, call: Call) -> tuple[str, dict[str, Any]]:
        """Id and state of a new resource."""
        return _configured(self._releases).create(call) if call.type == RELEASE else _configured(self._objects).create(call)

    def update(self, call: Call) -> dict[str, Any]:
        """The state of a changed resource."""
        return _configured(self._releases).update(call) if call.type == RELEASE else _configured(self._objects).update(call)

    def read(self, call: Call) -> tuple[str, dict[str, Any], dict[str, Any]] | None:
        """Id, state and inputs of a resource as it is, None when it is gone."""
        if call.type == RELEASE and not _configured(self._cluster).unreachable:
            return _configured(self._releases).read(call)
        return _configured(self._objects).read(call)

    def delete(self, call: Call) -> None:
        """Deletes a resource."""
        if call.type == RELEASE:
            _configured(self._releases).delete(call)
        else:
            _configured(self._objects).delete(call)


def _configured(part: _Part | None) -> _Part:
    if part is None:
        raise Refusal("the kubernetes provider is used before it is configured")
    return part


def _placed(obj: dict[str, Any], namespaced: bool) -> dict[str, Any]:
    """The object with its namespace spelled out, or without one where its kind has none."""
    metadata = obj.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        return obj
    placed = {key: value for key, value in (metadata or {}).items() if key not in ("namespace", "resourceVersion")}
    given = (metadata or {}).get("namespace")
    return {**obj, "metadata": {**placed, "namespace": given or "default"} if namespaced else placed}
