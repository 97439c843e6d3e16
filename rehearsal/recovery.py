"""After a run that was killed, or lost its API server, brings state and cluster to where the next run converges.

The engine writes down an operation before it begins, and its result after: what was under way when it died is a pending
operation in the state, and the cluster knows how far it came. What a run was told had failed may exist as well, where the answer
was lost. Nothing is touched that the unfinished runs did not make themselves.
"""

import contextlib
import json
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rehearsal.cluster import Cluster
from rehearsal.cluster_api import ApiError
from rehearsal.engine import RUN_VARIABLE, Engine
from rehearsal.errors import RehearsalError
from rehearsal.helm import Helm
from rehearsal.ledger import Ledger
from rehearsal.processes import Process, start_time, wait_until
from rehearsal.subscription import Subscription

RELEASE = "kubernetes:helm.sh/v3:Release"
GONE_SECONDS = 60.0
LEFTOVERS_SECONDS = 10.0
_CLOCKS_SECONDS = 5
"""How far the clocks of this machine and the cluster may be apart."""
_TOGETHER = 8
_MADE_BY_KUBERNETES = {"kube-root-ca.crt", "istio-ca-root-cert", "default"}
_CONTENTS = ("pods", "persistentvolumeclaims", "services", "secrets", "configmaps", "serviceaccounts")


@dataclass(frozen=True)
class Recovery:
    """What was done."""

    notes: list[str]
    refresh: bool
    """Whether the next run should first ask the cluster what is there: a run before it did not end well."""


def recover(engine: Engine, cluster: Cluster, helm: Helm, ledger: Ledger, azure: Subscription | None = None) -> Recovery:
    """Resolves what unfinished runs left. Bounded: about a minute for each thing that does not go away; then RehearsalError."""
    notes = [*remove_stale_locks(engine), *_end_leftovers(engine.state), *remove_torn_attributes(engine)]
    state = engine.checkpoint()
    pending = state.get("pending_operations") or []
    recorded = {resource["urn"] for resource in state.get("resources") or []}
    lost = [failed for failed in ledger.failed_creations if failed["urn"] not in recorded]
    since = ledger.unfinished_since
    adopted: list[dict[str, Any]] = []
    if since and (pending or lost):
        resolver = _Resolver(cluster, helm, azure, since - timedelta(seconds=_CLOCKS_SECONDS))
        unclear = [*((operation["type"], operation["resource"]) for operation in pending), *(("creating", failed) for failed in lost)]
        # Together: each may wait for Helm or for something to go away.
        with ThreadPoolExecutor(_TOGETHER) as pool:
            for said in pool.map(lambda one: list(resolver.resolve(*one)), unclear):
                notes += said
        adopted = resolver.adopted
    if pending:
        deployment = engine.export()
        deployment["resources"] = [*deployment.get("resources", []), *adopted]
        engine.import_deployment({key: value for key, value in deployment.items() if key != "pending_operations"})
    return Recovery(notes, refresh=since is not None and bool(recorded or adopted))


