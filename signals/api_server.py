"""A real API server that knows the pods of this path, for the collector to look up whose a record is, with the rights that it has."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from components import mesh_records
from components.topology import ServiceAccount
from rehearsal import cluster_objects, commands, processes, tools
from rehearsal.certificates import write_certificates
from rehearsal.cluster_api import ApiError, ClusterApi
from rehearsal.errors import RehearsalError
from signals.pods import Pod

PROGRAMS = ("etcd", "kube-apiserver")
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_TOKEN_SECONDS = 86400


class ApiServer:
    """An API server without controllers: what is in it stays as it was put there."""

    def __init__(self, folder: Path, account: ServiceAccount) -> None:
        self.folder, self.kubeconfig = folder, folder / "collector.kubeconfig"
        self._account = account
        self._name = f"{account.namespace}-{account.name}"
        self._ports = dict[str, int](zip(("etcd", "peer", "api"), processes.free_ports(3), strict=True))
        self._processes: list[processes.Process] = []
        write_certificates(folder / "certificates")
        self._token = secrets.token_hex(24)
        tokens = folder / "tokens.csv"
        tokens.touch(mode=0o600)
        tokens.write_text(f"{self._token},rehearsal,rehearsal,system:masters\n")

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self._ports['api']}"

    @property
    def api(self) -> ClusterApi:
        """A client that may do everything."""
        return ClusterApi(self.server, self._token, self.folder / "certificates" / "ca.crt")

    def start(self) -> None:
        """Starts it, and does not wait."""
        found = tools.ensure(*PROGRAMS)
        for name, command in (("etcd", commands.etcd), ("kube-apiserver", commands.api_server)):
            line = command(found[name], self.folder, self._ports)
            self._processes.append(processes.start(line, self._log(name), die_with_parent=True, cwd=self.folder))

    def fill(self, pods: Sequence[Pod]) -> None:
        """Waits until it answers, then makes the pods, the collector's account, and what lets it in. Raises RehearsalError."""
        if not processes.serves("the API server", self._processes[-1], self._answers):
            raise RehearsalError(f"no API server: {processes.last_line(self._log('kube-apiserver'))} (log: {self._log('kube-apiserver')})")
        for namespace in {self._account.namespace, *(pod.namespace for pod in pods)}:
            self.api.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
            self.api.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "default"}})
        for pod in pods:
            path = f"/api/v1/namespaces/{pod.namespace}/pods"
            self.api.create(path, pod.manifest())
            self.api.request("PATCH", f"{path}/{pod.name}/status", {"status": pod.status()})
        accounts = f"/api/v1/namespaces/{self._account.namespace}/serviceaccounts"
        self.api.create(accounts, {"metadata": {"name": self._account.name}})
        self.api.create(f"{_RBAC}/clusterroles", {"metadata": {"name": self._name}, "rules": mesh_records.pod_lookup_rules()})
        self.allow()
        asked = {"spec": {"expirationSeconds": _TOKEN_SECONDS}}
        token = self.api.request("POST", f"{accounts}/{self._account.name}/token", asked)["status"]["token"]
        self.kubeconfig.touch(mode=0o600)
        authority = (self.folder / "certificates" / "ca.crt").read_bytes()
        self.kubeconfig.write_text(json.dumps(cluster_objects.kubeconfig(self.server, token, authority)))

    def allow(self) -> None:
        """Gives the collector's account its role, and nothing else."""
        subject = {"kind": "ServiceAccount", "name": self._account.name, "namespace": self._account.namespace}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": self._name}
        self.api.create(f"{_RBAC}/clusterrolebindings", {"metadata": {"name": self._name}, "roleRef": role, "subjects": [subject]})

    def forbid(self) -> None:
        """Takes it away again."""
        self.api.request("DELETE", f"{_RBAC}/clusterrolebindings/{self._name}")

    def stop(self) -> None:
        """Ends it."""
        for process in reversed(self._processes):
            process.stop(grace_seconds=0)

    def _answers(self) -> bool:
        try:
            return self.api.request("GET", "/readyz", seconds=5) == "ok"
        except (ApiError, OSError):
            return False

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"


@contextlib.contextmanager
def starting(folder: Path, account: ServiceAccount) -> Iterator[ApiServer]:
    """One that was started and is not awaited yet, until the block ends. Raises RehearsalError where its programs cannot be had."""
    made = ApiServer(folder, account)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def by_kubeconfig(config: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A collector's configuration that logs in by KUBECONFIG, and a line that says so: in a pod, files at fixed places do it."""
    if mesh_records.POD_LOOKUP not in config.get("processors", {}):
        return config, []
    lookup = {**config["processors"][mesh_records.POD_LOOKUP], "auth_type": "kubeConfig"}
    said = f"the files of a ServiceAccount: {mesh_records.POD_LOOKUP} logs in by a kubeconfig with a token of the collector's"
    return {**config, "processors": {**config["processors"], mesh_records.POD_LOOKUP: lookup}}, [said]
