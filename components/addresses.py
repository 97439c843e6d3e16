"""The vocabulary of the address plan: value objects for whatever one layer needs to know of another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CLUSTER_DOMAIN = "cluster.local"


@dataclass(frozen=True, slots=True)
class Service:
    """A port of a Kubernetes Service as its clients address it: host, authority (host:port), url (scheme://host:port)."""

    name: str
    namespace: str
    port: int
    scheme: Literal["http", "https"] = "http"

    @property
    def host(self) -> str:
        return f"{self.name}.{self.namespace}.svc.{CLUSTER_DOMAIN}"

    @property
    def authority(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        default = {"http": 80, "https": 443}.get(self.scheme)
        return f"{self.scheme}://{self.host}" if self.port == default else f"{self.scheme}://{self.authority}"


@dataclass(frozen=True, slots=True)
class OperatorService:
    """A Service that nobody here declares: an operator makes it from a custom resource, by a rule of its own."""

    service: Service
    made_from: str
    """The custom resource, as kind/name."""
    rule: str
    """How the operator names it, and where that is written."""


@dataclass(frozen=True, slots=True)
class SecretKey:
    """One entry of a Kubernetes Secret: both the side that writes it and the side that reads it use this."""

    name: str
    namespace: str
    key: str

    @property
    def reference(self) -> dict[str, str]:
        """As `valueFrom.secretKeyRef` takes it."""
        return {"name": self.name, "key": self.key}


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A Kubernetes ServiceAccount, and how a token of it names itself."""

    name: str
    namespace: str

    @property
    def subject(self) -> str:
        """The `sub` of its tokens, by which a federated credential knows it."""
        return f"system:serviceaccount:{self.namespace}:{self.name}"


@dataclass(frozen=True, slots=True)
class BlobStore:
    """One blob container, who may reach it and how its client authenticates."""

    account: str
    container: str
    key: SecretKey
    """Where the store's own namespace holds the account key, unless it authenticates by identity."""
    service_account: ServiceAccount
    """Under which the store's pods run, whichever way they authenticate."""
    endpoint: Service | None = None
    """The Azurite that serves it; None means Azure itself."""
    suffix: str = "blob.core.windows.net"
    """What follows the account in its host, in Azure."""
    identity: str | None = None
    """Name of the managed identity that the pods authenticate as; None means the account key."""
    key_generation: int | None = None
    """Counts the account key's rotations; None where no key of Azure is used."""
    lifecycle_days: int = 0
    """Days after which Azure deletes what the store has left behind."""
    data: tuple[str, ...] = ()
    """Beginnings of the names of its data, container first: what the lifecycle policy covers."""

    @property
    def url(self) -> str:
        """Address of the account's blobs: Azurite's path style, or Azure's host. No slash at the end, or the SDKs sign another path."""
        return f"{self.endpoint.url}/{self.account}" if self.endpoint else f"https://{self.account}.{self.suffix}"


@dataclass(frozen=True, slots=True)
class Datasource:
    """A Grafana datasource: name for people, uid for links between signals."""

    name: str
    uid: str
    type: str
    service: Service


@dataclass(frozen=True, slots=True)
class Entrance:
    """A public host that the mesh gateway serves for one Service, and the Secret with its certificate, beside the gateway's pods."""

    host: str
    secret: str
    namespace: str

    @property
    def url(self) -> str:
        return f"https://{self.host}"


@dataclass(frozen=True, slots=True)
class Release:
    """A Helm release: where it goes, and which chart it installs."""

    name: str
    namespace: str
    chart: str
    version: str | None = None
    """Another version of the chart than the one the lock pins; then it stands in the lock too."""

    @property
    def entry(self) -> str:
        """The entry of the chart lock: the chart's own, or `<chart>@<version>`."""
        return f"{self.chart}@{self.version}" if self.version else self.chart


@dataclass(frozen=True, slots=True)
class Releases:
    crds: Release
    cert_manager: Release
    istio_base: Release
    istiod: Release
    istiod_canary: Release | None
    """The control plane beside it, while there is one."""
    istio_cni: Release
    ztunnel: Release
    gateway: Release
    prometheus: Release
    tempo: Release
    loki: Release
    otel_operator: Release
    alloy: Release
    grafana: Release
