"""Microsoft.Storage: what an account holds. Containers are really made in Azurite; blob service and lifecycle are words alone."""

import re
from typing import Any

from rehearsal.doubles.azure_native import catalogue, ids
from rehearsal.doubles.azure_native.errors import ArmError
from rehearsal.doubles.azure_native.request import Request, new_etag, now
from rehearsal.doubles.azure_native.storage import invalid_values
from rehearsal.doubles.azure_native.store import Record

_CONTAINER = re.compile(r"[a-z0-9](?:[a-z0-9]|-(?!-)){1,61}[a-z0-9]")
_ONLY_NAME = "default"
_NO_SOFT_DELETE = {"allowPermanentDelete": False, "enabled": False}
_MOST_RULES = 100
_BLOB_TYPES = ("blockBlob", "appendBlob")


def put_container(request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    """Creates or changes a blob container."""
    if not _CONTAINER.fullmatch(request.name):
        raise ArmError(400, "InvalidResourceName", "The specifed resource name contains invalid characters.")
    account = _account(request)
    access = request.body.get("publicAccess", "None")
    if access != "None" and not account.outputs.get("allowBlobPublicAccess", False):
        raise ArmError(409, "PublicAccessNotPermitted", "Public access is not permitted on this storage account.")
    if request.before is None:
        request.blobs.create(request.names["accountName"], request.name, access)
    outputs = request.outputs(
        defaultEncryptionScope=request.body.get("defaultEncryptionScope", "$account-encryption-key"),
        denyEncryptionScopeOverride=request.body.get("denyEncryptionScopeOverride", False),
        publicAccess=access,
        etag=new_etag(),
        lastModifiedTime=now(),
        leaseState="Available",
        leaseStatus="Unlocked",
        deleted=False,
        remainingRetentionDays=0,
        hasImmutabilityPolicy=False,
        hasLegalHold=False,
    )
    return outputs, {}


def put_blob_service(request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    """Sets the properties of an account's blob service, which is there with the account."""
    _check_name(request)
    account = _account(request)
    body = request.body
    wrong = [key for key in ("deleteRetentionPolicy", "containerDeleteRetentionPolicy", "restorePolicy") if _has_no_days(body.get(key))]
    restore = body.get("restorePolicy", {})
    if restore.get("enabled") and not wrong:
        soft = body.get("deleteRetentionPolicy", {})
        needed = soft.get("enabled") and restore["days"] < soft["days"] and body.get("isVersioningEnabled") and body.get("changeFeed")
        wrong += [] if needed else ["restorePolicy"]
    if wrong:
        raise invalid_values(wrong)
    return blob_service_defaults(account) | request.outputs(), {}


def blob_service_defaults(account: Record) -> dict[str, Any]:
    """The blob service of an account of which nobody said anything."""
    return {
        "name": _ONLY_NAME,
        "type": catalogue.BLOB_SERVICE.arm_type,
        "cors": {"corsRules": []},
        "deleteRetentionPolicy": _NO_SOFT_DELETE,
        **{key: account.outputs[key] for key in ("sku",) if key in account.outputs},
    }


def put_policy(request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    """Sets an account's lifecycle."""
    _check_name(request)
    _account(request)
    rules = request.body["policy"]["rules"]
    names = [rule["name"] for rule in rules]
    problem = ""
    if not 1 <= len(rules) <= _MOST_RULES:
        problem = f"A policy holds 1 to {_MOST_RULES} rules, this one {len(rules)}"
    elif len(set(names)) < len(names):
        problem = "The names of a policy's rules must differ"
    for rule in rules:
        problem = problem or _problem_of(rule)
    if problem:
        raise ArmError(400, "InvalidRequestPropertyValue", f"{problem}.")
    kept = {"rules": [{"enabled": True, **rule} for rule in rules]}
    return request.outputs(policy=kept, lastModifiedTime=now()), {}


def _problem_of(rule: dict[str, Any]) -> str:
    definition = rule["definition"]
    filters, base = definition.get("filters", {}), definition["actions"].get("baseBlob", {})
    types = filters.get("blobTypes", [])
    if not types or any(kind not in _BLOB_TYPES for kind in types):
        return f"The filter blobTypes of rule {rule['name']} must name {' or '.join(_BLOB_TYPES)}"
    if any(kind != "blockBlob" for kind in types) and any(action.startswith("tierTo") for action in base):
        return f"Rule {rule['name']} moves blobs between tiers, which is for blockBlob alone"
    if not any(definition["actions"].values()):
        return f"Rule {rule['name']} has no action"
    for action, after in base.items():
        if isinstance(after, dict) and not after:
            return f"Action {action} of rule {rule['name']} says nothing of when"
    if len(filters.get("prefixMatch", [])) > 10:
        return f"Rule {rule['name']} has more than 10 prefixes"
    return ""


def _has_no_days(policy: dict[str, Any] | None) -> bool:
    return policy is not None and bool(policy.get("enabled")) and "days" not in policy


def _check_name(request: Request) -> None:
    """The one name that there is; ARM knows no such address for any other."""
    if request.name != _ONLY_NAME:
        url = f"https://management.azure.com{request.id}?api-version={request.kind.api_version}"
        raise ArmError(404, "HttpResourceNotFound", f"The request url {url} is not found.")


def _account(request: Request) -> Record:
    account = request.records.get(ids.ancestors(request.id)[1])
    assert account is not None, "a nested resource is refused before, where its parent is missing"
    return account
