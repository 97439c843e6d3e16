"""Objects of the API server: create, update, read, delete, each waited for."""

import threading
from typing import Any

from rehearsal.doubles.kubernetes import shapes, state
from rehearsal.doubles.kubernetes.applying import Applier
from rehearsal.doubles.kubernetes.awaiting import Wait, timeout_seconds, until_gone, until_ready
from rehearsal.doubles.kubernetes.cluster import Cluster
from rehearsal.doubles.kubernetes.config import Settings
from rehearsal.doubles.kubernetes.errors import ApiError, InitializationFailed, NoMatch, NotReady, Refusal, Unreachable
from rehearsal.doubles.kubernetes.host import Host
from rehearsal.doubles.kubernetes.readiness import readiness_of, readiness_on_refresh
from rehearsal.doubles.kubernetes.requests import Call
from rehearsal.doubles.kubernetes.values import has_unknown, keep_secrets

_EXISTS = """{}

The resource already exists in the cluster. This can happen when:

  - Renaming a Pulumi resource: use an alias to preserve the identity,
    or use deleteBeforeReplace if the resource needs replacement.
  - Managing an existing resource: use a Patch resource (e.g. NamespacePatch)
    to manage specific fields without owning the resource lifecycle.
  - Adopting a resource into Pulumi: use `pulumi import`. Note that
    protected resources (e.g. kube-system) cannot be deleted on destroy.
  - Intentional upsert: set upsertExistingObjects on the provider to allow
    server-side apply to update existing objects on create."""
_UNREACHABLE = (
    "{}. If the cluster was deleted, you can remove this resource from Pulumi state by rerunning the operation with the "
    'PULUMI_K8S_DELETE_UNREACHABLE environment variable set to "true"'
)


