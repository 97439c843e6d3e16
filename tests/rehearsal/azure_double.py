"""The azure-native double as its tests speak to it: over gRPC, as the engine does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from rehearsal.doubles.azure_native.protocol import serve
from rehearsal.doubles.azure_native.provider import Provider
from rehearsal.doubles.kubernetes.host import Host
from rehearsal.doubles.kubernetes.values import decode, encode

SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"
TENANT = "66666666-7777-4888-9999-aaaaaaaaaaaa"
ROOT = f"/subscriptions/{SUBSCRIPTION}"
GROUP = "rg-observability"
IN_GROUP = {"resourceGroupName": GROUP}
NETWORK = f"{ROOT}/resourceGroups/rg-network/providers/Microsoft.Network/virtualNetworks/vnet"
SUBNET = f"{NETWORK}/subnets/nodes"
CLUSTER = f"{ROOT}/resourceGroups/rg-aks/providers/Microsoft.ContainerService/managedClusters/aks"
ACCOUNT = "stobservability"
ACCOUNT_ID = f"{ROOT}/resourceGroups/{GROUP}/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}"
CONTRIBUTOR = f"{ROOT}/providers/Microsoft.Authorization/roleDefinitions/ba92f5b4-2d11-453d-a403-e96b0029c9fe"
RESOURCE_GROUP = "azure-native:resources:ResourceGroup"
STORAGE_ACCOUNT = "azure-native:storage:StorageAccount"
BLOB_CONTAINER = "azure-native:storage:BlobContainer"
BLOB_SERVICE = "azure-native:storage:BlobServiceProperties"
POLICY = "azure-native:storage:ManagementPolicy"
IDENTITY = "azure-native:managedidentity:UserAssignedIdentity"
CREDENTIAL = "azure-native:managedidentity:FederatedIdentityCredential"
ASSIGNMENT = "azure-native:authorization:RoleAssignment"
ENDPOINT = "azure-native:network:PrivateEndpoint"
ZONE_GROUP = "azure-native:network:PrivateDnsZoneGroup"
ZONE = "azure-native:privatedns:PrivateZone"
LINK = "azure-native:privatedns:VirtualNetworkLink"


class Refused(Exception):
    """A call that failed; the message is what the engine would show."""


@dataclass
class Made:
    """A resource as the engine would keep it."""

    token: str
    id: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]


class Client:
    """The engine's side."""

    def __init__(self, stub: provider_pb2_grpc.ResourceProviderStub) -> None:
        self.stub = stub

    def configure(self, **arguments: str) -> None:
        defaults = {"subscriptionId": SUBSCRIPTION, "tenantId": TENANT}
        variables = {f"azure-native:config:{key}": value for key, value in {**defaults, **arguments}.items()}
        self._call("Configure", provider_pb2.ConfigureRequest(variables=variables))

    def check(
        self, token: str, inputs: Mapping[str, Any], olds: Mapping[str, Any] | None = None, **more: Any
    ) -> tuple[dict[str, Any], list[str]]:
        """Checked inputs, and what is wrong with them."""
        request = provider_pb2.CheckRequest(
            urn=_urn(token), news=encode(dict(inputs)), olds=encode(dict(olds or {})), randomSeed=more.pop("seed", b"seed"), **more
        )
        answer = self._call("Check", request)
        return decode(answer.inputs), [failure.reason for failure in answer.failures]

    def make(self, token: str, **inputs: Any) -> Made:
        """Checks and creates, as an `up` does."""
        checked, wrong = self.check(token, inputs)
        if wrong:
            raise Refused("; ".join(wrong))
        answer = self._call("Create", provider_pb2.CreateRequest(urn=_urn(token), properties=encode(checked)))
        return Made(token, answer.id, checked, decode(answer.properties))

    def preview(self, token: str, **inputs: Any) -> dict[str, Any]:
        """The outputs that a preview of a new resource knows."""
        checked, wrong = self.check(token, inputs)
        assert not wrong, wrong
        answer = self._call("Create", provider_pb2.CreateRequest(urn=_urn(token), properties=encode(checked), preview=True))
        return decode(answer.properties)

    def diff(self, made: Made, **inputs: Any) -> provider_pb2.DiffResponse:
        """What would change if these were the inputs."""
        checked, wrong = self.check(made.token, inputs, made.inputs)
        assert not wrong, wrong
        return self._call(
            "Diff",
            provider_pb2.DiffRequest(
                id=made.id, urn=_urn(made.token), olds=encode(made.outputs), news=encode(checked), old_inputs=encode(made.inputs)
            ),
        )

    def change(self, made: Made, preview: bool = False, **inputs: Any) -> Made:
        """Updates a resource to have just these inputs."""
        checked, wrong = self.check(made.token, inputs, made.inputs)
        if wrong:
            raise Refused("; ".join(wrong))
        request = provider_pb2.UpdateRequest(
            id=made.id,
            urn=_urn(made.token),
            olds=encode(made.outputs),
            news=encode(checked),
            old_inputs=encode(made.inputs),
            preview=preview,
        )
        return Made(made.token, made.id, checked, decode(self._call("Update", request).properties))

    def read(self, made: Made) -> Made | None:
        """What a refresh finds."""
        return self.find(made.token, made.id, made.outputs, made.inputs)

    def find(self, token: str, identifier: str, outputs: dict[str, Any] | None = None, inputs: dict[str, Any] | None = None) -> Made | None:
        """What an import finds, or a refresh where the engine knows it already."""
        request = provider_pb2.ReadRequest(id=identifier, urn=_urn(token), properties=encode(outputs or {}), inputs=encode(inputs or {}))
        answer = self._call("Read", request)
        return Made(token, answer.id, decode(answer.inputs), decode(answer.properties)) if answer.id else None

    def delete(self, made: Made) -> None:
        self._call("Delete", provider_pb2.DeleteRequest(id=made.id, urn=_urn(made.token), properties=encode(made.outputs)))

    def invoke(self, token: str, **arguments: Any) -> dict[str, Any]:
        answer = self._call("Invoke", provider_pb2.InvokeRequest(tok=token, args=encode(arguments)))
        return decode(getattr(answer, "return"))

    def account_keys(self, account: str = ACCOUNT) -> list[dict[str, Any]]:
        """What listStorageAccountKeys answers."""
        return self.invoke("azure-native:storage:listStorageAccountKeys", accountName=account, **IN_GROUP)["keys"]

    def group(self) -> Made:
        return self.make(RESOURCE_GROUP, **IN_GROUP, location="westeurope")

    def account(self, **inputs: Any) -> Made:
        """A storage account in a group of its own."""
        self.group()
        return self.make(STORAGE_ACCOUNT, **account_inputs(**inputs))

    def account_found(self) -> Made:
        """The storage account as it is."""
        found = self.find(STORAGE_ACCOUNT, ACCOUNT_ID)
        assert found, "there is no account"
        return found

    def identity(self, name: str = "id-loki") -> Made:
        return self.make(IDENTITY, **IN_GROUP, resourceName=name, location="westeurope")

    def _call(self, method: str, request: Any) -> Any:
        try:
            return getattr(self.stub, method)(request, timeout=60)
        except grpc.RpcError as error:
            raise Refused(error.details()) from None


