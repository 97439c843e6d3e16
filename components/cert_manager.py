"""The certificate authority: cert-manager, proof that its webhook answers, and the ClusterIssuer everyone uses."""

from __future__ import annotations

from typing import Any

from pulumi import Resource, ResourceOptions
from pulumi_kubernetes import batch, core, networking, rbac
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from components import images
from components.availability import ONE_AT_A_TIME, scattered
from components.charts import values_file
from components.layer import Layer, LayerArgs
from components.merge import merge
from components.presets import replicas, resources
from components.script_job import HARDENED, POD
from components.settings import Preset, Settings
from components.topology import Topology

GATE = "cert-manager-gate"
GATE_IMAGE = "quay.io/jetstack/cert-manager-startupapicheck"
GATE_SECONDS = 300
API_SERVER_BY_NAME = {"kubernetes.azure.com/set-kube-service-host-fqdn": "true"}
"""As in values/cert-manager.yaml: the gate talks to the API server, too."""
INGRESS_CLASS = "istio"
"""Ingress class that istiod serves through the mesh gateway: how ACME's HTTP-01 challenge gets in."""


def values(settings: Settings) -> dict[str, Any]:
    """Helm values of the chart cert-manager."""
    preset = settings.preset
    derived = {
        **_workload("cert-manager", "controller", preset),
        "webhook": _workload("cert-manager-webhook", "webhook", preset),
        "cainjector": _workload("cert-manager-cainjector", "cainjector", preset),
    }
    return merge(values_file("cert-manager"), derived)


def _workload(name: str, component: str, preset: Preset) -> dict[str, Any]:
    """Size and number of one of the chart's Deployments; a second controller or injector waits to take the lead."""
    count = replicas(name, preset)
    budget = {"podDisruptionBudget": {"enabled": True, **ONE_AT_A_TIME}} if count > 1 else {}
    labels = {"app.kubernetes.io/instance": "cert-manager", "app.kubernetes.io/component": component}
    return {"replicaCount": count, "resources": resources(name, preset), **scattered(count, labels), **budget}


def issuer_spec(settings: Settings) -> dict[str, Any]:
    """Spec of the ClusterIssuer: a self-signed root, or ACME with HTTP-01 through the mesh gateway."""
    acme = settings.cert_manager.acme
    if acme is None:
        return {"selfSigned": {}}
    return {
        "acme": {
            "email": acme.email,
            "server": acme.server,
            "privateKeySecretRef": {"name": "acme-account"},
            "solvers": [
                {
                    "http01": {
                        "ingress": {
                            "ingressClassName": INGRESS_CLASS,
                            "podTemplate": {
                                # the authority talks plain HTTP to the solver: a sidecar in STRICT mode would refuse it
                                "metadata": {"labels": {"sidecar.istio.io/inject": "false"}},
                                "spec": {"resources": resources("acme-solver", settings.preset)},
                            },
                        }
                    }
                }
            ],
        }
    }


def gate_spec(settings: Settings, version: str) -> Any:
    """Spec of the gate's Job; see `CertManager`."""
    return {
        "backoffLimit": 4,
        "activeDeadlineSeconds": GATE_SECONDS + 60,
        "template": {
            "metadata": {
                "labels": {"app.kubernetes.io/name": GATE, "sidecar.istio.io/inject": "false"},
                "annotations": API_SERVER_BY_NAME,
            },
            "spec": {
                "serviceAccountName": GATE,
                "restartPolicy": "OnFailure",
                "enableServiceLinks": False,
                "securityContext": POD,
                "containers": [
                    {
                        "name": "check",
                        "image": images.at(f"{GATE_IMAGE}:{version}", settings.image_registry),
                        "imagePullPolicy": "Always",
                        "args": ["check", "api", f"--wait={GATE_SECONDS}s", "--interval=1s", "-v"],
                        "resources": resources("gate", settings.preset),
                        "securityContext": HARDENED,
                    }
                ],
            },
        },
    }


class CertManager(Layer):
    """cert-manager with its issuer. Whoever depends on this layer may create Certificates at once."""

    token = "certificates:CertManager"

    def __init__(self, name: str, args: LayerArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(name, args, opts)
        needs = self._install(args) if args.settings.cert_manager.source == "install" else []
        self._custom("cert-manager.io/v1", "ClusterIssuer", args.topology.issuer, None, issuer_spec(args.settings), needs)
        if args.settings.cert_manager.acme is not None:
            networking.v1.IngressClass(
                INGRESS_CLASS,
                metadata=ObjectMetaArgs(name=INGRESS_CLASS),
                spec=networking.v1.IngressClassSpecArgs(controller="istio.io/ingress-controller"),
                opts=self._child(),
            )
        self.register_outputs({"issuer": args.topology.issuer})

    def _install(self, args: LayerArgs) -> list[Resource]:
        """cert-manager itself, and the gate; all that an issuer waits for."""
        release = args.topology.releases.cert_manager
        namespace = self._namespace(release.namespace)
        installed = self._release(release, values(args.settings), namespace)
        return [installed, self._gate(args.topology, args.settings, namespace)]

    def _gate(self, topology: Topology, settings: Settings, home: core.v1.Namespace) -> batch.v1.Job:
        """A Job that ends once the webhook answers under the injected CA.

        It does what the chart's own startupapicheck hook does, with the same image, but starts together with cert-manager instead of
        after it: its pod is pulled and scheduled while cert-manager's are, so nobody waits for pods twice.
        """
        namespace = topology.releases.cert_manager.namespace
        metadata = ObjectMetaArgs(name=GATE, namespace=namespace)
        account = core.v1.ServiceAccount(GATE, metadata=metadata, opts=self._child(home))
        role = rbac.v1.Role(
            GATE,
            metadata=metadata,
            # the check creates a CertificateRequest with dryRun, which passes the webhooks and leaves nothing behind
            rules=[rbac.v1.PolicyRuleArgs(api_groups=["cert-manager.io"], resources=["certificaterequests"], verbs=["create"])],
            opts=self._child(home),
        )
        binding = rbac.v1.RoleBinding(
            GATE,
            metadata=metadata,
            role_ref=rbac.v1.RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="Role", name=GATE),
            subjects=[rbac.v1.SubjectArgs(kind="ServiceAccount", name=GATE, namespace=namespace)],
            opts=self._child(role, account),
        )
        return batch.v1.Job(
            GATE,
            metadata=metadata,
            spec=gate_spec(settings, self._charts["cert-manager"].app_version),
            opts=self._child(binding),
        )