class Objects:
    """Calls about objects, on one cluster."""

    def __init__(self, cluster: Cluster, settings: Settings, host: Host, cancelled: threading.Event) -> None:
        self._cluster = cluster
        self._settings = settings
        self._host = host
        self._cancelled = cancelled
        self._applier = Applier(cluster, settings, cancelled)

    def create(self, call: Call) -> tuple[str, dict[str, Any]]:
        """Id and state of a new object; of a preview the inputs, where the API server cannot say more yet."""
        inputs = shapes.from_inputs(call.news)
        is_patch = shapes.is_patch(call.type, inputs)
        if not call.preview:
            self._cluster.require_reachable()
        elif has_unknown(inputs) or is_patch or not self._cluster.knows(inputs):
            return "", call.news
        manager, first_version = state.manager_of({}, inputs), inputs["apiVersion"]
        applies = is_patch or self._settings.has("upsertExistingObjects")
        try:
            live = self._applier.create(inputs, manager, preview=call.preview, applies=applies)
        except NoMatch as error:
            raise Refusal(
                f'creation of resource "{call.urn}" with kind {first_version}/{inputs.get("kind")} failed because the Kubernetes API '
                "server reported that the apiVersion for this resource does not exist. "
                f"Verify that any required CRDs have been created: {error}"
            ) from None
        except (ApiError, Unreachable) as error:
            if call.preview and isinstance(error, ApiError) and _hides_preview(error):
                return "", call.news
            message = _EXISTS.format(error) if isinstance(error, ApiError) and error.reason == "AlreadyExists" else error
            raise Refusal(f'resource "{call.urn}" was not successfully created by the Kubernetes API server: {message}') from None
        if call.preview:
            live.pop("status", None)
            return "", state.written(inputs, live, call.news, manager, first_version)
        if shapes.is_crd(inputs):
            self._cluster.api.forget_kinds()
        try:
            live = self._until_ready(call, inputs, live, None)
        except NotReady as error:
            raise InitializationFailed(
                f'resource "{call.urn}" was successfully created, but the Kubernetes API server '
                f"reported that it failed to fully initialize or become live: {error}",
                shapes.identifier(error.live),
                state.written(inputs, error.live, call.news, manager, first_version),
                error.reasons,
            ) from None
        return shapes.identifier(live), state.written(inputs, live, call.news, manager, first_version)

    def update(self, call: Call) -> dict[str, Any]:
        """The state after an update; of a preview, as the API server computes it."""
        inputs = shapes.normal(shapes.from_inputs(call.news))
        is_patch = shapes.is_patch(call.type, inputs)
        if not call.preview:
            self._cluster.require_reachable()
        elif has_unknown(inputs) or not self._cluster.knows(inputs):
            return call.news
        old_inputs, old_live = state.read(call.olds)
        old_manager, manager = state.manager_of(call.olds, old_inputs), state.manager_of(call.olds, inputs)
        first_version = state.first_version_of(call.olds, old_inputs)
        try:
            name = shapes.name_of(old_live)
            before, live = self._applier.update(inputs, name, manager, preview=call.preview, is_patch=is_patch, ignored=call.ignored)
            if not call.preview:
                live = self._until_ready(call, inputs, live, before)
        except NoMatch as error:
            raise Refusal(
                f'update of resource "{call.urn}" failed because the Kubernetes API server reported that the apiVersion for this resource '
                f"does not exist. Verify that any required CRDs have been created: {error}"
            ) from None
        except (ApiError, Unreachable, NotReady) as error:
            if call.preview and isinstance(error, ApiError) and error.status == 403:
                return call.news
            live, reasons = self._live_after(call, old_live, error), error.reasons if isinstance(error, NotReady) else []
            raise InitializationFailed(
                f'the Kubernetes API server reported that "{shapes.identifier(live)}" failed to fully initialize or become live: {error}',
                shapes.identifier(live),
                state.written(inputs, live, call.news, manager, first_version),
                reasons,
            ) from None
        if old_manager != manager and not call.preview:
            self._applier.relinquish(live, old_manager)
        return state.written(inputs, live, call.news, manager, first_version)

    def _live_after(self, call: Call, old_live: dict[str, Any], failure: Exception) -> dict[str, Any]:
        try:
            return self._applier.get(old_live)
        except (ApiError, Unreachable, NoMatch) as error:
            raise Refusal(f'update of resource "{call.urn}" failed: {failure}\nunable to get cluster state: {error}') from None

    def _wait(self, call: Call, live: dict[str, Any], previous: dict[str, Any] | None) -> Wait:
        return Wait(self._cluster.api, live, previous, self._cancelled, lambda message: self._host.status(message, call.urn))

    def _until_ready(self, call: Call, inputs: dict[str, Any], live: dict[str, Any], previous: dict[str, Any] | None) -> dict[str, Any]:
        try:
            readiness = readiness_of(self._wait(call, live, previous), inputs)
        except Refusal as error:
            raise NotReady(str(error), live) from None
        if readiness is None:
            return live
        ready = until_ready(readiness, timeout_seconds(call.timeout, inputs, readiness.default_seconds), self._cancelled)
        self._host.status("", call.urn)
        return ready

    def read(self, call: Call) -> tuple[str, dict[str, Any], dict[str, Any]] | None:
        """Id, state and inputs of an object as it is now; None when it is gone."""
        if self._cluster.unreachable:
            return self._read_unreachable(call)
        namespace, _, name = call.identifier.rpartition("/")
        old_inputs, (_, old_live) = shapes.normal(shapes.from_inputs(call.old_inputs)), state.read(call.olds)
        is_import = not old_inputs.get("kind") and not old_live.get("kind")
        wanted = old_inputs if old_inputs.get("kind") else {**(old_live or _of_type(call.type)), "metadata": {}}
        wanted = {**wanted, "metadata": {**wanted.get("metadata", {}), "name": name, **({"namespace": namespace} if namespace else {})}}
        problem: NotReady | None = None
        try:
            live = self._applier.get(wanted)
            readiness = None if is_import else readiness_on_refresh(self._wait(call, live, None), old_inputs)
            if readiness is not None:
                ready = readiness.look()
                live = readiness.live
                if not ready:
                    problem = NotReady(f"Resource '{name}' was created but failed to initialize", live, readiness.reasons())
        except NotReady as error:
            problem, live = error, error.live
        except NoMatch:
            return None
        except (ApiError, Unreachable) as error:
            if isinstance(error, ApiError) and error.status == 404:
                return None
            raise Refusal(str(error)) from None
        inputs = _importable(live) if is_import else shapes.pruned(live, old_inputs)
        manager, first_version = state.manager_of(call.olds, inputs), state.first_version_of(call.olds, wanted)
        found = state.written(inputs, live, call.old_inputs, manager, first_version)
        kept = shapes.to_properties(inputs)
        keep_secrets(kept, call.old_inputs)
        identifier = call.identifier or shapes.identifier(live)
        if problem is not None:
            raise InitializationFailed(str(problem), identifier, found, problem.reasons, kept)
        return identifier, found, kept

    def _read_unreachable(self, call: Call) -> tuple[str, dict[str, Any], dict[str, Any]] | None:
        self._host.warn(f"configured Kubernetes cluster is unreachable: {self._cluster.unreachable}", call.urn)
        if self._settings.has("deleteUnreachable"):
            return None
        if self._settings.has("skipUpdateUnreachable"):
            return call.identifier, call.olds, call.old_inputs
        raise Refusal(_UNREACHABLE.format("failed to read resource state due to unreachable cluster"))

    def delete(self, call: Call) -> None:
        """Deletes an object and waits until it is gone; what is gone already is fine."""
        if self._cluster.unreachable:
            self._host.warn(f"configured Kubernetes cluster is unreachable: {self._cluster.unreachable}", call.urn)
            if self._settings.has("deleteUnreachable"):
                return
            raise Refusal(_UNREACHABLE.format("configured Kubernetes cluster is unreachable"))
        inputs, old_live = state.read(call.olds)
        try:
            if shapes.is_patch(call.type, old_live):
                self._applier.relinquish(old_live, state.manager_of(call.olds, inputs))
                return
            path = self._cluster.resource_of(old_live).path(shapes.namespace_of(old_live), call.identifier.rpartition("/")[2])
            policy = shapes.annotation(inputs, "pulumi.com/deletionPropagationPolicy").capitalize()
            options = {"propagationPolicy": policy if policy in ("Orphan", "Background") else "Foreground"}
            self._cluster.api.request("DELETE", path, None, {"apiVersion": "v1", "kind": "DeleteOptions", **options})
            until_gone(self._wait(call, old_live, None), inputs, timeout_seconds(call.timeout, inputs))
        except NoMatch:
            return
        except NotReady as error:
            finalizers = ", ".join(error.live.get("metadata", {}).get("finalizers") or [])
            self._host.warn(f"finalizers might be preventing deletion ({finalizers})", call.urn)
            manager, first_version = state.manager_of(call.olds, inputs), state.first_version_of(call.olds, inputs)
            kept = state.written(inputs, error.live, call.olds, manager, first_version)
            raise InitializationFailed(str(error), shapes.identifier(error.live), kept) from None
        except (ApiError, Unreachable) as error:
            if not (isinstance(error, ApiError) and error.status == 404):
                raise Refusal(str(error)) from None


def _hides_preview(error: ApiError) -> bool:
    """Whether a preview falls back to the inputs: no namespace yet, no right to ask, an object that the update will replace."""
    return (error.status == 404 and error.about == "namespaces") or error.status == 403 or error.reason == "AlreadyExists"


def _of_type(urn_type: str) -> dict[str, Any]:
    """Kind and apiVersion of a resource type, where nothing else names them."""
    _, api_version, kind = urn_type.split(":")
    return {"apiVersion": api_version.removeprefix("core/"), "kind": kind}


def _importable(live: dict[str, Any]) -> dict[str, Any]:
    """The inputs of an object that somebody else made."""
    inputs = shapes.normal({key: value for key, value in live.items() if key != "status"})
    annotations = {
        key: value
        for key, value in (inputs["metadata"].get("annotations") or {}).items()
        if key not in ("deployment.kubernetes.io/revision", "kubectl.kubernetes.io/last-applied-configuration")
    }
    kept = {key: value for key, value in inputs["metadata"].items() if key != "annotations"}
    return {**inputs, "metadata": {**kept, "annotations": annotations} if annotations else kept}
