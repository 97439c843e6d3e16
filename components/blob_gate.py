"""The gate before a store with workload identity: a Job under the store's own ServiceAccount that uses the container until Azure lets it.

Azure answers that a federated credential or a role is there minutes before everyone in Azure knows; a store that starts meanwhile
crashes, and Helm rolls it back.
"""

from __future__ import annotations

from typing import Any

from pulumi import Input

from components.script_job import SCRIPTS, script_pod, variables
from components.settings import Preset
from components.topology import BlobStore

SCRIPT = SCRIPTS / "blob_gate.py"
NAME = "blob-gate"
SPREAD_SECONDS = 600
"""How long Azure may take to spread a credential or role; its documentation says up to ten minutes."""
HOPELESS = 2
"""Exit code of the script where no other pod would do better."""
POD_LABEL = {"azure.workload.identity/use": "true"}
"""What the workload identity webhook looks for: it gives pods with this label a token of their ServiceAccount that Azure takes."""
CLIENT_ANNOTATION = "azure.workload.identity/client-id"


def environment(blobs: BlobStore) -> dict[str, str]:
    """What the script is told; who it is comes from the webhook."""
    return {
        "BLOB_ENDPOINT": blobs.url,
        "CONTAINER": blobs.container,
        "SUBJECT": blobs.service_account.subject,
        "TIMEOUT_SECONDS": str(SPREAD_SECONDS),
    }


def job_spec(blobs: BlobStore, config: str, client_id: Input[str], preset: Preset) -> Any:
    """Spec of the Job. Another identity is another Job, so that it is proven, too."""
    return {
        "backoffLimit": 3,
        "activeDeadlineSeconds": SPREAD_SECONDS + 300,
        "podFailurePolicy": {
            "rules": [{"action": "FailJob", "onExitCodes": {"containerName": NAME, "operator": "In", "values": [HOPELESS]}}]
        },
        "template": {
            "metadata": {"labels": {"app.kubernetes.io/name": NAME, **POD_LABEL}, "annotations": {CLIENT_ANNOTATION: client_id}},
            "spec": {
                **script_pod(NAME, SCRIPT, config, variables(environment(blobs)), preset),
                "serviceAccountName": blobs.service_account.name,
                "automountServiceAccountToken": False,  # Azure's token is mounted by the webhook; nothing here asks Kubernetes
                "restartPolicy": "Never",  # a new pod passes the webhook anew, a container that restarts does not
            },
        },
    }
