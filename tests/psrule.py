"""Rules for storage from the rule set PSRule for Azure, each as one question about an ARM template.

PSRule itself needs PowerShell. Its rules are a line or two each, so they are said here again, under its own names:
https://azure.github.io/PSRule.Rules.Azure/en/rules/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ACCOUNT = "Microsoft.Storage/storageAccounts"
BLOB_SERVICE = f"{ACCOUNT}/blobServices"
CONTAINER = f"{BLOB_SERVICE}/containers"
DEFENDER = "Microsoft.Security/DefenderForStorageSettings"
GEO_REPLICATED = {"Standard_GRS", "Standard_RAGRS", "Standard_GZRS", "Standard_RAGZRS"}

Resource = Mapping[str, Any]
Template = Mapping[str, Any]


@dataclass(frozen=True)
class Rule:
    """One rule: whether a resource of a type meets it, given all resources of the template."""

    ref: str
    name: str
    type: str
    passes: Callable[[Resource, Sequence[Resource]], bool]


def _has(path: str, *expected: Any) -> Callable[[Resource, Sequence[Resource]], bool]:
    """Whether what a path leads to is one of the values expected; what is missing is none of them."""

    def passes(resource: Resource, _: Sequence[Resource]) -> bool:
        value: Any = resource
        for part in path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return value in expected

    return passes


def _soft_delete(policy: str) -> Callable[[Resource, Sequence[Resource]], bool]:
    """Whether the account has a blob service, and each that it has keeps what is deleted for a day at least."""

    def passes(account: Resource, resources: Sequence[Resource]) -> bool:
        services = [r for r in resources if r["type"] == BLOB_SERVICE and r["name"].startswith(f"{account['name']}/")]
        kept = [service.get("properties", {}).get(policy, {}) for service in services]
        return bool(kept) and all(policy.get("enabled") is True and policy.get("days", 0) >= 1 for policy in kept)

    return passes


def _is_named_by_rule(account: Resource, _: Sequence[Resource]) -> bool:
    return re.fullmatch(r"[a-z0-9]{3,24}", account["name"]) is not None


def _has_defender(account: Resource, resources: Sequence[Resource]) -> bool:
    settings = [r for r in resources if r["type"] == DEFENDER and account["name"] in r.get("scope", "")]
    return any(setting["properties"].get("isEnabled") is True for setting in settings)


RULES = (
    Rule("AZR-000195", "Azure.Storage.UseReplication", ACCOUNT, _has("sku.name", *GEO_REPLICATED)),
    Rule("AZR-000196", "Azure.Storage.SecureTransfer", ACCOUNT, _has("properties.supportsHttpsTrafficOnly", True)),
    Rule("AZR-000197", "Azure.Storage.SoftDelete", ACCOUNT, _soft_delete("deleteRetentionPolicy")),
    Rule("AZR-000198", "Azure.Storage.BlobPublicAccess", ACCOUNT, _has("properties.allowBlobPublicAccess", False)),
    Rule("AZR-000199", "Azure.Storage.BlobAccessType", CONTAINER, _has("properties.publicAccess", None, "None")),
    Rule("AZR-000200", "Azure.Storage.MinTLS", ACCOUNT, _has("properties.minimumTlsVersion", "TLS1_2")),
    Rule("AZR-000201", "Azure.Storage.Name", ACCOUNT, _is_named_by_rule),
    Rule("AZR-000202", "Azure.Storage.Firewall", ACCOUNT, _has("properties.networkAcls.defaultAction", "Deny")),
    Rule("AZR-000289", "Azure.Storage.ContainerSoftDelete", ACCOUNT, _soft_delete("containerDeleteRetentionPolicy")),
    Rule("AZR-000386", "Azure.Storage.DefenderCloud", ACCOUNT, _has_defender),
)


def judge(template: Template) -> dict[tuple[str, str, str], bool]:
    """Whether each resource meets each rule for its type, by rule, type and name."""
    resources: Sequence[Resource] = template["resources"]
    return {
        (rule.ref, rule.type, resource["name"]): rule.passes(resource, resources)
        for rule in RULES
        for resource in resources
        if resource["type"] == rule.type
    }
