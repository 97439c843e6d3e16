"""A recording engine: what the program registers, with parents, dependencies, providers, secrets and component outputs."""

from __future__ import annotations

import asyncio
import base64
import runpy
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from google.protobuf import json_format
from pulumi.runtime import mocks as pulumi_mocks
from pulumi.runtime.config import set_all_config

from rehearsal.doubles.azure_native import ids
from rehearsal.doubles.azure_native.catalogue import BY_TOKEN

ROOT = Path(__file__).resolve().parent.parent
SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
"""Stands in the ids of what is new in Azure, whichever subscription the provider goes to."""
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
LOAD_BALANCER = {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}


@dataclass(frozen=True)
class Registered:
    """One resource as the program asked for it."""

    urn: str
    type: str
    name: str
    custom: bool
    parent: str
    provider: str
    dependencies: tuple[str, ...]
    inputs: dict[str, Any]
    protect: bool
    retained: bool

    @property
    def kind(self) -> str:
        return self.type.rsplit(":", 1)[-1]


@dataclass(frozen=True)
class Run:
    """Everything one run of the program registered."""

    resources: Mapping[str, Registered]
    component_outputs: Mapping[str, dict[str, Any]]
    outputs: Mapping[str, Any]

    def of_kind(self, kind: str) -> list[Registered]:
        return [r for r in self.resources.values() if r.kind == kind]

    def named(self, kind: str, name: str) -> Registered:
        """The one resource of that kind and logical name."""
        (found,) = [r for r in self.of_kind(kind) if r.name == name]
        return found

    def waits_for(self, resource: Registered) -> set[str]:
        """URNs of all that must be there first: dependencies and parents, and theirs."""
        seen: set[str] = set()
        todo = [resource.urn]
        while todo:
            current = self.resources.get(todo.pop())
            for urn in (*current.dependencies, current.parent) if current else ():
                if urn in self.resources and urn not in seen:
                    seen.add(urn)
                    todo.append(urn)
        return seen


ACCOUNT_KEYS = {"key1": "sentinel-account-key-one", "key2": "sentinel-account-key-two"}
KUBECONFIG = "sentinel-kubeconfig"
ISSUER = "https://westeurope.oic.prod-aks.azure.com/00000000-0000-0000-0000-000000000000/issuer/"


class _Providers(pulumi.runtime.Mocks):
    """Answers as the providers do; at preview a new object has no id, a Release no status, and Azure knows nothing of what is new."""

    def __init__(self, preview: bool) -> None:
        self.preview = preview

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        state = dict(args.inputs)
        if args.typ.endswith(":Release"):
            status = {"name": state.get("name"), "namespace": state.get("namespace"), "status": "deployed"}
            state["status"] = UNKNOWN if self.preview else status
        if args.typ == "kubernetes:core/v1:Service" and args.resource_id:
            state["status"] = LOAD_BALANCER
        if args.typ.startswith("azure-native:"):
            state |= self._azure(args)
        return args.resource_id or ("" if self.preview else _id(args)), state

    def _azure(self, args: pulumi.runtime.MockResourceArgs) -> dict[str, str]:
        """What ARM adds to a resource: its name, and of an identity what others know it by."""
        if args.resource_id:  # one that is only looked at is there
            return {"name": args.resource_id.rsplit("/", 1)[-1]}
        known = {"name": "" if self.preview else ids.name_of(_id(args))}
        if args.typ.endswith(":UserAssignedIdentity"):
            known |= {"clientId": f"client-of-{args.name}", "principalId": f"principal-of-{args.name}"}
        return dict.fromkeys(known, UNKNOWN) if self.preview else known

    def call(self, args: pulumi.runtime.MockCallArgs) -> Any:
        answers: dict[str, Any] = {
            "azure-native:storage:listStorageAccountKeys": {
                "keys": [{"keyName": name, "value": value, "permissions": "FULL"} for name, value in ACCOUNT_KEYS.items()]
            },
            "azure-native:containerservice:listManagedClusterUserCredentials": {
                "kubeconfigs": [{"name": "clusterUser", "value": base64.b64encode(KUBECONFIG.encode()).decode()}]
            },
            "azure-native:containerservice:getManagedCluster": {"oidcIssuerProfile": {"enabled": True, "issuerURL": ISSUER}},
        }
        if args.token not in answers:
            raise AssertionError(f"the program asked a provider: {args.token}")
        return answers[args.token]


