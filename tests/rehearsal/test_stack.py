"""The whole stack on a real API server, by the commands a user gives: up, again, change, variants, destroy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.charts import ROOT
from rehearsal import probe
from rehearsal.control_plane import ControlPlane
from review import rehearsed
from supply.mirroring import fill
from tests.stacks import CLIENT_SECRET, REGISTRY, VARIANTS

pytestmark = [pytest.mark.xdist_group("stack"), pytest.mark.timeout(600)]

OURS = {
    *("prometheus", "cert-manager", "istio-system", "istio-ingress", "azurite", "tempo", "loki"),
    *("opentelemetry-operator", "observability", "alloy", "grafana", "sample"),
}
KEPT = ("cert-manager.io", "istio.io", "monitoring.coreos.com", "monitoring.grafana.com", "opentelemetry.io")
"""Groups whose definitions stay after destroy, as docs/operations.md says."""


class Home:
    """One rehearsal directory with its own control plane, and the commands given in it."""

    def __init__(self, directory: Path, plane: ControlPlane) -> None:
        self.directory = directory
        self.api = plane.api

    def run(self, command: str, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "rehearsal", command, "--directory", str(self.directory), "--offline", *arguments]
        environment = {**os.environ, **(environment or {})}
        return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False, env=environment)

    def done(self, command: str, *arguments: str, environment: dict[str, str] | None = None) -> str:
        """What a command printed; it must have ended well."""
        result = self.run(command, *arguments, environment=environment)
        assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
        return result.stdout + result.stderr

    def names(self, path: str) -> set[str]:
        return {item["metadata"]["name"] for item in self.api.request("GET", path)["items"]}

    def state(self) -> str:
        (file,) = self.directory.glob("state/**/stacks/**/local.json")
        return file.read_text()


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    # inside the project, as a user's own is: paths in state are relative to it
    directory = ROOT / f".rehearsal-test-{os.getpid()}"
    plane = ControlPlane.start(directory, 0.5, die_with_parent=True)
    try:
        yield Home(directory, plane)
    finally:
        plane.stop(remove=True)
        shutil.rmtree(directory)


NOWHERE = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9") | {
    "no_proxy": "127.0.0.1,localhost"
}
"""An environment in which no address beyond this machine answers."""


@pytest.fixture
def mirrored(home: Home, mirror: Path) -> dict[str, str]:
    """The configuration of an air-gapped site: a folder that `make mirror` filled, and a lock whose addresses are nobody's."""
    lock = yaml.safe_load((mirror / "charts.yaml").read_text())
    for entry in lock["charts"].values():
        entry.update(url="https://nowhere.invalid/x.tgz", repository="https://nowhere.invalid", standIn=False)
    (home.directory / "lock.yaml").write_text(yaml.safe_dump(lock))
    filled = fill(home.directory / "vendor", home.directory / "lock.yaml", source=str(mirror))
    return {"chartMirror": os.path.relpath(filled.lock.parent, ROOT), "chartLock": os.path.relpath(filled.lock, ROOT)}


def changes(config: dict[str, Any]) -> list[str]:
    return [part for key, value in config.items() for part in ("--set", f"{key}={json.dumps(value)}")]


def last_line(output: str, command: str) -> str:
    (line,) = [line for line in output.splitlines() if line.startswith(f"{command}: ")]
    return line


def test_one_command_brings_the_whole_stack_up(home: Home) -> None:
    output = home.done("up")
    assert " create" in last_line(output, "up")
    assert home.names("/api/v1/namespaces") >= OURS
    for kind in ("deployments", "statefulsets", "daemonsets"):
        for item in home.api.request("GET", f"/apis/apps/v1/{kind}")["items"]:
            status = item["status"]
            wanted = status["desiredNumberScheduled"] if kind == "daemonsets" else item["spec"]["replicas"]
            ready = status.get("numberReady" if kind == "daemonsets" else "readyReplicas", 0)
            assert ready == wanted > 0, item["metadata"]["name"]


def test_the_closing_table_says_what_stood_in_for_what(home: Home) -> None:
    output = home.done("up")
    for said in ("double", "bundle", "placeholder.invalid/rolldice", "otel-collector", "simulated", "values set"):
        assert said in output, said
    for layer in ("definitions", "certificates", "mesh", "metrics", "storage", "traces", "logs", "pipeline", "shipping", "views", "sample"):
        assert layer in output, layer
    for key in ("grafanaUrl", "otlpGrpcEndpoint", "otlpHttpEndpoint", "sampleUrl", "chartVersions"):
        assert key in output, key


def test_a_second_up_changes_nothing(home: Home) -> None:
    assert "no change" in last_line(home.done("up"), "up")


def test_a_preview_of_nothing_new_is_empty(home: Home) -> None:
    assert "no change" in last_line(home.done("preview"), "preview")


def test_a_refresh_finds_what_was_made(home: Home) -> None:
    home.done("refresh")
    assert "no change" in last_line(home.done("up"), "up")


def test_state_holds_neither_paths_of_this_machine_nor_secrets(home: Home) -> None:
    state = home.state()
    assert len(state) > 10_000
    assert str(ROOT) not in state
    assert "local-only" not in state  # the admin password
    assert "Eby8vdM02xNOcqFlqUwJ" not in state  # the account key


def test_one_changed_setting_updates_one_release(home: Home) -> None:
    change = changes({"loki": {"retentionDays": 5}})
    preview = home.done("preview", *change)
    assert "1 update" in last_line(preview, "preview")
    assert "1 update" in last_line(home.done("up", *change), "up")
    config = yaml.safe_load(home.api.request("GET", "/api/v1/namespaces/loki/configmaps/loki")["data"]["config.yaml"])
    assert config["limits_config"]["retention_period"] == "120h"


