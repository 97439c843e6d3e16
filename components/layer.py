"""What every layer shares: a type token, a parent, planned names, and one Helm policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pulumi import ComponentResource, CustomTimeouts, Input, Resource, ResourceOptions
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.core.v1 import Namespace
from pulumi_kubernetes.helm.v3 import Release, ReleaseArgs
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs
from pulumi_kubernetes.networking.v1 import NetworkPolicy

from components import images, topology
from components.charts import Charts
from components.merge import merge
from components.settings import Settings

if TYPE_CHECKING:
    from components.network import Guards

PREFIX = "istio-stack"
HELM_TIMEOUT_SECONDS = 600
"""How long Helm waits for a release's pods. Pulumi waits longer, so that the error that reaches the user is Helm's."""


SKIP_AWAIT = {"pulumi.com/skipAwait": "true"}
"""For a Service whose pods are waited for anyway: Pulumi would wait for its endpoints to stay the same for ten seconds more."""

POD_SECURITY = "pod-security.kubernetes.io/enforce"
RESTRICTED = {POD_SECURITY: "restricted"}
"""Label of a namespace: the API server refuses every pod in it that is less than restricted."""
PRIVILEGED = {POD_SECURITY: "privileged"}
"""Label of a namespace in which something of the node itself runs; policies/waivers.yaml says what, and why."""


@dataclass(frozen=True)
class LayerArgs:
    """What a layer is made of: the choices, the names, the charts, and what guards its namespaces. A layer that needs a secret has Args of
    its own."""

    settings: Settings
    topology: topology.Topology
    charts: Charts
    guards: Guards


class Layer(ComponentResource):
    """One layer of the stack. A subclass sets `token` (`<role>:<Class>`) and makes its children in its constructor."""

    token: ClassVar[str]

    def __init__(self, name: str, args: LayerArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(f"{PREFIX}:{self.token}", name, None, opts)
        self._charts = args.charts
        self._registry = args.settings.image_registry
        self._guards = args.guards

    def _child(self, *depends_on: Resource, **options: Any) -> ResourceOptions:
        return ResourceOptions(parent=self, depends_on=list(depends_on), **options)

    def _namespace(self, name: str, labels: Mapping[str, str] | None = None, *depends_on: Resource) -> Namespace:
        """A namespace of ours with its guards, for restricted pods unless labels say otherwise.

        Deleting it takes all that is left inside along, so what must survive lives elsewhere.
        """
        metadata = ObjectMetaArgs(name=name, labels={**RESTRICTED, **(labels or {})})
        made = Namespace(name, metadata=metadata, opts=self._child(*depends_on))
        for policy in self._guards[name]:
            spec: Any = policy.spec
            NetworkPolicy(
                f"{name}-{policy.name}", metadata=ObjectMetaArgs(name=policy.name, namespace=name), spec=spec, opts=self._child(made)
            )
        return made

    def _release(self, release: topology.Release, values: Mapping[str, Input[Any]], *depends_on: Resource) -> Release:
        """A Helm release under the one policy: explicit name, exact archive, images from the stack's registry, all or nothing, bounded."""
        return Release(
            release.name,
            ReleaseArgs(
                name=release.name,
                namespace=release.namespace,
                chart=self._charts.archive(release.entry),
                version=self._charts[release.entry].version,
                values=merge(values, images.values(release.chart, self._registry)),
                atomic=True,
                cleanup_on_fail=True,
                timeout=HELM_TIMEOUT_SECONDS,
                max_history=5,
            ),
            opts=self._child(
                *depends_on,
                delete_before_replace=True,
                custom_timeouts=CustomTimeouts(create="15m", update="15m", delete="10m"),
            ),
        )

    def _custom(
        self,
        api_version: str,
        kind: str,
        name: str,
        namespace: str | None,
        spec: Mapping[str, Any],
        depends_on: Sequence[Resource],
        *,
        logical: str | None = None,
        **more: Any,
    ) -> CustomResource:
        """A custom resource; `depends_on` holds the release that brings its CRD and serves its webhook, `logical` its name in Pulumi where
        several of a layer share one."""
        metadata = ObjectMetaArgs(name=name, namespace=namespace, **more)
        return CustomResource(
            logical or name, api_version=api_version, kind=kind, metadata=metadata, spec=dict(spec), opts=self._child(*depends_on)
        )