def _id(args: pulumi.runtime.MockResourceArgs) -> str:
    """The id of what is new: in Azure made of its names, anywhere else of the logical name."""
    if args.typ in BY_TOKEN:
        return ids.fill(BY_TOKEN[args.typ].path, {"subscriptionId": SUBSCRIPTION, **args.inputs})
    return f"{args.name}-id"


class _Monitor(pulumi_mocks.MockMonitor):
    def __init__(self, mocks: pulumi.runtime.Mocks) -> None:
        super().__init__(mocks)
        self.requests: dict[str, Any] = {}
        self.outputs: dict[str, dict[str, Any]] = {}

    def RegisterResource(self, request: Any) -> Any:
        response = super().RegisterResource(request)
        self.requests[response.urn] = request
        return response

    def RegisterResourceOutputs(self, request: Any) -> Any:
        self.outputs[request.urn] = json_format.MessageToDict(request.outputs)
        return super().RegisterResourceOutputs(request)


def run(
    config: Mapping[str, str],
    *,
    preview: bool = False,
    stack: str = "local",
    root: Path = ROOT,
    secret_keys: Collection[str] = ("grafanaAdminPassword", "grafanaEntraClientSecret"),
) -> Run:
    """Runs the `__main__.py` of a checkout against the recorder; `config` holds the project's keys without prefix, as Pulumi stores them.

    Another checkout than this one needs a process of its own, whose modules are not imported yet.
    """
    asyncio.set_event_loop(asyncio.new_event_loop())
    monitor = _Monitor(_Providers(preview))
    pulumi.runtime.set_mocks(monitor.mocks, project="istio-stack", stack=stack, preview=preview, monitor=monitor)
    secrets = [f"istio-stack:{key}" for key in config if key in secret_keys]
    set_all_config({f"istio-stack:{key}": value for key, value in config.items()}, secrets)
    exported: dict[str, Any] = {}

    def program() -> None:
        runpy.run_path(str(root / "__main__.py"))
        whole: Any = pulumi.runtime.settings.get_root_resource()
        for key, value in whole.outputs.items():  # what is unknown at preview never arrives
            pulumi.Output.from_input(value).apply(lambda known, key=key: exported.update({key: known}))

    sys.path.insert(0, str(root))
    try:
        pulumi.runtime.test(program)()
    finally:
        sys.path.remove(str(root))
    # the stack itself is registered beside the program, sometimes only after it has ended
    registered = {urn: _registered(urn, r) for urn, r in monitor.requests.items() if r.type != "pulumi:pulumi:Stack"}
    return Run(registered, monitor.outputs, exported)


def _registered(urn: str, request: Any) -> Registered:
    return Registered(
        urn,
        request.type,
        request.name,
        request.custom,
        request.parent,
        request.provider,
        tuple(request.dependencies),
        _whole(json_format.MessageToDict(request.object)),
        request.protect,
        request.retainOnDelete,
    )


def _whole(value: Any) -> Any:
    """Numbers as they were: the wire knows only floating point."""
    if isinstance(value, dict):
        return {key: _whole(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_whole(child) for child in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def leaves(value: Any, secret: bool = False) -> Iterator[tuple[Any, bool]]:
    """Every leaf, and whether a secret's envelope is around it."""
    if isinstance(value, Mapping):
        if value.get(SIGNATURE) == SECRET:
            yield from leaves(value["value"], True)
        else:
            for child in value.values():
                yield from leaves(child, secret)
    elif isinstance(value, list):
        for child in value:
            yield from leaves(child, secret)
    else:
        yield value, secret
