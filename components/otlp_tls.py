"""OTLP under TLS: an authority of the collector's own, and whoever sends to it trusting that one.

The ClusterIssuer of the stack is of no use here: ACME signs no name that ends in cluster.local, and what signs itself can be trusted by
nobody beforehand. So cert-manager makes an authority in the collector's namespace, whose key stays there. Its certificate goes into
ConfigMaps, as nothing else is read by all who need it: proxies (`configmap://` in a DestinationRule, istio 1.30.3 pilot/pkg/xds/sds.go: any
proxy, any namespace) and SDKs (`exporter.tls` of the Instrumentation). cert-manager writes Secrets alone, hence the Job.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pulumi import Resource, ResourceOptions
from pulumi_kubernetes import batch, core, rbac
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from components.cert_manager import API_SERVER_BY_NAME
from components.layer import Layer, LayerArgs
from components.script_job import SCRIPTS, config_name, script_pod, variables
from components.settings import Settings
from components.topology import Topology

AUTHORITY = "otlp-ca"
"""Name of the authority: its Certificate, Secret, Issuer, and the ConfigMaps with its certificate."""
AUTHORITY_FILE = "ca.crt"
ROOT_ISSUER = "otlp-self-signed"
CERTIFICATE = "otlp-collector"
"""Name of the collector's Certificate and Secret."""
VOLUME = "otlp-certificate"
MOUNT = "/etc/otlp-certificate"
SCRIPT = SCRIPTS / "publish_ca.py"
READY_SECONDS = 300
WEEKLY = "23 4 * * 1"
SIDECAR_PORT_PROTOCOL = "https"
"""What the mesh is told of the port for HTTP: an application encrypts by itself, so its sidecar passes on what it does not understand."""


def authority_spec() -> dict[str, Any]:
    """Spec of the authority's Certificate. Its key stays when it is renewed, so that who has the one before trusts all the same."""
    return {
        "isCA": True,
        "commonName": AUTHORITY,
        "secretName": AUTHORITY,
        "duration": "87600h",
        "renewBefore": "8760h",
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Never"},
        "issuerRef": {"name": ROOT_ISSUER, "kind": "Issuer"},
    }


def certificate_spec(topology: Topology) -> dict[str, Any]:
    """Spec of the collector's Certificate, for every way in which its host may be written."""
    service = topology.otlp_grpc
    short = f"{service.name}.{service.namespace}"
    return {
        "secretName": CERTIFICATE,
        "duration": "2160h",
        "renewBefore": "720h",
        "dnsNames": [service.host, f"{short}.svc", short, service.name],
        "usages": ["server auth"],
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
        "issuerRef": {"name": AUTHORITY, "kind": "Issuer"},
    }


def receiver_tls() -> dict[str, Any]:
    """The `tls` of a collector's receiver. It reads a renewed certificate within the hour."""
    return {"cert_file": f"{MOUNT}/tls.crt", "key_file": f"{MOUNT}/tls.key", "min_version": "1.2", "reload_interval": "1h"}


def collector_fields(topology: Topology) -> dict[str, Any]:
    """What the OpenTelemetryCollector says beside its configuration: the certificate as files, and what the mesh is to make of a port.

    The operator takes a port said here instead of the one it reads from the receiver (internal/manifests/collector/service.go).
    """
    port = topology.otlp_http.port
    return {
        "volumes": [{"name": VOLUME, "secret": {"secretName": CERTIFICATE}}],
        "volumeMounts": [{"name": VOLUME, "mountPath": MOUNT, "readOnly": True}],
        "ports": [{"name": "otlp-http", "port": port, "targetPort": port, "protocol": "TCP", "appProtocol": SIDECAR_PORT_PROTOCOL}],
    }


def exporter_tls() -> dict[str, Any]:
    """The `exporter.tls` of an Instrumentation: the ConfigMap in the application's own namespace."""
    return {"configMapName": AUTHORITY, "ca_file": AUTHORITY_FILE}


def destination_spec(topology: Topology) -> dict[str, Any]:
    """Spec of the DestinationRule by which every proxy encrypts what it reports to the collector.

    It is about the one port that proxies use: at the other, TLS would come inside of TLS for applications that have a sidecar.
    """
    host = topology.otlp_grpc.host
    tls = {
        "mode": "SIMPLE",
        "sni": host,
        "subjectAltNames": [host],
        "credentialName": f"configmap://{topology.telemetry_namespace}/{AUTHORITY}",
    }
    return {"host": host, "trafficPolicy": {"portLevelSettings": [{"port": {"number": topology.otlp_grpc.port}, "tls": tls}]}}


def trusting_namespaces(settings: Settings, topology: Topology) -> tuple[str, ...]:
    """Namespaces in which the authority's certificate is: the collector's, for proxies, and those of applications."""
    if not settings.opentelemetry.tls:
        return ()
    sample = [topology.sample_namespace] if settings.sample_app.image else []
    return tuple(dict.fromkeys([topology.telemetry_namespace, *settings.opentelemetry.trusting_namespaces, *sample]))


