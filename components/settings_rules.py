"""Rules between settings of different layers: one function per rule, each says what is wrong in one line or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from components import settings_rules_grafana
from components.settings_alerting import RECEIVER_KEYS
from components.settings_canary import canaries_are_of_our_mesh, control_planes_differ
from components.settings_existing import ExistingIstio
from components.settings_telemetry import (
    metric_tags_that_are_read_stay,
    proxies_are_told_by_our_mesh,
    tail_sampling_gets_what_it_is_to_choose_from,
    tail_sampling_knows_its_load,
)

if TYPE_CHECKING:
    from components.settings import Settings

LIFECYCLE_MARGIN_DAYS = 7
"""How much longer than a store Azure waits, where settings do not say: a store that was off for a few days still deletes its own."""

SAMPLE_NAMESPACE = "sample"
TELEMETRY_NAMESPACE = "observability"
LONGEST_WINDOW_DAYS = 3
"""Longest window of an objective's alerts (components/alerts/objectives.py)."""


def broken(settings: Settings) -> list[str]:
    """What these settings break, one line for each rule; all of them at once."""
    return [line for rule in RULES for line in rule(settings)]


def _azure_is_described(settings: Settings) -> Iterator[str]:
    if settings.azure is None and settings.storage.kind == "azure":
        yield "storage.kind is azure: azure.subscriptionId, tenantId, location and resourceGroup must be set"
    elif settings.azure is None and settings.cluster.aks is not None:
        yield f"cluster.aks is {settings.cluster.aks.name}: azure.subscriptionId and its tenantId must say where that is"


def _azure_is_used(settings: Settings) -> Iterator[str]:
    if settings.azure is not None and settings.storage.kind == "azurite" and settings.cluster.aks is None:
        yield "azure is set while storage.kind is azurite and cluster.aks is not set: nothing would use it; set storage.kind to azure"


def _identities_have_an_issuer(settings: Settings) -> Iterator[str]:
    known = settings.cluster.aks is not None or settings.cluster.oidc_issuer is not None
    if settings.azure is not None and settings.storage.keyless and not known:
        yield "storage.auth is workloadIdentity: Azure must know the issuer of the cluster's tokens; set cluster.oidcIssuer or cluster.aks"


def _a_closed_account_has_a_way_in(settings: Settings) -> Iterator[str]:
    if settings.azure is None or settings.storage.kind != "azure":
        return
    network = settings.azure.network
    if network.default == "deny" and not network.subnet_ids and network.private_endpoint is None:
        yield "azure.network.default is deny: nobody would reach the account; set subnetIds or privateEndpoint, or default to allow"


def _azure_deletes_after_the_stores(settings: Settings) -> Iterator[str]:
    lifecycle = settings.azure.lifecycle if settings.azure else None
    for store in ("tempo", "loki") if lifecycle else ():
        days, kept = getattr(lifecycle, f"{store}_days"), getattr(settings, store).retention_days
        if days is not None and days <= kept:
            yield f"azure.lifecycle.{store}Days is {days}: must be more than {store}.retentionDays {kept}, or Azure deletes what is in use"


def _generations_are_of_keys(settings: Settings) -> Iterator[str]:
    if settings.azure is not None and settings.azure.key_generation > 1 and settings.storage.auth != "accountKey":
        yield f"azure.keyGeneration is {settings.azure.key_generation}: there is no key to rotate unless storage.auth is accountKey"


def _existing_is_said(settings: Settings) -> Iterator[str]:
    if settings.prometheus.source == "existing" and settings.prometheus.existing is None:
        yield "prometheus.source is existing: prometheus.existing.namespace and service must say where it is"
    for key, layer in (("certManager", settings.cert_manager), ("prometheus", settings.prometheus), ("istio", settings.istio)):
        if layer.existing is not None and layer.source == "install":
            yield f"{key}.existing is set while {key}.source is install: set source to existing or remove it"


def _what_exists_is_not_sized_here(settings: Settings) -> Iterator[str]:
    sizes = {
        "prometheus": (settings.prometheus, ("retention_days", "volume_gi", "out_of_order_minutes", "scrape_interval_seconds")),
        "istio": (settings.istio, ("gateway_replicas", "gateway_service")),
    }
    for key, (layer, fields) in sizes.items():
        for field in fields:
            if layer.source == "existing" and field in layer.model_fields_set and not _own_gateway(key, settings):
                alias = type(layer).model_fields[field].alias
                yield f"{key}.{alias} is {getattr(layer, field)}: {key}.source is existing, so this changes nothing; remove the key"


def _own_gateway(key: str, settings: Settings) -> bool:
    return key == "istio" and settings.istio.own_gateway


def _go_needs_our_operator(settings: Settings) -> Iterator[str]:
    if settings.opentelemetry.go and settings.opentelemetry.source == "existing":
        yield "opentelemetry.go is true: opentelemetry.source is existing, and only an operator of ours is told to do Go"


def _challenges_need_our_mesh(settings: Settings) -> Iterator[str]:
    if settings.cert_manager.issuer == "acme" and settings.istio.source == "existing":
        yield "certManager.issuer is acme: istio.source is existing, and its challenges need a mesh that is configured from here"


def _objectives_differ(settings: Settings) -> Iterator[str]:
    names = [slo.name for slo in settings.slos]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield f"slos.{index} is {name}: slos.{names.index(name)} is the same service; one objective each"


