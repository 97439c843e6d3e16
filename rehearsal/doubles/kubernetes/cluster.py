"""The cluster that the provider was configured with: reachable or why not, its default namespace, and what is namespaced there."""

import threading
from collections.abc import Callable
from typing import Any

from rehearsal.doubles.kubernetes import kubeconfig
from rehearsal.doubles.kubernetes.api import Api, Resource
from rehearsal.doubles.kubernetes.config import Settings
from rehearsal.doubles.kubernetes.errors import ApiError, NoMatch, Refusal, Unreachable
from rehearsal.doubles.kubernetes.shapes import group_of, is_built_in, is_cluster_scoped, is_crd


class Cluster:
    """One cluster, for the life of the process."""

    def __init__(self, settings: Settings, cancelled: threading.Event) -> None:
        self.default_namespace = settings.namespace or "default"
        self.unreachable = ""
        self._api: Api | None = None
        # CRDs that the program is about to install: of objects by kind, of charts found when asked for.
        self._scopes: dict[tuple[str, str], bool] = {}
        self._charts: list[Callable[[], list[dict[str, Any]]]] = []
        self._lock = threading.Lock()
        try:
            data = kubeconfig.parse(settings.kubeconfig) if settings.kubeconfig else kubeconfig.ambient()
        except Refusal as error:
            self.unreachable = f"failed to parse kubeconfig data in `kubernetes:config:kubeconfig`- {error}"
            return
        try:
            endpoint = kubeconfig.endpoint(data, settings.context, settings.namespace)
        except (Refusal, OSError, ValueError) as error:
            self.unreachable = f"unable to load Kubernetes client configuration from kubeconfig file: {error}"
            return
        self.default_namespace = endpoint.namespace
        self._api = Api(endpoint, cancelled)
        try:
            self._api.get("/version", {"timeout": "32s"})
        except (Unreachable, ApiError) as error:
            self.unreachable = f"unable to load schema information from the API server: {error}"

    def require_reachable(self) -> Api:
        """The API server; Refusal when there is none to speak to."""
        if self._api is None or self.unreachable:
            raise Refusal(f"configured Kubernetes cluster is unreachable: {self.unreachable}")
        return self._api

    @property
    def api(self) -> Api:
        """The API server; Refusal when there is none to speak to."""
        return self.require_reachable()

    def resource_of(self, obj: dict[str, Any]) -> Resource:
        """The object's kind; NoMatch when the API server does not know it."""
        return self.api.resource(obj.get("apiVersion") or "", obj.get("kind") or "")

    def knows(self, obj: dict[str, Any]) -> bool:
        """Whether the API server knows the object's kind now."""
        if self.unreachable:
            return False
        try:
            self.resource_of(obj)
        except (NoMatch, ApiError, Unreachable):
            return False
        return True

    def remember_crd(self, crd: dict[str, Any]) -> None:
        """Notes a CRD of the program, which the API server may not have yet."""
        spec = crd.get("spec")
        if is_crd(crd) and isinstance(spec, dict):
            names = spec.get("names") or {}
            self._scopes[spec.get("group", ""), names.get("kind", "")] = spec.get("scope") == "Namespaced"

    def remember_chart(self, render_crds: Callable[[], list[dict[str, Any]]]) -> None:
        """Notes a chart of the program. It is rendered when a custom resource's scope is asked for, and not before: that takes a while."""
        with self._lock:
            self._charts.append(render_crds)

    def is_namespaced(self, obj: dict[str, Any]) -> bool:
        """Whether the object's kind lives in namespaces; of a kind that nobody knows yet that is assumed."""
        kind = obj.get("kind") or ""
        if is_built_in(obj):
            return not is_cluster_scoped(kind)
        known = (group_of(obj), kind)
        if known in self._scopes:
            return self._scopes[known]
        if self.knows(obj):
            return self.resource_of(obj).namespaced
        with self._lock:
            while self._charts and known not in self._scopes:
                for crd in self._charts.pop(0)():
                    self.remember_crd(crd)
        return self._scopes.get(known, True)
