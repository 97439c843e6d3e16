"""The cluster a run goes to: found through a kubeconfig, known by its own identity, asked over plain HTTPS."""

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rehearsal.cluster_api import ApiError, ClusterApi
from rehearsal.errors import RehearsalError
from rehearsal.processes import wait_until

REACH_SECONDS = 3.0
SIMULATED_KUBELET = "kwok"
"""What the kubelet version of a node begins with that kwok simulates: its pods run nothing."""


class KubeconfigApi(ClusterApi):
    """Requests to the API server that a kubeconfig context names, with every way to log in that the context may ask for."""

    def __init__(self, kubeconfig: str | None, context: str | None) -> None:
        # Imported here, as it takes long, and our own control plane is asked without it.
        from kubernetes import client, config
        from kubernetes.client.rest import RESTClientObject

        settings = client.Configuration()
        try:
            config.load_kube_config(kubeconfig or default_kubeconfig(), context, client_configuration=settings)
        except (config.ConfigException, OSError, ValueError) as error:
            raise RehearsalError(f"kubeconfig {kubeconfig or default_kubeconfig()}, context {context}: {_short(error)}") from None
        if urlsplit(settings.host).hostname in ("127.0.0.1", "localhost", "::1"):
            settings.proxy = None  # pyright: ignore[reportAttributeAccessIssue]
        self.server: str = settings.host
        self._settings = settings
        self._pool = RESTClientObject(settings).pool_manager

    def authorization(self) -> str | None:
        # Asked anew for each request: tokens expire, and the client renews them behind this call.
        return self._settings.get_api_key_with_prefix("BearerToken", alias="authorization")


@dataclass(frozen=True)
class Cluster:
    """One cluster, reached and identified."""

    kubeconfig: str | None
    """Path of the kubeconfig; None for what KUBECONFIG or ~/.kube/config say."""
    context: str
    identity: str
    """Uid of its kube-system namespace: another cluster behind the same address has another one."""
    simulated: bool
    """Whether every node is simulated: then nothing runs there, and a stand-in harms nobody."""
    api: ClusterApi

    @property
    def key(self) -> str:
        """A folder name for what belongs to this cluster alone, such as the state of a stack."""
        readable = re.sub(r"[^a-z0-9]+", "-", self.context.lower()).strip("-")[:40] or "cluster"
        return f"{readable}-{self.identity[:8]}"


def default_kubeconfig() -> str:
    """What kubectl would read: KUBECONFIG, else ~/.kube/config."""
    return os.environ.get("KUBECONFIG") or "~/.kube/config"


def connect(kubeconfig: str | None = None, context: str | None = None, api: ClusterApi | None = None) -> Cluster:
    """The cluster of a kubeconfig context, after it answered. RehearsalError where there is none or it does not answer in 3 s.

    It is asked through `api`, where the caller has one already.
    """
    chosen = context or _current_context(kubeconfig)
    api = api or KubeconfigApi(kubeconfig, chosen)
    try:
        api.request("GET", "/version", seconds=REACH_SECONDS)
        nodes = api.request("GET", "/api/v1/nodes?limit=500", seconds=REACH_SECONDS)["items"]
        identity = _identity(api)
    except ApiError as error:
        problem = "does not answer" if error.status == 0 else f"refuses (HTTP {error.status})"
        raise RehearsalError(
            f"cluster {chosen} at {api.server} {problem}: start it, or choose another context in {kubeconfig or default_kubeconfig()}"
        ) from None
    kubelets = [node["status"].get("nodeInfo", {}).get("kubeletVersion", "") for node in nodes]
    simulated = bool(kubelets) and all(kubelet.startswith(SIMULATED_KUBELET) for kubelet in kubelets)
    return Cluster(kubeconfig, chosen, identity, simulated, api)


def _identity(api: ClusterApi) -> str:
    """A new API server makes its system namespaces a moment after it answers."""
    found: dict[str, Any] = {}

    def there() -> bool:
        found.update(api.find("/api/v1/namespaces/kube-system") or {})
        return bool(found)

    wait_until(there, 10, every=0.1)
    return found["metadata"]["uid"] if found else "unknown"


def _current_context(kubeconfig: str | None) -> str:
    from kubernetes import config

    shown = kubeconfig or default_kubeconfig()
    if not any(Path(path).expanduser().is_file() for path in shown.split(os.pathsep)):
        raise RehearsalError(f"no cluster: the kubeconfig {shown} does not exist")
    with contextlib.suppress(config.ConfigException, OSError, TypeError):
        _, active = config.list_kube_config_contexts(shown)
        return active["name"]
    raise RehearsalError(f"no cluster: the kubeconfig {shown} has no current context")


def _short(error: object) -> str:
    return " ".join(str(error).split())[:300]
