"""The gate before a store: a Job under the store's own ServiceAccount that uses its container the way the store will.

A store that may not use its container crashes with a stack trace, or worse, starts and fails at its first flush; Helm then rolls it back
without a reason. The gate says in one line what is wrong and what to do. With workload identity it also waits: Azure answers that a
federated credential or a role is there minutes before everyone in Azure knows.
"""

from __future__ import annotations

from collections.abc import Mapping
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
RUN_AGAIN = {"pulumi.com/replaceUnready": "true"}
"""A Job that failed stays failed: the next `up`, after what it asked for was done, makes another one instead of looking at it again."""


def environment(blobs: BlobStore) -> dict[str, str]:
    """What the script is told. Who it is comes from the webhook, or it is an account's key, which comes from the store's Secret."""
    return {
        "BLOB_ENDPOINT": blobs.url,
        "CONTAINER": blobs.container,
        "TIMEOUT_SECONDS": str(SPREAD_SECONDS),
        **(
            {"SUBJECT": blobs.service_account.subject}
            if blobs.identity
            else {"SUBJECT": f"the key in Secret {blobs.key.namespace}/{blobs.key.name}", "ACCOUNT_NAME": blobs.account}
        ),
    }


def job_spec(blobs: BlobStore, config: str, annotations: Mapping[str, Input[str]], preset: Preset, registry: str | None = None) -> Any:
    """Spec of the Job. The annotations name the identity or the key's generation: another one is another Job, so that it is proven, too."""
    key = [] if blobs.identity else [{"name": "ACCOUNT_KEY", "valueFrom": {"secretKeyRef": blobs.key.reference}}]
    labels = POD_LABEL if blobs.identity else {}
    return {
        "backoffLimit": 3,
        "activeDeadlineSeconds": SPREAD_SECONDS + 300,
        "podFailurePolicy": {
            "rules": [{"action": "FailJob", "onExitCodes": {"containerName": NAME, "operator": "In", "values": [HOPELESS]}}]
        },
        "template": {
            "metadata": {"labels": {"app.kubernetes.io/name": NAME, **labels}, "annotations": dict(annotations)},
            "spec": {
                **script_pod(NAME, SCRIPT, config, [*variables(environment(blobs)), *key], preset, registry),
                "serviceAccountName": blobs.service_account.name,
                "automountServiceAccountToken": False,  # Azure's token is mounted by the webhook; nothing here asks Kubernetes
                "restartPolicy": "Never",  # a new pod passes the webhook anew, a container that restarts does not
            },
        },
    }
