"""Where the stack goes: the one Kubernetes provider, the one Azure provider where it takes one, and the issuer of the cluster's tokens."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pulumi import Input, InvokeOptions, Output, ProviderResource
from pulumi_kubernetes import Provider

from components.errors import ConfigurationError
from components.settings import Settings
from components.settings_azure import AksSettings


@dataclass(frozen=True)
class Cluster:
    """The providers that every layer inherits, and what Azure must know of the cluster."""

    providers: list[ProviderResource]
    issuer: Input[str] | None
    """Issuer of ServiceAccount tokens; None where nobody authenticates by them."""


def connect(settings: Settings, stack: str) -> Cluster:
    """The providers of a stack. Azure's is made only where settings name a subscription: its SDK is large."""
    azure = _azure(settings)
    aks = settings.cluster.aks
    lookup = InvokeOptions(provider=azure)
    kubernetes = Provider(
        "cluster",
        kubeconfig=_kubeconfig(aks, lookup) if aks else settings.cluster.kubeconfig,
        context=settings.cluster.context,
        cluster_identifier=stack,  # the cluster stays the same one when its kubeconfig is rotated
        enable_config_map_mutable=True,  # a change of data is an update, not a deletion
        enable_secret_mutable=True,
    )
    issuer: Input[str] | None = settings.cluster.oidc_issuer
    if aks and settings.storage.keyless:
        issuer = _issuer(aks, lookup)
    return Cluster([kubernetes, *([azure] if azure else [])], issuer)


def _azure(settings: Settings) -> ProviderResource | None:
    if settings.azure is None:
        return None
    from pulumi_azure_native import Provider as AzureProvider

    return AzureProvider(
        "azure",
        subscription_id=settings.azure.subscription_id,
        tenant_id=settings.azure.tenant_id,
        environment=settings.azure.environment,
        location=settings.azure.location,
    )


def _kubeconfig(aks: AksSettings, opts: InvokeOptions) -> Output[str]:
    """The user's kubeconfig of an AKS cluster, with `kubelogin` where the cluster asks for Entra ID. Secret: it may hold a certificate."""
    from pulumi_azure_native import containerservice

    found = containerservice.list_managed_cluster_user_credentials_output(
        resource_group_name=aks.resource_group, resource_name=aks.name, format="exec", opts=opts
    )
    return Output.secret(found).apply(lambda credentials: _first(aks, credentials.kubeconfigs))


def _first(aks: AksSettings, kubeconfigs: Sequence[Any]) -> str:
    if not kubeconfigs:
        raise ConfigurationError(f"cluster.aks is {aks.name}: Azure gives no kubeconfig of it; its user role is missing")
    return base64.b64decode(kubeconfigs[0].value).decode()


def _issuer(aks: AksSettings, opts: InvokeOptions) -> Output[str]:
    """The OIDC issuer of an AKS cluster."""
    from pulumi_azure_native import containerservice

    found = containerservice.get_managed_cluster_output(resource_group_name=aks.resource_group, resource_name=aks.name, opts=opts)
    return found.apply(lambda cluster: _issuer_url(aks, cluster.oidc_issuer_profile))


def _issuer_url(aks: AksSettings, profile: Any) -> str:
    if profile is None or not profile.enabled or not profile.issuer_url:
        raise ConfigurationError(
            f"cluster.aks is {aks.name}: it has no OIDC issuer; `az aks update -g {aks.resource_group} -n {aks.name} "
            "--enable-oidc-issuer --enable-workload-identity` turns it on"
        )
    return profile.issuer_url
