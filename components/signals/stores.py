"""How Tempo and Loki reach their blobs: the address each is told, and the key or the right it needs there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from components.addresses import SecretKey, ServiceAccount
from components.blob_gate import POD_LABEL
from components.names_azure import BLOB_DATA_CONTRIBUTOR
from components.signals.configured import Configured, at
from components.signals.model import Defect, Edge, KeyRead, Need
from components.tempo import PARTS


def stores(c: Configured, protocol: str) -> Iterator[Edge | Defect | KeyRead | Need]:
    """Edges of both stores to their containers, and what each needs."""
    yield from _tempo(c, protocol)
    yield from _loki(c, protocol)


def _tempo(c: Configured, protocol: str) -> Iterator[Edge | Defect | KeyRead | Need]:
    single = c.topology.releases.tempo.chart == "tempo"
    said = f"{'tempo.' if single else ''}storage.trace.azure"
    azure = at(c.tempo, said, {})
    suffix, account, container = (azure.get(key, "") for key in ("endpoint_suffix", "storage_account_name", "container_name"))
    # a suffix that does not begin with `blob.` means Azurite to Tempo
    url = f"https://{account}.{suffix}/{container}" if suffix.startswith("blob.") else f"http://{suffix}/{account}/{container}"
    yield Edge("block", "tempo", url, protocol, said)
    labels = at(c.tempo, "podLabels" if single else "tempo.podLabels", {})
    environments = {"tempo": at(c.tempo, "tempo.extraEnv", [])} if single else {p: at(c.tempo, f"{p}.extraEnv", []) for p in PARTS}
    trusted, key = azure.get("use_federated_token") is True, azure.get("storage_account_key", "")
    yield from _way_in(c, "tempo", f"{account}/{container}", trusted, key, labels, environments, said)


def _loki(c: Configured, protocol: str) -> Iterator[Edge | Defect | KeyRead | Need]:
    said = "loki.storage.azure"
    azure, container = at(c.loki, said, {}), at(c.loki, "loki.storage.bucketNames.chunks", "")
    connection = dict(part.split("=", 1) for part in azure.get("connectionString", "").split(";") if "=" in part)
    account = azure.get("accountName", "")
    base = connection.get("BlobEndpoint") or f"https://{account}.{azure.get('endpointSuffix', '')}"
    yield Edge("chunk", "loki", f"{base}/{container}", protocol, said)
    for period in at(c.loki, "loki.schemaConfig.configs", []):
        if (period.get("store"), period.get("schema")) != ("tsdb", "v13"):
            yield Defect(
                f"loki.schemaConfig from {period.get('from')} is {period.get('schema')} with {period.get('store')}: "
                "OTLP needs v13 with tsdb for its structured metadata"
            )
    if not at(c.loki, "loki.limits_config.allow_structured_metadata"):
        yield Defect("loki.limits_config.allow_structured_metadata is not true: Loki refuses OTLP, whose trace_id is structured metadata")
    trusted, key = azure.get("useFederatedToken") is True, connection.get("AccountKey") or azure.get("accountKey", "")
    labels, environments = at(c.loki, "defaults.podLabels", {}), {"loki": at(c.loki, "defaults.extraEnv", [])}
    yield from _way_in(c, "loki", f"{account}/{container}", trusted, key, labels, environments, said)


def _way_in(
    c: Configured,
    node: str,
    place: str,
    trusted: bool,
    key: str,
    labels: Mapping[str, str],
    environments: Mapping[str, list[dict[str, Any]]],
    said: str,
) -> Iterator[Defect | KeyRead | Need]:
    """By the pod's identity, or by the account's key from a Secret in the store's own namespace."""
    release = getattr(c.topology.releases, node)
    if trusted:
        account = at(getattr(c, node), "serviceAccount.name", release.name)
        yield Need(node, ServiceAccount(account, release.namespace), BLOB_DATA_CONTRIBUTOR, place, f"{node} serviceAccount.name")
        if not POD_LABEL.items() <= labels.items():
            yield Defect(f"{said} uses the pod's token, but {node}'s pods lack the label {next(iter(POD_LABEL))}: they would get none")
        return
    placeholder = re.fullmatch(r"\$\{(\w+)\}", key)
    for part, environment in environments.items():
        read = [entry for entry in environment if at(entry, "valueFrom.secretKeyRef")]
        if not read:
            yield Defect(f"{node} {part} reads no key from a Secret: {said} refers to {key or 'none'}")
        for entry in read:
            reference = entry["valueFrom"]["secretKeyRef"]
            secret = SecretKey(reference.get("name", ""), release.namespace, reference.get("key", ""))
            yield KeyRead(node, secret, entry["name"], placeholder[1] if placeholder else key, f"{part} extraEnv {entry['name']}")
