"""The stack as a page of commands brings it up: each release and each object after the one before, and waited for."""

import json
import os
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.stack import Resource
from rehearsal import console
from rehearsal.cluster_api import ApiError, ClusterApi
from rehearsal.errors import RehearsalError
from rehearsal.processes import wait_until
from rehearsal.report import RELEASE

TIMEOUT_SECONDS = 600
_LOOK_SECONDS = 0.1
_SETTLE_SECONDS = 30.0
_OWN_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


@dataclass(frozen=True)
class Step:
    """One command, or pair of commands, and how long it took."""

    label: str
    is_chart: bool
    seconds: float


class Hands:
    """Somebody with `helm` and `kubectl` at one cluster; `root` is where paths of charts begin, `scratch` a folder to write to."""

    def __init__(self, helm: Path, api: ClusterApi, kubeconfig: Path, root: Path, scratch: Path) -> None:
        self._helm = [str(helm), "--kubeconfig", str(kubeconfig)]
        self._api = api
        self._root = root
        self._scratch = scratch
        folders = {f"HELM_{name}_HOME": str(scratch / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
        self._environment = {**os.environ, **folders, "KUBECACHEDIR": str(scratch / "kube")}

    def install(self, ordered: Iterable[Resource]) -> list[Step]:
        """Makes one resource after another. RehearsalError when one of them does not come up."""
        console.note("bench: by hand")
        steps = []
        for resource in ordered:
            began = time.monotonic()
            if resource.type == RELEASE:
                self._install_chart(resource.inputs)
            else:
                self._apply(resource.inputs)
            steps.append(Step(resource.label, resource.type == RELEASE, time.monotonic() - began))
            console.note(f"{steps[-1].seconds:6.1f} s  {resource.label}")
        return steps

    def clear(self) -> None:
        """Removes every release, every namespace that is not the cluster's own, and every definition, so that the cluster is as new."""
        for release in json.loads(self._run(["list", "--all-namespaces", "--all", "--output", "json"])):
            self._run(["uninstall", release["name"], "--namespace", release["namespace"], "--no-hooks"])
        paths = [f"/api/v1/namespaces/{name}" for name in self._names("/api/v1/namespaces") if name not in _OWN_NAMESPACES]
        definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        paths += [f"{definitions}/{name}" for name in self._names(definitions)]
        for path in paths:
            self._api.request("DELETE", path)
        if not wait_until(lambda: not any(map(self._api.exists, paths)), TIMEOUT_SECONDS, every=_LOOK_SECONDS):
            raise RehearsalError(f"the bench's cluster does not get empty within {TIMEOUT_SECONDS} s")

    def _names(self, path: str) -> list[str]:
        return [item["metadata"]["name"] for item in self._api.request("GET", path)["items"]]

    def _install_chart(self, inputs: Mapping[str, Any]) -> None:
        values = self._scratch / f"{inputs['name']}.values.json"
        values.write_text(json.dumps(inputs.get("values") or {}))
        arguments = ["install", inputs["name"], inputs["chart"], "--version", inputs["version"], "--namespace", inputs["namespace"]]
        self._run([*arguments, "--values", str(values), "--wait", "--timeout", f"{TIMEOUT_SECONDS}s"])

    def _run(self, arguments: list[str]) -> str:
        try:
            answer = subprocess.run(
                [*self._helm, *arguments], cwd=self._root, env=self._environment, capture_output=True, text=True,
                timeout=TIMEOUT_SECONDS + 30, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise RehearsalError(f"helm {arguments[0]} does not end within {TIMEOUT_SECONDS + 30} s") from None
        if answer.returncode:
            raise RehearsalError(f"helm {' '.join(arguments[:2])}: {' '.join(answer.stderr.split())[:400]}")
        return answer.stdout

    def _apply(self, manifest: Mapping[str, Any]) -> None:
        """`kubectl apply`, then `kubectl wait` where something has to become ready; without the start of either program."""
        metadata = manifest["metadata"]
        shown = f"{manifest['kind']} {metadata['name']}"
        collection = self._collection(manifest["apiVersion"], manifest["kind"], metadata.get("namespace") or "default")
        self._api.request("POST", collection, manifest)
        path = f"{collection}/{metadata['name']}"
        if not wait_until(lambda: is_ready(self._api.request("GET", path)), TIMEOUT_SECONDS, every=_LOOK_SECONDS):
            raise RehearsalError(f"by hand: {shown} is not ready after {TIMEOUT_SECONDS} s")

    def _collection(self, version: str, kind: str, namespace: str) -> str:
        """Where objects of a kind are; a definition that came a moment ago gets a moment."""
        base = f"/apis/{version}" if "/" in version else f"/api/{version}"
        found: list[dict[str, Any]] = []

        def known() -> bool:
            try:
                listed = self._api.request("GET", base)["resources"]
            except ApiError as error:
                if error.status not in (404, 429, 503):
                    raise
                return False
            found.extend(entry for entry in listed if entry["kind"] == kind and "/" not in entry["name"])
            return bool(found)

        if not wait_until(known, _SETTLE_SECONDS, every=_LOOK_SECONDS):
            raise RehearsalError(f"by hand: the API server knows no {kind} of {version}")
        scope = f"/namespaces/{namespace}" if found[0]["namespaced"] else ""
        return f"{base}{scope}/{found[0]['name']}"


def is_ready(live: Mapping[str, Any]) -> bool:
    """What `kubectl rollout status` and `kubectl wait` would call done; an object without pods is ready as it is."""
    status, wanted = live.get("status") or {}, (live.get("spec") or {}).get("replicas", 1)
    seen = status.get("observedGeneration", 0) >= live["metadata"].get("generation", 0)
    match live["kind"]:
        case "Deployment":
            return seen and all(status.get(count, 0) >= wanted for count in ("updatedReplicas", "availableReplicas"))
        case "StatefulSet":
            return seen and all(status.get(count, 0) >= wanted for count in ("updatedReplicas", "readyReplicas"))
        case "Job":
            return any(condition["type"] == "Complete" and condition["status"] == "True" for condition in status.get("conditions") or [])
        case _:
            return True
