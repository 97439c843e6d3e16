"""Microsoft.ManagedIdentity: user-assigned identities and the tokens they trust."""

import re
import uuid
from typing import Any
from urllib.parse import urlsplit

from rehearsal.doubles.azure_native import catalogue, ids
from rehearsal.doubles.azure_native.errors import ArmError
from rehearsal.doubles.azure_native.request import Request, now

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,127}")
_NAMESPACE = uuid.UUID("2f1c6c1e-5d3e-4d8f-9a55-8f0f5a7c9e10")
_MOST_CREDENTIALS = 20


def put_identity(request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    """Creates or changes an identity: its ids stay as long as it lives, and another one of the same name has others."""
    if not _NAME.fullmatch(request.name):
        raise ArmError(
            400,
            "InvalidResourceName",
            f"Resource name {request.name} is invalid. The name can be up to 128 characters long. It must begin with a letter or a number, "
            "have at least 3 characters, and contain letters, numbers, '-' or '_' alone.",
        )
    outputs = request.outputs(
        tags=request.body.get("tags", {}),
        tenantId=request.settings.tenant,
        principalId=request.was.get("principalId") or str(uuid.uuid4()),
        clientId=request.was.get("clientId") or str(uuid.uuid4()),
    )
    return outputs, request.before.hidden if request.before else {"madeAt": now()}


def put_credential(request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    """Creates or changes a federated credential."""
    body = request.body
    if not body["subject"] or not body["issuer"]:
        raise ArmError(
            400,
            "BadRequest",
            "The request format was unexpected. Federated Identity Credential must specify 'issuer', 'subject' and 'audience'.",
        )
    if len(body["audiences"]) != 1:
        raise ArmError(
            400, "InvalidFederatedIdentityCredentialsAudienceLength", "Federated identity credentials must have exactly 1 audience."
        )
    issuer = urlsplit(body["issuer"])
    if issuer.scheme != "https" or not issuer.hostname:
        raise ArmError(400, "InvalidFederatedIdentityCredentialsIssuer", f"The issuer '{body['issuer']}' is no https URL.")
    parent = ids.ancestors(request.id)[-1]
    others = [
        record
        for record in request.records.within(parent)
        if record.token == catalogue.CREDENTIAL.token and ids.key(record.id) != ids.key(request.id)
    ]
    if any((other.outputs["issuer"], other.outputs["subject"]) == (body["issuer"], body["subject"]) for other in others):
        raise ArmError(409, "Conflict", "Issuer and subject combination already exists for this Managed Identity.")
    if len(others) >= _MOST_CREDENTIALS:
        raise ArmError(
            400, "BadRequest", f"Too many Federated Identity Credentials: a Managed Identity has {_MOST_CREDENTIALS} of them at most."
        )
    return request.outputs(), {}


def principal_of(identifier: str) -> str:
    """The principal of a resource's own identity."""
    return str(uuid.uuid5(_NAMESPACE, ids.key(identifier)))


def arm_spelling(identifier: str) -> str:
    """An identity's id as this provider spells it, which is not as the others do."""
    return identifier.replace("/resourceGroups/", "/resourcegroups/", 1)
