"""Sends objects to the API server: created plainly, updated server-side, under the field manager that the state keeps."""

import threading
from typing import Any

from rehearsal.doubles.kubernetes import managers, shapes
from rehearsal.doubles.kubernetes.api import APPLY, JSON_PATCH
from rehearsal.doubles.kubernetes.cluster import Cluster
from rehearsal.doubles.kubernetes.config import Settings
from rehearsal.doubles.kubernetes.diff import parsed
from rehearsal.doubles.kubernetes.errors import ApiError, NoMatch

_RETRIES = 5
_CONFLICT = """server-side apply field conflict detected, see https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/\
managing-resources-with-server-side-apply/#handle-field-conflicts-on-existing-resources for troubleshooting help
The resource managed by field manager "{}" had an apply conflict: {}"""


class Applier:
    """Requests that make, change and read objects of one cluster."""

    def __init__(self, cluster: Cluster, settings: Settings, cancelled: threading.Event) -> None:
        self._cluster = cluster
        self._settings = settings
        self._cancelled = cancelled

    def get(self, obj: dict[str, Any]) -> dict[str, Any]:
        """The object as it is now."""
        return self._cluster.api.get(self._path(obj, shapes.name_of(obj)))

    def create(self, inputs: dict[str, Any], manager: str, *, preview: bool, applies: bool) -> dict[str, Any]:
        """Creates the object; again, up to five times, while its kind or its namespace is not there."""
        pause = 1.0
        for _ in range(_RETRIES):
            try:
                return self._create_once(inputs, manager, preview, applies)
            except (NoMatch, ApiError) as error:
                is_missing = isinstance(error, NoMatch) or (error.status == 404 and not preview)
                if not is_missing or self._cancelled.wait(pause):
                    raise
                pause *= 2
        return self._create_once(inputs, manager, preview, applies)

    def _create_once(self, inputs: dict[str, Any], manager: str, preview: bool, applies: bool) -> dict[str, Any]:
        dry_run = {"dryRun": "All"} if preview else {}
        if applies:
            query = {"fieldManager": manager, "force": _word(self._forces(inputs, None, preview)), "fieldValidation": "Warn", **dry_run}
            return self._apply(self._path(inputs, shapes.name_of(inputs)), query, inputs, manager)
        return self._cluster.api.request("POST", self._path(inputs, ""), {"fieldManager": managers.CREATOR, **dry_run}, inputs)

    def update(
        self, inputs: dict[str, Any], name: str, manager: str, *, preview: bool, is_patch: bool, ignored: list[str]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Changes the object of this name: as it was before, and as it is after."""
        api, path = self._cluster.api, self._path(inputs, name)
        before = api.get(path)
        query = {"fieldManager": manager, **({"dryRun": "All"} if preview else {})}
        if shapes.is_crd(inputs):
            metadata = {**inputs["metadata"], "resourceVersion": before["metadata"]["resourceVersion"]}
            return before, api.request("PUT", path, query, {**inputs, "metadata": metadata})
        owned = before
        if not preview and not is_patch and (patch := managers.takeover(before, manager)):
            owned = api.request("PATCH", path, None, patch, content_type=JSON_PATCH)
        query["force"] = _word(self._forces(inputs, owned, preview))
        return before, self._apply(path, query, _left_alone(inputs, owned, manager, ignored), manager)

    def relinquish(self, obj: dict[str, Any], manager: str) -> None:
        """Gives up what the manager owns of the object, which stays."""
        metadata = {key: value for key, value in obj["metadata"].items() if key in ("name", "namespace")}
        nothing = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata}
        path = self._path(obj, shapes.name_of(obj))
        self._cluster.api.request("PATCH", path, {"fieldManager": manager}, nothing, content_type=APPLY)

    def _apply(self, path: str, query: dict[str, str], inputs: dict[str, Any], manager: str) -> dict[str, Any]:
        try:
            return self._cluster.api.request("PATCH", path, query, inputs, content_type=APPLY)
        except ApiError as error:
            if error.reason != "Conflict":
                raise
            raise ApiError(error.status, _CONFLICT.format(manager, error), error.reason, error.about) from None

    def _path(self, obj: dict[str, Any], name: str) -> str:
        return self._cluster.resource_of(obj).path(shapes.namespace_of(obj), name)

    def _forces(self, inputs: dict[str, Any], live: dict[str, Any] | None, preview: bool) -> bool:
        """Whether to take fields from other managers."""
        if shapes.annotation(inputs, "pulumi.com/patchForce") == "true" or self._settings.has("enablePatchForce"):
            return True
        if live is None:
            return preview
        return not live["metadata"].get("managedFields") or (preview and managers.has_own_create(live))


def _word(value: bool) -> str:
    return "true" if value else "false"


def _left_alone(inputs: dict[str, Any], live: dict[str, Any], manager: str, ignored: list[str]) -> dict[str, Any]:
    """The inputs with the fields of ignoreChanges as they are: left out where another manager has them, else as they are live."""
    for text in ignored:
        path = tuple(str(step) for step in parsed(text))
        ours, theirs = managers.owns(live, manager, path)
        value: Any = live
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        if (theirs and not ours) or value is not None:
            inputs = _with(inputs, path, None if theirs and not ours else value)
    return inputs


def _with(obj: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A copy with the value at the path; without it where the value is None."""
    key, *rest = path
    if rest:
        inner = obj.get(key)
        return {**obj, key: _with(inner if isinstance(inner, dict) else {}, tuple(rest), value)}
    return {name: item for name, item in obj.items() if name != key} | ({} if value is None else {key: value})