class _Resolver:
    """Compares single operations with the cluster."""

    def __init__(self, cluster: Cluster, helm: Helm, azure: Subscription | None, since: datetime) -> None:
        self._api = cluster.api
        self._helm = helm
        self._azure = azure
        self._since = since
        self.adopted: list[dict[str, Any]] = []

    def resolve(self, operation: str, resource: Mapping[str, Any]) -> Iterator[str]:
        """Deals with one operation; a line for each thing that was done."""
        inputs = resource.get("inputs") or {}
        if resource["type"] == RELEASE:
            yield from self._release(operation, inputs.get("namespace") or "default", inputs.get("name") or "")
        elif resource["type"].startswith("kubernetes:") and not resource["type"].endswith("Patch"):
            yield from self._object(operation, resource)
        elif resource["type"].startswith("azure-native:") and operation == "creating" and self._azure:
            yield from self._in_azure(self._azure, resource)

    def _in_azure(self, azure: Subscription, resource: Mapping[str, Any]) -> Iterator[str]:
        """An account that exists may hold data, and what is in it comes and goes with it: nothing here is made again."""
        found = azure.find(resource["type"], resource["inputs"])
        if found and "urn" in resource and "custom" in resource:
            identifier, outputs = found
            self.adopted.append({**resource, "id": identifier, "outputs": outputs})
            yield f"{resource['type'].rpartition(':')[2]} {identifier.rpartition('/')[2]}: made and not recorded: taken into the state"

    def _release(self, operation: str, namespace: str, name: str) -> Iterator[str]:
        release = self._helm.status(namespace, name) if name else None
        if release is None:
            return
        shown = f"release {namespace}/{name} ({release.status})"
        if operation == "creating" and release.first_deployed >= self._since:
            self._helm.uninstall(namespace, name)
            yield f"{shown}: begun and not recorded: uninstalled, to be installed again"
        elif operation == "updating" and release.status.startswith("pending-"):
            self._helm.roll_back(namespace, name)
            yield f"{shown}: its upgrade was cut short: rolled back, to be upgraded again"
        elif operation == "deleting" and release.status == "uninstalling":
            self._helm.uninstall(namespace, name)
            yield f"{shown}: its removal was cut short: finished"

    def _object(self, operation: str, resource: Mapping[str, Any]) -> Iterator[str]:
        path = self._path(resource["inputs"])
        found = self._api.find(path) if path else None
        if path is None or found is None:
            return
        metadata = found["metadata"]
        shown = " ".join(part for part in (found["kind"], "/".join(filter(None, (metadata.get("namespace"), metadata["name"])))) if part)
        if operation == "creating" and self._is_ours(metadata):
            if not self._is_in_use(found["kind"], metadata):
                self._delete(path, shown)
                yield f"{shown}: made and not recorded: removed, to be made again"
            elif "urn" in resource and "custom" in resource:
                identity = "/".join(filter(None, (metadata.get("namespace"), metadata["name"])))
                self.adopted.append({**resource, "id": identity, "outputs": resource["inputs"]})
                yield f"{shown}: made and not recorded, in use by now: taken into the state"
        elif operation == "deleting" and "deletionTimestamp" in metadata:
            self._await_gone(path, shown)
            yield f"{shown}: its removal was cut short: gone by now"

    def _path(self, inputs: Mapping[str, Any]) -> str | None:
        """Where the API server keeps the object of these inputs; None if it knows no such kind, or the object has no name."""
        metadata = inputs.get("metadata") or {}
        version, kind, name = inputs.get("apiVersion"), inputs.get("kind"), metadata.get("name")
        if not (version and kind and name):
            return None
        prefix = f"/apis/{version}" if "/" in version else f"/api/{version}"
        known = (self._api.find(prefix) or {}).get("resources") or []
        for resource in known:
            if resource["kind"] == kind and "/" not in resource["name"]:
                scope = f"/namespaces/{metadata.get('namespace') or 'default'}" if resource["namespaced"] else ""
                return f"{prefix}{scope}/{resource['name']}/{name}"
        return None

    def _is_ours(self, metadata: Mapping[str, Any]) -> bool:
        """Whether an unfinished run made it: younger than the first of them, and by the plugin."""
        managers = [entry.get("manager", "") for entry in metadata.get("managedFields") or []]
        young = datetime.fromisoformat(metadata["creationTimestamp"]) >= self._since.replace(microsecond=0)
        return young and (not managers or any(manager.startswith("pulumi") for manager in managers))

    def _is_in_use(self, kind: str, metadata: Mapping[str, Any]) -> bool:
        """Whether others have put something into it, or hold on to it, since it was made."""
        name, namespace = metadata["name"], metadata.get("namespace")
        if kind == "Namespace":
            listed = (item for contents in _CONTENTS for item in self._items(f"/api/v1/namespaces/{name}/{contents}"))
            return any(item["metadata"]["name"] not in _MADE_BY_KUBERNETES for item in listed)
        if kind == "PersistentVolumeClaim":
            volumes = (volume for pod in self._items(f"/api/v1/namespaces/{namespace}/pods") for volume in pod["spec"].get("volumes") or [])
            return any((volume.get("persistentVolumeClaim") or {}).get("claimName") == name for volume in volumes)
        if kind == "CustomResourceDefinition":
            definition = self._api.find(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}") or {}
            spec = definition.get("spec", {})
            stored = [version["name"] for version in spec.get("versions", []) if version.get("storage")]
            return any(self._items(f"/apis/{spec['group']}/{version}/{spec['names']['plural']}") for version in stored)
        return False

    def _items(self, path: str) -> list[dict[str, Any]]:
        return (self._api.find(f"{path}?limit=50") or {}).get("items") or []

    def _delete(self, path: str, shown: str) -> None:
        try:
            self._api.request("DELETE", path, {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Foreground"})
        except ApiError as error:
            if error.status != 404:
                raise RehearsalError(f"{shown} is left from a run that was cut short and cannot be removed: {error}") from None
        self._await_gone(path, shown)

    def _await_gone(self, path: str, shown: str) -> None:
        if not wait_until(lambda: self._api.find(path) is None, GONE_SECONDS, every=0.1):
            held = (self._api.find(path) or {}).get("metadata", {}).get("finalizers")
            raise RehearsalError(f"{shown} is being removed for more than {GONE_SECONDS:g} s; its finalizers are {held}")


def remove_stale_locks(engine: Engine) -> Iterator[str]:
    """Locks of the state whose owner on this machine is gone; one that another machine or a living engine holds stays."""
    for lock in sorted((engine.state / ".pulumi" / "locks").glob("**/*.json")):
        try:
            owner = json.loads(lock.read_text())
        except FileNotFoundError:
            continue
        except ValueError:
            owner = {"hostname": socket.gethostname(), "pid": 0}
        if owner["hostname"] == socket.gethostname() and not _engine_runs(owner["pid"]):
            lock.unlink(missing_ok=True)
            yield f"the lock of process {owner['pid']}, which is gone: removed"
        else:
            raise RehearsalError(f"the state is held by process {owner['pid']} on {owner['hostname']} since {owner.get('timestamp')}")


def remove_torn_attributes(engine: Engine) -> Iterator[str]:
    """Attributes beside the backend's files that an engine died over: it reads half of one as the end of the state itself, and needs none.

    Source: gocloud.dev blob/fileblob/attrs.go, setAttrs, which writes them in place, unlike the files they belong to.
    """
    for file in sorted((engine.state / ".pulumi").glob("**/*.attrs")):
        try:
            json.loads(file.read_bytes())
        except ValueError:
            file.unlink(missing_ok=True)
            yield f"{file.name}: cut short as it was written, and not needed: removed"


def _end_leftovers(state: Path) -> Iterator[str]:
    """Plugins of an engine that was killed, and their Helm: they end by themselves, and undo what they can. Linux only."""
    mark = f"{RUN_VARIABLE}={state.absolute()}\0".encode()

    def leftovers() -> list[Process]:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (folder / "environ").read_bytes() and (started := start_time(int(folder.name))):
                    found.append(Process(int(folder.name), started))
        return found

    if not wait_until(lambda: not leftovers(), LEFTOVERS_SECONDS, every=0.1):
        for process in leftovers():
            process.stop(grace_seconds=0)
            yield f"process {process.pid} of the run before did not end: killed"


def _engine_runs(pid: int) -> bool:
    """Whether this process is an engine. It may be ending: it gets a moment."""

    def gone() -> bool:
        if not pid or start_time(pid) is None:
            return True
        command = Path(f"/proc/{pid}/cmdline")
        return command.exists() and b"pulumi" not in command.read_bytes()

    return not wait_until(gone, 5, every=0.1)