def account_inputs(**more: Any) -> dict[str, Any]:
    """The arguments of an account that Azure takes."""
    return {**IN_GROUP, "accountName": ACCOUNT, "kind": "StorageV2", "location": "westeurope", "sku": {"name": "Standard_LRS"}, **more}


def rule(name: str = "loki", **more: Any) -> dict[str, Any]:
    """A rule of a lifecycle."""
    actions = {"baseBlob": {"delete": {"daysAfterModificationGreaterThan": 38}}}
    filters = {"blobTypes": ["blockBlob"], "prefixMatch": [f"{name}/"]}
    return {"name": name, "type": "Lifecycle", "definition": {"actions": actions, "filters": filters}, **more}


def _urn(token: str) -> str:
    return f"urn:pulumi:dev::istio-stack::istio-stack:storage:AzureStorage${token}::storage"


@contextmanager
def running() -> Iterator[Client]:
    """A double of its own, not configured yet."""
    server, port = serve(Provider(Host(None)))
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Client(provider_pb2_grpc.ResourceProviderStub(channel))
    server.stop(grace=None).wait()


@pytest.fixture
def client(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A double in a subscription that holds a network and a cluster, and no Azurite."""
    for name in ("ARM_SUBSCRIPTION_ID", "ARM_TENANT_ID", "ARM_ENVIRONMENT", "REHEARSAL_AZURITE", "REHEARSAL_KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REHEARSAL_AZURE_STATE", str(tmp_path / "azure.json"))
    monkeypatch.setenv("REHEARSAL_AZURE_EXISTING", json.dumps([SUBNET, {"id": CLUSTER, "location": "northeurope"}]))
    monkeypatch.setenv("REHEARSAL_AZURE_PROPAGATION_SECONDS", "0")
    with running() as started:
        started.configure()
        yield started