def job_spec(namespaces: Sequence[str], config: str, settings: Settings) -> Any:
    """Spec of the Job that writes the certificate into ConfigMaps. Its pod begins when cert-manager has made the Secret that it mounts."""
    environment = {"AUTHORITY": f"/authority/{AUTHORITY_FILE}", "CONFIG_MAP": AUTHORITY, "NAMESPACES": ",".join(namespaces)}
    pod = script_pod(AUTHORITY, SCRIPT, config, variables(environment), settings.preset, settings.image_registry)
    (container,) = pod["containers"]
    secret = {"secretName": AUTHORITY, "items": [{"key": AUTHORITY_FILE, "path": AUTHORITY_FILE}]}  # and not the key
    return {
        "backoffLimit": 6,
        "activeDeadlineSeconds": READY_SECONDS,
        "template": {
            "metadata": {"labels": {"app.kubernetes.io/name": AUTHORITY}, "annotations": dict(API_SERVER_BY_NAME)},
            "spec": {
                **pod,
                "containers": [
                    {**container, "volumeMounts": [*container["volumeMounts"], {"name": "authority", "mountPath": "/authority"}]}
                ],
                "volumes": [*pod["volumes"], {"name": "authority", "secret": secret}],
                "serviceAccountName": AUTHORITY,
                "restartPolicy": "OnFailure",
            },
        },
    }


class Trusting(Layer):
    """A layer in whose namespaces the collector's authority is trusted."""

    def _authority_in(self, namespace: str, topology: Topology, *needs: Resource) -> list[Resource]:
        """The ConfigMap, still empty, and the right to fill this one. It is ours, so that it goes when the stack goes."""
        name, metadata = f"{namespace}-{AUTHORITY}", ObjectMetaArgs(name=AUTHORITY, namespace=namespace)
        empty = core.v1.ConfigMap(name, metadata=metadata, opts=self._child(*needs))
        rules = [rbac.v1.PolicyRuleArgs(api_groups=[""], resources=["configmaps"], resource_names=[AUTHORITY], verbs=["get", "patch"])]
        role = rbac.v1.Role(name, metadata=metadata, rules=rules, opts=self._child(*needs))
        binding = rbac.v1.RoleBinding(
            name,
            metadata=metadata,
            role_ref=rbac.v1.RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="Role", name=AUTHORITY),
            subjects=[rbac.v1.SubjectArgs(kind="ServiceAccount", name=AUTHORITY, namespace=topology.telemetry_namespace)],
            opts=self._child(role),
        )
        return [empty, binding]

    def _publisher(self, topology: Topology, namespace: Resource) -> list[Resource]:
        """What every Job that writes the certificate shares: its ServiceAccount and its script."""
        home = topology.telemetry_namespace
        account = core.v1.ServiceAccount(AUTHORITY, metadata=ObjectMetaArgs(name=AUTHORITY, namespace=home), opts=self._child(namespace))
        script = core.v1.ConfigMap(
            f"{AUTHORITY}-script",
            metadata=ObjectMetaArgs(name=config_name(AUTHORITY, SCRIPT), namespace=home),
            data={SCRIPT.name: SCRIPT.read_text()},
            opts=self._child(namespace),
        )
        return [account, script]

    def _published(self, name: str, namespaces: Sequence[str], settings: Settings, topology: Topology, *needs: Resource) -> Resource:
        """A Job that ends once these namespaces trust the authority. It runs where the authority's Secret is."""
        return batch.v1.Job(
            name,
            metadata=ObjectMetaArgs(name=name, namespace=topology.telemetry_namespace),
            spec=job_spec(namespaces, config_name(AUTHORITY, SCRIPT), settings),
            opts=self._child(*needs, delete_before_replace=True),
        )

    def _published_weekly(self, settings: Settings, topology: Topology, *needs: Resource) -> None:
        """The same again every week, in every namespace: a renewed authority has another certificate."""
        job = job_spec(trusting_namespaces(settings, topology), config_name(AUTHORITY, SCRIPT), settings)
        spec: Any = {"schedule": WEEKLY, "startingDeadlineSeconds": 86400, "concurrencyPolicy": "Forbid", "jobTemplate": {"spec": job}}
        batch.v1.CronJob(
            f"{AUTHORITY}-weekly",
            metadata=ObjectMetaArgs(name=AUTHORITY, namespace=topology.telemetry_namespace),
            spec=spec,
            opts=self._child(*needs),
        )


class Encryption(Layer):
    """How the mesh's proxies reach a collector that takes TLS alone. Whoever depends on this layer may start pods with a proxy.

    A proxy whose DestinationRule names a ConfigMap without a certificate waits for it and does not start; hence a layer of its own, after
    the mesh, which has to be there first, and after the pipeline, which ends with the certificate written.
    """

    token = "encryption:Encryption"

    def __init__(self, name: str, args: LayerArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(name, args, opts)
        if args.settings.opentelemetry.tls:
            service, home = args.topology.otlp_grpc, args.topology.telemetry_namespace
            self._custom("networking.istio.io/v1", "DestinationRule", service.name, home, destination_spec(args.topology), [])
        self.register_outputs({"tls": args.settings.opentelemetry.tls})
