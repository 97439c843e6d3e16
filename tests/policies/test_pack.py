"""The policy pack: its validators called as the engine calls them, and its process asked in the engine's own words."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from components.charts import ROOT, open_lock
from policies import engine
from policies.rules import RULES
from policies.waivers import read
from tests.recorder import Run
from tests.stacks import EVERY

LOCK = open_lock("charts.yaml")
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "door", "namespace": "shop"},
    "spec": {"type": "LoadBalancer"},
}
RELEASE = {"name": "loki", "namespace": "loki", "chart": ".charts/loki-18.11.0.tgz", "version": "18.11.0", "values": {"a": 1}}
ACCOUNT = {"allowBlobPublicAccess": True, "minimumTlsVersion": "TLS1_2", "enableHttpsTrafficOnly": True}


@pytest.fixture(scope="module")
def package() -> Any:
    return engine.sdk()


def reported(package: Any, kind: str, props: dict[str, Any]) -> dict[str, list[str]]:
    """What every policy of the pack reports of one resource."""
    found: dict[str, list[str]] = {}
    for policy in engine.policies(package, LOCK, read()):
        arguments = SimpleNamespace(resource_type=kind, name="it", props=props)
        policy.validate(arguments, found.setdefault(policy.name, []).append)
    return {name: messages for name, messages in found.items() if messages}


def test_every_rule_is_a_policy_that_says_what_it_holds(package: Any) -> None:
    policies = engine.policies(package, LOCK, ())
    assert [policy.name for policy in policies] == list(RULES)
    assert all(len(policy.description.split()) > 4 for policy in policies)


@pytest.mark.parametrize(
    ("kind", "props", "policy"),
    [
        ("kubernetes:core/v1:Service", SERVICE, "no-load-balancer"),
        ("kubernetes:helm.sh/v3:Release", {**RELEASE, "version": "18.10.0"}, "chart-version"),
        ("kubernetes:helm.sh/v3:Release", {**RELEASE, "chart": "nginx"}, "chart-version"),
        ("kubernetes:helm.sh/v3:Release", {**RELEASE, "values": {"adminPassword": "hunter2"}}, "no-secret-literal"),
        ("azure-native:storage:StorageAccount", ACCOUNT, "no-public-blob"),
        ("azure-native:storage:StorageAccount", {**ACCOUNT, "allowBlobPublicAccess": False, "minimumTlsVersion": "TLS1_0"}, "tls"),
    ],
)
def test_a_flaw_is_reported_by_its_policy_and_no_other(package: Any, kind: str, props: dict[str, Any], policy: str) -> None:
    assert list(reported(package, kind, props)) == [policy]


def test_what_is_as_it_should_be_or_no_resource_of_ours_is_not_reported(package: Any) -> None:
    assert reported(package, "kubernetes:helm.sh/v3:Release", RELEASE) == {}
    assert reported(package, "istio-stack:logs:Loki", {"any": "thing"}) == {}


@pytest.mark.parametrize("variant", ["local", "distributed", "keyless"])
def test_the_program_itself_passes(package: Any, variant: str, record: Callable[..., Run]) -> None:
    policies = engine.policies(package, LOCK, read())
    messages: list[str] = []
    for resource in record(EVERY[variant]).resources.values():
        for policy in policies:
            policy.validate(SimpleNamespace(resource_type=resource.type, name=resource.name, props=resource.inputs), messages.append)
    assert messages == []


def test_what_is_unknown_at_preview_does_not_stop_a_policy(package: Any) -> None:
    from pulumi_policy import proxy  # pyright: ignore[reportMissingImports]

    unknown = proxy.unknown_checking_proxy({**SERVICE, "spec": {"type": "LoadBalancer", "clusterIP": proxy.UNKNOWN_STRING_VALUE}})
    assert engine.plain(unknown)["spec"] == {"type": "LoadBalancer", "clusterIP": engine.UNKNOWN}
    assert list(reported(package, "kubernetes:core/v1:Service", unknown)) == ["no-load-balancer"]


@pytest.mark.timeout(120)
def test_the_packs_process_answers_the_engines_protocol(package: Any) -> None:
    assert package
    folder = ROOT / "policies" / "pack"
    command = [sys.executable, "-u", "-m", "pulumi.policy", "127.0.0.1:1", str(folder / "__main__.py")]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                stub = analyzer_pb2_grpc.AnalyzerStub(channel)
                assert {policy.name for policy in stub.GetAnalyzerInfo(empty_pb2.Empty()).policies} == set(RULES)
                properties = struct_pb2.Struct()
                properties.update(SERVICE)
                kind = "kubernetes:core/v1:Service"
                asked = analyzer_pb2.AnalyzeRequest(type=kind, properties=properties, urn=f"urn:pulumi:a::b::{kind}::door", name="door")
                (found,) = stub.Analyze(asked).diagnostics
            assert (found.policyName, found.enforcementLevel) == ("no-load-balancer", analyzer_pb2.MANDATORY)
            assert "Service shop/door, spec.type: is LoadBalancer" in found.message
        finally:
            process.terminate()
