"""Releases through the double and the real Helm, on a real API server."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rehearsal import tools
from rehearsal.control_plane import ControlPlane
from rehearsal.doubles.kubernetes import manifests, release_flags
from tests import reference
from tests.rehearsal import double_client, tape_charts
from tests.rehearsal.double_client import RELEASE, Client, secret

_NUMBERS = itertools.count()
_TEMPLATES = """
{{- if .Values.broken }}{{ fail "broken on purpose" }}{{ end }}
apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}"}
data: {greeting: {{ .Values.greeting | quote }}}
{{- if .Values.stuck }}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ .Release.Name }}"}
spec:
  selector: {matchLabels: {app: "{{ .Release.Name }}"}}
  template:
    metadata: {labels: {app: "{{ .Release.Name }}"}}
    spec: {nodeSelector: {no: where}, containers: [{name: c, image: "c:1"}]}
{{- end }}
"""


@pytest.fixture
def double(control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("REHEARSAL_HELM", str(tools.ensure("helm")["helm"]))
    # by its text: the file for Helm is the double's own then
    with double_client.client(control_plane.kubeconfig.read_text()) as found:
        yield found


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    name = f"releases-{os.getpid()}-{next(_NUMBERS)}"
    control_plane.api.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    control_plane.api.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def chart(tmp_path: Path) -> str:
    values = "{greeting: hello, stuck: false, broken: false}"
    return str(tape_charts.pack(tmp_path, "small", "1.2.3", {"values.yaml": values, "templates/all.yaml": _TEMPLATES}))


def _release(double: Client, chart: str, namespace: str, **more: Any) -> dict[str, Any]:
    return double.check(RELEASE, {"chart": chart, "name": "rel", "namespace": namespace, "timeout": 3, **more}).inputs


def test_a_release_is_installed_upgraded_and_uninstalled(double: Client, control_plane: ControlPlane, chart: str, namespace: str) -> None:
    config_map = f"/api/v1/namespaces/{namespace}/configmaps/rel"
    inputs = _release(double, chart, namespace, values={"greeting": "one"})
    created = double.create(RELEASE, inputs)
    assert created.body["id"] == f"{namespace}/rel"
    assert created.state["status"] == {
        "appVersion": "1.2.3", "chart": "small", "name": "rel", "namespace": namespace, "revision": 1, "status": "deployed",
        "version": "1.2.3",
    }  # fmt: skip
    # as the manifest names it: this template leaves the namespace to Helm
    assert created.state["resourceNames"] == {"ConfigMap/v1": ["rel"]}
    news = _release(double, chart, namespace, values={"greeting": "two"})
    assert double.diff(RELEASE, created.state, news)["detailedDiff"] == {"values.greeting": {"kind": "UPDATE"}}
    updated = double.update(RELEASE, created.state, news).state
    assert updated["status"]["revision"] == 2
    assert control_plane.api.request("GET", config_map)["data"] == {"greeting": "two"}
    assert not double.delete(RELEASE, f"{namespace}/rel", updated).error
    assert not control_plane.api.exists(config_map)
    assert double.read(RELEASE, f"{namespace}/rel", updated).body == {}
    assert not double.delete(RELEASE, f"{namespace}/rel", updated).error
    assert any("was gone already; the real plugin would fail here" in message for message in double.listener.messages)


def test_all_inputs_of_a_release_are_secret_in_its_state_and_its_secret_values_too(double: Client, chart: str, namespace: str) -> None:
    inputs = _release(double, chart, namespace, values={"greeting": secret("s3cret"), "other": "plain"})
    assert inputs["values"] == {"greeting": secret("s3cret"), "other": "plain"}
    state = double.create(RELEASE, inputs).state
    assert state["values"] == {"greeting": secret("s3cret"), "other": "plain"}
    assert state["__inputs"] == secret(inputs)


def test_values_reach_helm_by_its_standard_input_alone(
    double: Client, control_plane: ControlPlane, chart: str, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helm = tmp_path / "helm"
    helm.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/words\ntr "\\0" "\\n" < /proc/self/environ > {tmp_path}/env\ncat > {tmp_path}/input\n'
    )
    helm.chmod(0o755)
    inputs = _release(double, chart, namespace, values={"password": secret("s3cret")})
    monkeypatch.setenv("REHEARSAL_HELM", str(helm))
    assert not double.create(RELEASE, inputs).error
    assert json.loads((tmp_path / "input").read_text()) == {"password": "s3cret"}
    words = (tmp_path / "words").read_text().splitlines()
    assert words[:2] == ["install", "rel"] and "s3cret" not in (tmp_path / "words").read_text() + (tmp_path / "env").read_text()
    # nor may others read the kubeconfig's copy, which holds the token
    kubeconfig = Path(words[words.index("--kubeconfig") + 1])
    assert kubeconfig.stat().st_mode & 0o077 == 0


def test_a_release_that_does_not_get_ready_is_kept_and_cannot_be_installed_again(double: Client, chart: str, namespace: str) -> None:
    inputs = _release(double, chart, namespace, timeout=1, values={"stuck": True})
    answer = double.create(RELEASE, inputs)
    said = f'Helm release "{namespace}/rel" was created, but failed to initialize completely. Use Helm CLI to investigate: '
    assert answer.error.startswith(f"rpc error: code = Unknown desc = {said}") and answer.error.endswith("context deadline exceeded")
    assert answer.kept.id == f"{namespace}/rel" and answer.kept.properties["status"]["status"] == "failed"
    again = double.create(RELEASE, inputs)
    assert again.error.endswith("cannot re-use a name that is still in use") and again.kept is None


def test_a_release_that_a_killed_run_left_behind_is_refused(
    double: Client, control_plane: ControlPlane, chart: str, namespace: str
) -> None:
    helm = [tools.ensure("helm")["helm"], "--kubeconfig", control_plane.kubeconfig, "--namespace", namespace]
    with subprocess.Popen([*helm, "install", "rel", chart, "--set", "stuck=true", "--wait"], stdout=subprocess.DEVNULL) as killed:
        path = f"/api/v1/namespaces/{namespace}/secrets/sh.helm.release.v1.rel.v1"
        deadline = time.monotonic() + 20
        while not control_plane.api.exists(path) and time.monotonic() < deadline:
            time.sleep(0.1)
        killed.kill()
    inputs = _release(double, chart, namespace)
    assert double.create(RELEASE, inputs).error.endswith("cannot re-use a name that is still in use")
    state = double.read(RELEASE, f"{namespace}/rel").state
    assert state["status"]["status"] == "pending-install"
    busy = double.update(RELEASE, state, inputs)
    assert busy.error.endswith("another operation (install/upgrade/rollback) is in progress") and busy.kept is None


def test_an_upgrade_that_fails_is_rolled_back_and_says_both(double: Client, chart: str, namespace: str) -> None:
    state = double.create(RELEASE, _release(double, chart, namespace)).state
    failed = double.update(RELEASE, state, _release(double, chart, namespace, timeout=1, atomic=True, values={"stuck": True}))
    assert f'Helm release "{namespace}/rel" failed to initialize completely.' in failed.error
    assert "has been rolled back due to atomic being set" in failed.error
    assert failed.kept.properties["status"]["status"] == "deployed" and failed.kept.properties["status"]["revision"] == 3


def test_a_chart_that_refuses_its_values_leaves_nothing(double: Client, chart: str, namespace: str) -> None:
    broken = _release(double, chart, namespace, values={"broken": True})
    refused = double.create(RELEASE, broken)
    assert "broken on purpose" in refused.error and refused.kept is None
    state = double.create(RELEASE, _release(double, chart, namespace)).state
    refused = double.update(RELEASE, state, broken)
    assert "broken on purpose" in refused.error and refused.kept is None


def test_a_cancelled_install_cleans_up_where_it_was_told_to(double: Client, chart: str, namespace: str) -> None:
    threading.Timer(1.5, double.call, ("Cancel", {})).start()
    began = time.monotonic()
    answer = double.create(RELEASE, _release(double, chart, namespace, timeout=60, atomic=True, values={"stuck": True}))
    assert "has been uninstalled due to atomic being set: context canceled" in answer.error
    assert time.monotonic() - began < 20
    assert double.read(RELEASE, f"{namespace}/rel").body == {}


def test_a_change_that_somebody_else_made_shows_after_a_refresh(
    double: Client, control_plane: ControlPlane, chart: str, namespace: str
) -> None:
    inputs = _release(double, chart, namespace, values={"greeting": "ours"})
    state = double.create(RELEASE, inputs).state
    helm = [tools.ensure("helm")["helm"], "--kubeconfig", control_plane.kubeconfig, "--namespace", namespace]
    subprocess.run([*helm, "upgrade", "rel", chart, "--set", "greeting=theirs"], check=True, stdout=subprocess.DEVNULL)
    read = double.read(RELEASE, f"{namespace}/rel", state, inputs)
    assert read.inputs == inputs and read.state["status"]["revision"] == 2
    assert double.diff(RELEASE, read.state, inputs)["detailedDiff"] == {"values.greeting": {"kind": "UPDATE"}}


def test_a_preview_of_a_release_needs_no_cluster_and_leaves_what_helm_would_say_open(double: Client, chart: str, namespace: str) -> None:
    inputs = _release(double, chart, namespace, version="1.2.3", values={"greeting": double_client.UNKNOWN})
    state = double.create(RELEASE, inputs, preview=True).state
    assert state["resourceNames"] == state["status"] == state["values"]["greeting"] == double_client.UNKNOWN
    known = double.create(RELEASE, _release(double, chart, namespace)).state
    assert double.diff(RELEASE, known, inputs)["detailedDiff"] == {"values.greeting": {}}  # ADD, the protocol's zero


_PLAIN = {name: field.default for name, field in release_flags.FIELDS.items()} | {"name": "r", "namespace": "n", "chart": "c"}


@pytest.mark.parametrize(
    ("argument", "value", "words"),
    [
        ("atomic", True, "--atomic"), ("createNamespace", True, "--create-namespace"), ("skipCrds", True, "--skip-crds"),
        ("disableWebhooks", True, "--no-hooks"), ("replace", True, "--replace"), ("devel", True, "--devel"), ("verify", True, "--verify"),
        ("waitForJobs", True, "--wait-for-jobs"), ("dependencyUpdate", True, "--dependency-update"),
        ("disableOpenapiValidation", True, "--disable-openapi-validation"), ("renderSubchartNotes", True, "--render-subchart-notes"),
        ("description", "text", "--description text"), ("postrender", "prog", "--post-renderer prog"),
        ("keyring", "ring", "--keyring ring"),
        ("version", "1.0.0", "--version 1.0.0"), ("timeout", 60, "--timeout 60s"),
        ("repositoryOpts", {"repo": "https://charts.example.com", "caFile": "ca"}, "--repo https://charts.example.com --ca-file ca"),
    ],
)  # fmt: skip
def test_an_argument_of_a_release_is_a_word_for_helm_install(argument: str, value: Any, words: str) -> None:
    with_it = " ".join(release_flags.install_words({**_PLAIN, argument: value}))
    assert words in with_it and words not in " ".join(release_flags.install_words(_PLAIN))


@pytest.mark.parametrize(
    ("argument", "value", "words"),
    [
        ("cleanupOnFail", True, "--cleanup-on-fail"), ("forceUpdate", True, "--force"), ("maxHistory", 5, "--history-max 5"),
        ("recreatePods", True, "--recreate-pods"), ("resetValues", True, "--reset-values"), ("reuseValues", True, "--reuse-values"),
        ("disableCRDHooks", True, "--no-hooks"), ("atomic", True, "--atomic"),
    ],
)  # fmt: skip
def test_an_argument_of_a_release_is_a_word_for_helm_upgrade(argument: str, value: Any, words: str) -> None:
    with_it = " ".join(release_flags.upgrade_words({**_PLAIN, argument: value}, "n"))
    assert words in with_it and words not in " ".join(release_flags.upgrade_words(_PLAIN, "n"))


def _names_by_yaml(manifest: str) -> dict[str, list[str]]:
    names: dict[str, set[str]] = {}
    for item in manifests.objects(manifest):
        group, metadata = item["apiVersion"].rpartition("/")[0], item["metadata"]
        full = f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else metadata["name"]
        names.setdefault(f"{item['kind']}{'.' + group if group else ''}/{item['apiVersion']}", set()).add(full)
    return {key: sorted(values) for key, values in sorted(names.items())}


@pytest.mark.parametrize("chart", ["base", "cert-manager", "istiod", "kube-prometheus-stack", "loki", "tempo"])
def test_the_objects_of_a_manifest_are_found_without_reading_it_as_yaml(chart: str, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = reference.path("charts", chart, "rendered.yaml").read_text()
    expected = _names_by_yaml(manifest)
    monkeypatch.setattr(manifests, "objects", lambda document: pytest.fail(f"read as YAML: {document[:200]}") if document.strip() else [])
    assert expected and manifests.resource_names(manifest) == expected


@pytest.mark.parametrize(
    "manifest",
    [
        "{apiVersion: v1, kind: Secret, metadata: {name: a, namespace: b}}",
        'apiVersion: v1\nkind: Secret\nmetadata: {"name":"a","namespace":"b"}\n',
        "---\n# x\napiVersion: v1\nkind: 'Secret'\nmetadata:\n  labels:\n    name: c\n  name: \"a\"\n  namespace: b\n---\n\n---\n# no\n",
        "apiVersion: v1\nkind: Secret\nmetadata:\n    namespace: b\n    name: a # as before\ndata:\n  name: c\n",
    ],
)
def test_objects_are_found_however_they_are_written(manifest: str) -> None:
    assert manifests.resource_names(manifest) == {"Secret/v1": ["b/a"]}


def test_helm_waits_unless_it_is_told_not_to() -> None:
    for words in (release_flags.install_words, lambda release: release_flags.upgrade_words(release, "n"), release_flags.uninstall_words):
        assert "--wait" in words(_PLAIN) and "--wait" not in words({**_PLAIN, "skipAwait": True, "waitForJobs": True})
    assert "--wait" in release_flags.uninstall_words({**_PLAIN, "skipAwait": True, "atomic": True})


def test_the_charts_repository_can_be_a_name_or_a_registry() -> None:
    named = {**_PLAIN, "repositoryOpts": {"repo": "known"}}
    assert release_flags.chart_words(named) == ["known/c"]
    assert release_flags.chart_words({**_PLAIN, "chart": "oci://r/c", "repositoryOpts": {"repo": "https://x"}}) == ["oci://r/c"]