def test_a_mirror_is_source_enough(home: Home, mirrored: dict[str, str]) -> None:
    """Every chart of the ambient mode from a mirror, with the registry of images that its variant names, and no network."""
    change = changes({**VARIANTS["ambient"], **mirrored})
    output = home.done("up", *change, environment=NOWHERE)
    assert "the stack's chartMirror" in output and "bundle" not in output
    assert CLIENT_SECRET not in home.state() + output
    deployment = home.api.request("GET", "/apis/apps/v1/namespaces/istio-system/deployments/istiod-blue")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == f"{REGISTRY}/release/pilot:1.30.3-distroless"
    assert "no change" in last_line(home.done("up", *change, environment=NOWHERE), "up")


def uids(home: Home) -> dict[str, str]:
    """Every Deployment of the mesh's control planes, by what tells it from one made anew."""
    items = home.api.request("GET", "/apis/apps/v1/namespaces/istio-system/deployments")["items"]
    return {item["metadata"]["name"]: item["metadata"]["uid"] for item in items}


def followed(home: Home) -> str:
    """The control plane that the tag points to."""
    tag = home.api.request("GET", "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/istio-revision-tag-prod")
    (name,) = {hook["clientConfig"]["service"]["name"] for hook in tag["webhooks"]}
    return name


def test_a_mesh_is_upgraded_by_a_second_control_plane_that_takes_over(home: Home, tmp_path: Path) -> None:
    lock = yaml.safe_load((ROOT / "charts.yaml").read_text())
    lock["charts"]["istiod@1.31.0"] = {**lock["charts"]["istiod"], "version": "1.31.0", "appVersion": "1.31.0"}
    (home.directory / "two.yaml").write_text(yaml.safe_dump(lock))
    old, new = {"revision": "default"}, {"revision": "1-31-0", "chartVersion": "1.31.0"}
    steps = {"alone": {}, "beside": {"canary": new}, "promoted": {**new, "canary": old}, "moved": new}
    seen: dict[str, dict[str, str]] = {}
    tags: dict[str, str] = {}
    for step, chosen in steps.items():
        home.done("up", *changes({"istio": {**chosen, "tag": "prod"}, "chartLock": os.path.relpath(home.directory / "two.yaml", ROOT)}))
        seen[step], tags[step] = uids(home), followed(home)
    assert set(seen["alone"]) == {"istiod"}
    assert seen["beside"] == seen["promoted"] == {**seen["alone"], **seen["moved"]}
    assert set(seen["moved"]) == {"istiod-1-31-0"}
    assert list(tags.values()) == ["istiod", "istiod", "istiod-1-31-0", "istiod-1-31-0"]
    (container,) = home.api.request("GET", "/apis/apps/v1/namespaces/istio-system/deployments/istiod-1-31-0")["spec"]["template"]["spec"][
        "containers"
    ]
    assert container["image"].endswith(":1.31.0")


@pytest.mark.parametrize("variant", [v for v in VARIANTS if v not in ("local", "ambient")])
def test_each_variant_replaces_the_one_before_and_is_then_stable(home: Home, variant: str) -> None:
    change = changes(VARIANTS[variant])
    for namespace in VARIANTS[variant].get("opentelemetry", {}).get("trustingNamespaces", []):
        home.api.create("/api/v1/namespaces", {"metadata": {"name": namespace}})  # another team's, so nobody here makes it
    home.done("up", *change)
    assert "no change" in last_line(home.done("up", *change), "up")


def test_destroy_leaves_nothing_but_definitions(home: Home) -> None:
    home.done("destroy")
    assert not home.names("/api/v1/namespaces") & OURS
    for kind in ("validatingwebhookconfigurations", "mutatingwebhookconfigurations"):
        assert home.names(f"/apis/admissionregistration.k8s.io/v1/{kind}") == set()
    for kind in ("clusterroles", "clusterrolebindings"):
        left = {n for n in home.names(f"/apis/rbac.authorization.k8s.io/v1/{kind}") if not n.startswith("system:")}
        assert left <= {"admin", "cluster-admin", "edit", "view"}
    definitions = home.names("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
    assert definitions
    assert [d for d in definitions if not d.endswith(KEPT)] == []


def test_a_stack_goes_to_the_cluster_that_kubectl_uses(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make up CLUSTER=current`, with another run's API server as the user's cluster, and kept definitions already there."""
    monkeypatch.setenv("KUBECONFIG", str(home.directory / "kubeconfig"))
    other = Home.__new__(Home)
    other.directory, other.api = tmp_path / "elsewhere", home.api
    output = other.done("up", "--cluster", "current")
    assert home.names("/api/v1/namespaces") >= OURS
    assert "control plane" not in output.split("┏")[0]
    assert not (other.directory / "control-plane").exists()
    other.done("destroy", "--cluster", "current")
    assert not home.names("/api/v1/namespaces") & OURS


def test_the_last_landed_state_becomes_the_present_one_without_a_surprise(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program of that commit brings the stack up; what this one then makes anew or removes, `make diff` had announced."""
    monkeypatch.setenv(probe.OFFLINE, "1")
    result = rehearsed.rehearse(rehearsed.baseline(), "local", home.directory.relative_to(ROOT))
    assert result.outcome.succeeded, result.outcome.errors
    assert sum(result.outcome.changes.values()) > 50
    assert result.outcome.changes.get("same", 0) > 20
    assert [str(happening) for happening in result.surprises] == []
    assert "no change" in last_line(home.done("up"), "up")
    home.done("destroy")
