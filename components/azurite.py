"""Blob storage for trying the stack out: Azurite, the Azure Blob emulator, so that the stores run the configuration they run in Azure."""

from __future__ import annotations

from typing import Any

from pulumi import Output, ResourceOptions
from pulumi_kubernetes import apps, batch, core
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from components import images
from components.layer import SKIP_AWAIT
from components.presets import resources
from components.script_job import HARDENED, POD, SCRIPTS, config_name, script_pod, variables
from components.settings import Settings
from components.storage import KeyAccess, Storage, StorageArgs
from components.topology import Service, Topology

IMAGE = "mcr.microsoft.com/azure-storage/azurite:3.37.0"
SCRIPT = SCRIPTS / "create_containers.py"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Azurite's account key, published with Azurite and the same everywhere: it guards nothing, yet travels as any account key does."""
READY_SECONDS = 180
JOB = "create-containers"


def server_spec(settings: Settings, service: Service) -> Any:
    """Spec of the StatefulSet: one Azurite on one volume."""
    labels = {"app.kubernetes.io/name": service.name}
    return {
        "serviceName": service.name,
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "securityContext": {**POD, **dict.fromkeys(("runAsUser", "runAsGroup", "fsGroup"), 1000)},  # node, the image's own user
                "containers": [
                    {
                        "name": "azurite",
                        "image": images.at(IMAGE, settings.image_registry),
                        "imagePullPolicy": "Always",
                        # the stores' SDKs speak newer API versions than an emulator knows
                        "command": ["azurite-blob"],
                        "args": [
                            "--blobHost=0.0.0.0",
                            f"--blobPort={service.port}",
                            "--location=/data",
                            "--loose",
                            "--skipApiVersionCheck",
                            "--disableTelemetry",
                        ],
                        "ports": [{"name": "blob", "containerPort": service.port}],
                        "readinessProbe": {"tcpSocket": {"port": "blob"}, "periodSeconds": 2},
                        "resources": resources("azurite", settings.preset),
                        "securityContext": HARDENED,
                        "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "tmp", "mountPath": "/tmp"}],
                    }
                ],
                "volumes": [{"name": "tmp", "emptyDir": {}}],
            },
        },
        "volumeClaimTemplates": [
            {
                "metadata": {"name": "data"},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": f"{settings.storage.volume_gi}Gi"}}},
            }
        ],
    }


def job_spec(settings: Settings, topology: Topology, script: str) -> Any:
    """Spec of the Job that creates the blob containers: neither store does, and Tempo exits without its own."""
    stores = (topology.tempo_blobs, topology.loki_blobs)
    environment = {
        "BLOB_ENDPOINT": stores[0].url,
        "ACCOUNT_NAME": stores[0].account,
        "CONTAINERS": ",".join(store.container for store in stores),
        "TIMEOUT_SECONDS": str(READY_SECONDS),
    }
    key = {"name": "ACCOUNT_KEY", "valueFrom": {"secretKeyRef": topology.azurite_key.reference}}
    pod = script_pod(JOB, SCRIPT, script, [*variables(environment), key], settings.preset, settings.image_registry)
    return {
        "backoffLimit": 3,
        "activeDeadlineSeconds": READY_SECONDS * 2,
        "template": {
            "metadata": {"labels": {"app.kubernetes.io/name": JOB}},
            "spec": {**pod, "automountServiceAccountToken": False, "restartPolicy": "OnFailure"},
        },
    }


class Azurite(Storage):
    """Azurite with the stores' containers. Whoever depends on this layer finds its container there."""

    token = "storage:Azurite"

    def __init__(self, name: str, args: StorageArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(name, args, opts)
        service, key = args.topology.azurite, args.topology.azurite_key
        account_key = Output.secret(ACCOUNT_KEY)
        self.access = {blobs.container: KeyAccess(account_key) for blobs in (args.topology.tempo_blobs, args.topology.loki_blobs)}
        namespace = self._namespace(service.namespace)
        metadata = ObjectMetaArgs(name=service.name, namespace=service.namespace)
        port = core.v1.ServicePortArgs(name="blob", port=service.port, target_port="blob", app_protocol="http")
        core.v1.Service(
            service.name,
            metadata=ObjectMetaArgs(name=service.name, namespace=service.namespace, annotations=SKIP_AWAIT),
            spec=core.v1.ServiceSpecArgs(selector={"app.kubernetes.io/name": service.name}, ports=[port]),
            opts=self._child(namespace),
        )
        apps.v1.StatefulSet(service.name, metadata=metadata, spec=server_spec(args.settings, service), opts=self._child(namespace))
        secret = core.v1.Secret(
            key.name,
            metadata=ObjectMetaArgs(name=key.name, namespace=key.namespace),
            string_data={key.key: account_key},
            opts=self._child(namespace),
        )
        script = config_name(JOB, SCRIPT)
        config = core.v1.ConfigMap(
            JOB,
            metadata=ObjectMetaArgs(name=script, namespace=service.namespace),
            data={SCRIPT.name: SCRIPT.read_text()},
            opts=self._child(namespace),
        )
        # it starts together with Azurite and tries until Azurite answers: nobody waits for pods twice
        batch.v1.Job(
            JOB,
            metadata=ObjectMetaArgs(name=JOB, namespace=service.namespace),
            spec=job_spec(args.settings, args.topology, script),
            opts=self._child(secret, config, delete_before_replace=True),
        )
        self.register_outputs({"endpoint": args.topology.tempo_blobs.url})
