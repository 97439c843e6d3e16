"""The command lines of the control plane's five programs."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SERVICE_RANGE = "10.96.0.0/16"
POD_RANGE = "10.244.0.0/16"


def etcd(binary: Path, data: Path, ports: Mapping[str, int]) -> list[str]:
    """etcd without fsync: its data outlives a killed process, not a crashed machine, and that is enough here."""
    client, peer = f"http://127.0.0.1:{ports['etcd']}", f"http://127.0.0.1:{ports['peer']}"
    return [
        str(binary),
        f"--data-dir={data / 'etcd'}",
        "--name=rehearsal",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=rehearsal={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def api_server(binary: Path, data: Path, ports: Mapping[str, int]) -> list[str]:
    """The API server, for one user with a static token."""
    keys = data / "certificates"
    return [
        str(binary),
        f"--etcd-servers=http://127.0.0.1:{ports['etcd']}",
        "--bind-address=127.0.0.1",
        f"--secure-port={ports['api']}",
        # Without an address of its own to advertise it looks for a network card, which a sandbox may not have.
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        f"--tls-cert-file={keys / 'server.crt'}",
        f"--tls-private-key-file={keys / 'server.key'}",
        f"--token-auth-file={data / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={keys / 'service-accounts.key'}",
        f"--service-account-signing-key-file={keys / 'service-accounts.key'}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        # Admission webhooks point at Services, and no pod serves them here: each would refuse what it covers, for ever. The order
        # that they enforce on a cluster is proved from the API server's records instead.
        "--disable-admission-plugins=MutatingAdmissionWebhook,ValidatingAdmissionWebhook",
        "--allow-privileged=true",
        # Many helm installs at once must not queue behind one another.
        "--enable-priority-and-fairness=false",
        "--max-requests-inflight=4000",
        "--max-mutating-requests-inflight=2000",
        "--profiling=false",
    ]


def controller_manager(binary: Path, data: Path) -> list[str]:
    """The controller manager, without ports of its own."""
    keys = data / "certificates"
    return [
        str(binary),
        f"--kubeconfig={data / 'kubeconfig'}",
        "--leader-elect=false",
        "--secure-port=0",
        f"--root-ca-file={keys / 'ca.crt'}",
        f"--service-account-private-key-file={keys / 'service-accounts.key'}",
        # Nothing attaches here; the autoscaler stays, though it has no metrics: it is part of what charts meet.
        "--controllers=*,-persistentvolume-attach-detach-controller",
        "--node-monitor-period=1s",
        # Ten missed heartbeats: a busy machine must not lose its nodes.
        "--node-monitor-grace-period=100s",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        "--profiling=false",
    ]


def scheduler(binary: Path, data: Path) -> list[str]:
    """The scheduler; its configuration is written beside its data."""
    configuration: dict[str, Any] = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": {"kubeconfig": str(data / "kubeconfig"), "qps": 500, "burst": 1000},
        "leaderElection": {"leaderElect": False},
        "podInitialBackoffSeconds": 1,
        "podMaxBackoffSeconds": 2,
    }
    path = data / "scheduler.json"
    path.write_text(json.dumps(configuration))
    return [str(binary), f"--config={path}", "--secure-port=0"]


def kwok(binary: Path, data: Path, ports: Mapping[str, int], stages: Path, pod_start_seconds: float) -> list[str]:
    """kwok with the rehearsal's stages, the pods' start time filled in."""
    text = "\n---\n".join(path.read_text() for path in sorted(stages.glob("*.yaml")))
    path = data / "stages.yaml"
    path.write_text(text.replace("POD_START_MILLISECONDS", str(round(pod_start_seconds * 1000))))
    return [
        str(binary),
        f"--kubeconfig={data / 'kubeconfig'}",
        f"--config={path}",
        "--manage-all-nodes",
        "--v=WARN",  # else a line per heartbeat, for as long as the cluster is kept
        "--node-ip=127.0.0.1",
        f"--cidr={POD_RANGE}",
        # It opens this port when all its controllers run.
        f"--server-address=127.0.0.1:{ports['kwok']}",
        # With leases a kwok that is started again leaves each node alone until the lease of the one before has run out.
        "--node-lease-duration-seconds=0",
    ]