def _latency_is_whole(settings: Settings) -> Iterator[str]:
    for index, slo in enumerate(settings.slos):
        if slo.latency_ms is not None and slo.latency_objective is None:
            yield f"slos.{index}.latencyMs is {slo.latency_ms:g}: latencyObjective must say for how many per cent of requests"
        if slo.latency_ms is None and slo.latency_objective is not None:
            yield f"slos.{index}.latencyObjective is {slo.latency_objective:g}: latencyMs must say how fast a request must be"


def _objectives_fit_into_memory(settings: Settings) -> Iterator[str]:
    kept = settings.prometheus.retention_days
    if settings.slos and settings.prometheus.source == "install" and kept < LONGEST_WINDOW_DAYS:
        yield f"prometheus.retentionDays is {kept}: alerts of slos look back {LONGEST_WINDOW_DAYS} days; keep at least as much"


def _receivers_differ(settings: Settings) -> Iterator[str]:
    names = [receiver.name for receiver in settings.alerting.receivers]
    for index, name in enumerate(names):
        if name == "null":
            yield f"alerting.receivers.{index}.name is null: that is the name of nobody; take another"
        if name in names[:index]:
            yield f"alerting.receivers.{index}.name is {name}: alerting.receivers.{names.index(name)} has it already"


def _somebody_is_woken(settings: Settings) -> Iterator[str]:
    receivers = settings.alerting.receivers
    if (
        receivers
        and all(receiver.severities for receiver in receivers)
        and not any("critical" in receiver.severities for receiver in receivers)
    ):
        yield "alerting.receivers get no critical alert: add critical to the severities of one"


def _receivers_have_what_they_need(settings: Settings) -> Iterator[str]:
    kind_keys = {"secret": "secret", "channel": "channel", "to": "to", "sender": "from", "smarthost": "smarthost", "username": "username"}
    for index, receiver in enumerate(settings.alerting.receivers):
        needed, allowed = RECEIVER_KEYS[receiver.kind]
        there = {key for field, key in kind_keys.items() if getattr(receiver, field) is not None}
        for key in sorted(needed - there):
            yield f"alerting.receivers.{index}.{key} is missing: kind {receiver.kind} needs it"
        if not receiver.severities:
            yield f"alerting.receivers.{index}.severities is []: name at least one, or remove the receiver"
        for key in sorted(there - needed - allowed):
            yield f"alerting.receivers.{index}.{key} is set: kind {receiver.kind} has no use for it; remove the key"


def _mail_is_signed_in(settings: Settings) -> Iterator[str]:
    for index, receiver in enumerate(settings.alerting.receivers):
        if receiver.kind == "email" and (receiver.username is None) != (receiver.secret is None):
            here, missing = ("username", "secret") if receiver.secret is None else ("secret", "username")
            yield f"alerting.receivers.{index}.{missing} is missing: {here} is set, and a relay takes both or neither"


def _receivers_need_our_alertmanager(settings: Settings) -> Iterator[str]:
    if settings.alerting.receivers and settings.prometheus.source == "existing":
        yield "alerting.receivers is set while prometheus.source is existing: its Alertmanager has routes of its own; remove the key"


def _strict_namespaces_are_of_others(settings: Settings) -> Iterator[str]:
    for index, namespace in enumerate(settings.istio.strict_namespaces):
        if namespace in settings.istio.strict_namespaces[:index]:
            yield f"istio.strictNamespaces.{index} is {namespace}: it stands there twice"
        if namespace == SAMPLE_NAMESPACE:
            yield f"istio.strictNamespaces.{index} is {namespace}: that is the sample's, which is strict already; remove it"
        if namespace == (settings.istio.existing or ExistingIstio()).namespace:
            yield f"istio.strictNamespaces.{index} is {namespace}: that is the mesh's root, and would make every namespace of it strict"


def _trusting_namespaces_have_whom_to_trust(settings: Settings) -> Iterator[str]:
    chosen = settings.opentelemetry
    if chosen.trusting_namespaces and not chosen.tls:
        yield "opentelemetry.trustingNamespaces is set while opentelemetry.tls is false: there is no authority to trust; remove the key"
    for index, namespace in enumerate(chosen.trusting_namespaces):
        if namespace in chosen.trusting_namespaces[:index]:
            yield f"opentelemetry.trustingNamespaces.{index} is {namespace}: it stands there twice"
        if namespace == SAMPLE_NAMESPACE:
            yield f"opentelemetry.trustingNamespaces.{index} is {namespace}: that is the sample's, which trusts already; remove it"
        if namespace == TELEMETRY_NAMESPACE:
            yield f"opentelemetry.trustingNamespaces.{index} is {namespace}: that is the collector's, which has the authority; remove it"


RULES: tuple[Callable[[Settings], Iterator[str]], ...] = (
    _azure_is_described,
    _azure_is_used,
    _identities_have_an_issuer,
    _a_closed_account_has_a_way_in,
    _azure_deletes_after_the_stores,
    _generations_are_of_keys,
    _existing_is_said,
    _what_exists_is_not_sized_here,
    _go_needs_our_operator,
    _challenges_need_our_mesh,
    _strict_namespaces_are_of_others,
    _trusting_namespaces_have_whom_to_trust,
    control_planes_differ,
    canaries_are_of_our_mesh,
    _objectives_differ,
    _latency_is_whole,
    _objectives_fit_into_memory,
    _receivers_differ,
    _somebody_is_woken,
    _receivers_have_what_they_need,
    _mail_is_signed_in,
    _receivers_need_our_alertmanager,
    tail_sampling_knows_its_load,
    tail_sampling_gets_what_it_is_to_choose_from,
    metric_tags_that_are_read_stay,
    proxies_are_told_by_our_mesh,
    *settings_rules_grafana.RULES,
)
