"""Microsoft.Authorization: role assignments, and whether one is known everywhere yet."""

import re
from collections.abc import Iterable
from typing import Any

from rehearsal.doubles.azure_native import catalogue, ids
from rehearsal.doubles.azure_native.errors import ArmError, group_not_found, not_found
from rehearsal.doubles.azure_native.identity import principal_of
from rehearsal.doubles.azure_native.request import Request, now, seconds_since
from rehearsal.doubles.azure_native.settings import Settings
from rehearsal.doubles.azure_native.store import Record, Records

_GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_DEFINITION = re.compile(r"(/subscriptions/[^/]+)?/providers/Microsoft\.Authorization/roleDefinitions/([^/]+)", re.IGNORECASE)
BUILT_IN = {
    "Owner": "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
    "Contributor": "b24988ac-6180-42a0-ab88-20f7382dd24c",
    "Reader": "acdd72a7-3385-48ef-bd42-f606fba81ae7",
    "Network Contributor": "4d97b98b-1d4f-4787-a291-c67834d212e7",
    "Storage Account Contributor": "17d1049b-9a84-46fb-8f53-869881c3d3ab",
    "Storage Account Key Operator Service Role": "81a9662b-bebf-436f-a333-f67b29880f12",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Blob Data Reader": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    "Storage Blob Delegator": "db58b8e5-c6ad-4a2a-8342-4190687cbf4a",
}
"""Built-in roles that a program of ours may name, the same GUIDs in every cloud."""


def put_assignment(request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    """Creates or changes a role assignment."""
    body, settings = request.body, request.settings
    if not _GUID.fullmatch(request.name):
        raise ArmError(
            400,
            "InvalidRoleAssignmentId",
            f"The role assignment ID '{request.name}' is not valid. The role assignment ID must be a GUID.",
        )
    scope = "/" + request.names["scope"].strip("/")
    _check_scope(request.records, scope, settings)
    definition = _definition(body["roleDefinitionId"], settings)
    _check_principal(request)
    if request.before is not None and any(
        body[key] != request.was[key] if key == "principalId" else definition != request.was[key]
        for key in ("principalId", "roleDefinitionId")
    ):
        raise ArmError(
            400,
            "RoleAssignmentUpdateNotPermitted",
            "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
        )
    for other in request.records.of(catalogue.ASSIGNMENT.token):
        same = (other.outputs["principalId"], other.outputs["roleDefinitionId"], ids.key(other.outputs["scope"]))
        if same == (body["principalId"], definition, ids.key(scope)) and ids.key(other.id) != ids.key(request.id):
            taken = other.outputs["name"].replace("-", "")
            raise ArmError(
                409, "RoleAssignmentExists", f"The role assignment already exists. The ID of the conflicting role assignment is {taken}."
            )
    author = principal_of(f"/subscriptions/{settings.subscription}")
    outputs = request.outputs(
        scope=scope,
        roleDefinitionId=definition,
        principalType=body.get("principalType", "ServicePrincipal"),
        createdOn=request.was.get("createdOn") or now(),
        updatedOn=now(),
        createdBy=request.was.get("createdBy") or author,
        updatedBy=author,
    )
    return outputs, request.before.hidden if request.before else {"madeAt": now()}


def is_allowed(records: Records, client_id: str, role: str, scope: str, settings: Settings) -> bool:
    """Whether an identity, by its client id, has a role (its GUID) at a scope and all of Azure knows it by now."""
    principals = {record.outputs["principalId"] for record in _identities(records) if record.outputs["clientId"] == client_id}
    for assignment in records.of(catalogue.ASSIGNMENT.token):
        outputs = assignment.outputs
        covers = ids.key(outputs["scope"]) == ids.key(scope) or ids.is_within(scope, outputs["scope"])
        if outputs["principalId"] in principals and ids.name_of(outputs["roleDefinitionId"]) == role and covers:
            return seconds_since(assignment.hidden["madeAt"]) >= settings.propagation_seconds
    return False


def _identities(records: Records) -> Iterable[Record]:
    return records.of(catalogue.IDENTITY.token)


def _check_scope(records: Records, scope: str, settings: Settings) -> None:
    if ids.key(scope) == ids.key(f"/subscriptions/{settings.subscription}"):
        return
    if not ids.is_id(scope):
        raise ArmError(
            400, "MissingSubscription", f"The request did not have a subscription or a valid tenant level resource provider: {scope}."
        )
    if records.get(scope) is not None:
        return
    group = ids.group_id(scope)
    if not group or records.get(group) is None:
        raise group_not_found(ids.group_name(scope))
    raise not_found(*ids.type_and_name(scope), ids.group_name(scope))


def _definition(identifier: str, settings: Settings) -> str:
    """The role definition's id as ARM gives it back."""
    found = _DEFINITION.fullmatch(identifier)
    if not found:
        raise ArmError(400, "BadRequestFormat", "The request was incorrectly formatted.")
    role = found.group(2).lower()
    if role not in BUILT_IN.values():
        raise ArmError(
            404, "RoleDefinitionDoesNotExist", f"The specified role definition with ID '{role.replace('-', '')}' does not exist."
        )
    return f"/subscriptions/{settings.subscription}/providers/Microsoft.Authorization/roleDefinitions/{role}"


def _check_principal(request: Request) -> None:
    principal, kind = request.body["principalId"], request.body.get("principalType")
    if not _GUID.fullmatch(principal):
        raise ArmError(400, "InvalidPrincipalId", f"The Principal ID '{principal}' is not valid. Principal ID must be a GUID.")
    known = [record for record in _identities(request.records) if record.outputs["principalId"] == principal]
    if known and kind not in (None, "ServicePrincipal"):
        raise ArmError(
            400,
            "UnmatchedPrincipalType",
            f"The PrincipalId '{principal.replace('-', '')}' has type 'ServicePrincipal' , which is different from specified PrinciaplType "
            f"'{kind}'.",
        )
    # Nobody here knows a directory's users and groups; identities are all in our hands.
    if kind in ("User", "Group") or principal == principal_of(f"/subscriptions/{request.settings.subscription}"):
        return
    is_new = bool(known) and seconds_since(known[0].hidden["madeAt"]) < request.settings.propagation_seconds
    if not known or (kind is None and is_new):
        raise ArmError(
            400,
            "PrincipalNotFound",
            f"Principal {principal.replace('-', '')} does not exist in the directory {request.settings.tenant}. Check that you have "
            "the correct principal ID. If you are creating this principal and then immediately assigning a role, this error might be "
            "related to a replication delay. In this case, set the role assignment principalType property to a value, such as "
            "ServicePrincipal, User, or Group.  See https://aka.ms/docs-principaltype",
        )
