"""What the double says before it touches the cluster: configuration and checked inputs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rehearsal import tools
from tests.rehearsal import double_client, tape, tape_charts
from tests.rehearsal.double_client import RELEASE, UNKNOWN, Client, secret, urn

_CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
_NOBODY = "https://127.0.0.1:9"


def _kubeconfig(server: str = _NOBODY, namespace: str = "", user: dict[str, Any] | None = None) -> str:
    context = {"cluster": "c", "user": "u", **({"namespace": namespace} if namespace else {})}
    return json.dumps(
        {
            "current-context": "x",
            "clusters": [{"name": "c", "cluster": {"server": server}}, {"name": "other", "cluster": {"server": f"{server}1"}}],
            "contexts": [{"name": "x", "context": context}, {"name": "y", "context": {"cluster": "other", "user": "u"}}],
            "users": [{"name": "u", "user": user or {"token": "t"}}],
        }
    )


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("REHEARSAL_HELM", str(tools.ensure("helm")["helm"]))
    with double_client.client(_kubeconfig(namespace="from-context")) as found:
        yield found


def _object(kind: str, api_version: str = "v1", **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def test_an_object_without_a_name_gets_one_and_keeps_it(offline: Client) -> None:
    first = offline.check(_CONFIG_MAP, _object("ConfigMap"), randomSeed="c2VlZA==").inputs
    assert first["metadata"]["name"].startswith("thing-") and len(first["metadata"]["name"]) == len("thing-12345678")
    assert first["metadata"]["annotations"] == {"pulumi.com/autonamed": "true"}
    assert offline.check(_CONFIG_MAP, _object("ConfigMap"), randomSeed="c2VlZA==").inputs == first
    assert offline.check(_CONFIG_MAP, _object("ConfigMap"), olds=first).inputs == first


def test_the_engine_can_propose_the_name_or_forbid_to_make_one_up(offline: Client) -> None:
    proposed = offline.check(_CONFIG_MAP, _object("ConfigMap"), autonaming={"mode": "PROPOSE", "proposedName": "mine"})
    assert proposed.inputs["metadata"]["name"] == "mine"
    forbidden = offline.check(_CONFIG_MAP, _object("ConfigMap"), autonaming={"mode": "DISABLE"})
    assert "autonaming is disabled, resource requires the .metadata.name field to be set" in forbidden.error


def test_an_unknown_name_is_a_name(offline: Client) -> None:
    assert offline.check(_CONFIG_MAP, _object("ConfigMap", name=UNKNOWN)).inputs["metadata"]["name"] == UNKNOWN


def test_a_generated_name_is_refused_as_server_side_apply_knows_none(offline: Client) -> None:
    assert "generateName` field is not supported" in offline.check(_CONFIG_MAP, _object("ConfigMap", generateName="a-")).error


def test_the_contexts_namespace_is_for_what_lives_in_namespaces(offline: Client) -> None:
    assert offline.check(_CONFIG_MAP, _object("ConfigMap", name="a")).inputs["metadata"]["namespace"] == "from-context"
    assert offline.check("kubernetes:core/v1:Namespace", _object("Namespace", name="a")).inputs["metadata"] == {"name": "a"}
    # of a kind that nobody knows yet that is assumed
    thing = offline.check("kubernetes:example.com/v1:Thing", _object("Thing", "example.com/v1", name="a"))
    assert thing.inputs["metadata"]["namespace"] == "from-context"


def test_a_custom_resources_scope_comes_from_a_chart_that_is_not_installed_yet(offline: Client, tmp_path: Path) -> None:
    definition = """
{{- if .Values.crds }}
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: issuers.example.com}
spec: {group: example.com, scope: Cluster, names: {kind: Issuer, plural: issuers}, versions: []}
{{- end }}
"""
    archive = tape_charts.pack(tmp_path, "issuer", "1.0.0", {"values.yaml": "crds: false", "templates/crd.yaml": definition})
    offline.check(RELEASE, {"chart": str(archive), "name": "issuer", "namespace": "a", "values": {"crds": True}})
    issuer = offline.check("kubernetes:example.com/v1:Issuer", _object("Issuer", "example.com/v1", name="a"))
    assert issuer.inputs["metadata"] == {"name": "a"}


def test_secrets_stay_secret_through_check(offline: Client) -> None:
    inputs = offline.check(_CONFIG_MAP, {**_object("ConfigMap", name="a"), "data": {"k": secret("s"), "l": "p"}}).inputs
    assert inputs["data"] == {"k": secret("s"), "l": "p"}
    held = offline.check("kubernetes:core/v1:Secret", {**_object("Secret", name="a"), "stringData": {"k": "v"}}).inputs
    assert held["data"] == secret({"k": "dg=="}) and "stringData" not in held


def test_a_release_gets_every_default_and_loses_what_it_does_not_know(offline: Client, tmp_path: Path) -> None:
    archive = tape_charts.pack(tmp_path, "small", "1.2.3", {})
    inputs = offline.check(RELEASE, {"chart": str(archive), "compat": "true"}).inputs
    assert inputs["version"] == "1.2.3" and inputs["timeout"] == 300 and inputs["namespace"] == "from-context"
    assert inputs["name"].startswith("thing-") and inputs["values"] == {} and inputs["atomic"] is False
    assert not {"compat", "maxHistory", "repositoryOpts", "status"} & inputs.keys()
    assert offline.check(RELEASE, {"chart": str(archive)}, olds=inputs).inputs["name"] == inputs["name"]


def test_a_chart_is_not_loaded_while_a_value_is_unknown(offline: Client) -> None:
    inputs = offline.check(RELEASE, {"chart": "nowhere.tgz", "name": "a", "values": {"b": UNKNOWN, "c": secret("s")}}).inputs
    assert inputs["version"] == "" and inputs["values"] == {"b": UNKNOWN, "c": secret("s")}


def _spoilt(folder: Path) -> Path:
    archive = tape_charts.pack(folder, "spoilt", "1.0.0", {"values.yaml": "a: 1"})
    archive.write_bytes(archive.read_bytes()[:60])
    return archive


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda folder: folder / "missing.tgz", "path"),
        (lambda folder: tape_charts.pack(folder, "a", "1.0.0", {}, more="dependencies: [{name: sub, version: 1.0.0}]\n"),
         "found in Chart.yaml, but missing in charts/ directory: sub"),
        (_spoilt, "does not appear to be a gzipped archive"),
    ],
)  # fmt: skip
def test_a_chart_that_cannot_be_loaded_fails_the_check_by_name(offline: Client, tmp_path: Path, make: Any, reason: str) -> None:
    answer = offline.check(RELEASE, {"chart": str(make(tmp_path)), "name": "a"})
    (failure,) = answer.body["failures"]
    assert failure["property"] == "chart" and reason in failure["reason"]
    assert failure["reason"].endswith("; check the chart name and repository configuration.")


def test_a_release_argument_of_the_wrong_type_is_refused_with_its_name(offline: Client) -> None:
    answer = offline.check(RELEASE, {"chart": "a", "timeout": "60"})
    assert "'timeout' expected type 'int', got unconvertible type 'string', value: '60'" in answer.error


def test_a_password_for_a_repository_is_refused_rather_than_put_on_a_command_line(offline: Client) -> None:
    answer = offline.check(RELEASE, {"chart": "a", "repositoryOpts": {"repo": "https://x", "username": "u", "password": secret("p")}})
    assert "puts no password on a command line" in answer.body["failures"][0]["reason"]


def _configured(olds: dict[str, str], news: dict[str, str]) -> dict[str, Any]:
    with tape.running_double() as stub:
        body, error, _ = tape.answer(stub, "DiffConfig", {"urn": urn("pulumi:providers:kubernetes"), "olds": olds, "news": news})
        assert not error, error
        return body or {}


def test_another_cluster_replaces_everything_made_with_the_provider() -> None:
    one, other = _kubeconfig(), _kubeconfig("https://127.0.0.1:10")
    assert _configured({"kubeconfig": one}, {"kubeconfig": other})["replaces"] == ["kubeconfig"]
    assert _configured({"kubeconfig": one, "context": "x"}, {"kubeconfig": one, "context": "y"})["replaces"] == ["context"]
    # a new token is the same cluster
    assert "replaces" not in _configured({"kubeconfig": one}, {"kubeconfig": _kubeconfig(user={"token": "new"})})


def test_the_cluster_identifier_decides_where_there_is_one() -> None:
    one, other = _kubeconfig(), _kubeconfig("https://127.0.0.1:10")
    same = _configured({"kubeconfig": one, "clusterIdentifier": "a"}, {"kubeconfig": other, "clusterIdentifier": "a"})
    assert same == {"changes": "DIFF_SOME", "diffs": ["kubeconfig"]}
    changed = _configured({"kubeconfig": one, "clusterIdentifier": "a"}, {"kubeconfig": one, "clusterIdentifier": "b"})
    assert changed["replaces"] == ["clusterIdentifier"]
    assert "replaces" not in _configured({"kubeconfig": one}, {"kubeconfig": one, "clusterIdentifier": "a"})


def test_an_unknown_kubeconfig_may_be_another_cluster() -> None:
    assert _configured({"kubeconfig": _kubeconfig()}, {"kubeconfig": UNKNOWN})["replaces"] == ["kubeconfig"]


def test_strict_mode_wants_kubeconfig_and_context() -> None:
    with tape.running_double() as stub:
        request = {"urn": urn("pulumi:providers:kubernetes", "cluster"), "news": {"strictMode": "true", "kubeconfig": "a"}}
        body, _, _ = tape.answer(stub, "CheckConfig", request)
        assert body and [failure["property"] for failure in body["failures"]] == ["context"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"kubeconfig": "no: kubeconfig"}, "no configuration has been provided"),
        ({"kubeconfig": "/no/such/file"}, "neither a file that exists nor a kubeconfig's text"),
        ({"kubeconfig": _kubeconfig(), "context": "z"}, 'context "z" does not exist'),
        ({"kubeconfig": _kubeconfig(user={"exec": {"command": "kubelogin"}})}, 'user "u" signs in by exec'),
        ({"kubeconfig": _kubeconfig()}, "connect: connection refused"),
    ],
)
def test_without_a_cluster_each_create_says_why(arguments: dict[str, str], said: str) -> None:
    with double_client.client(**arguments) as offline:
        answer = offline.create(_CONFIG_MAP, _object("ConfigMap", name="a", namespace="b"))
        assert answer.error.startswith("rpc error: code = Unknown desc = configured Kubernetes cluster is unreachable: ")
        assert said in answer.error
        # a preview goes on with what it has
        assert offline.create(_CONFIG_MAP, _object("ConfigMap", name="a"), preview=True).state == _object("ConfigMap", name="a")


def test_an_unreachable_cluster_can_be_given_up_by_name() -> None:
    state = {**_object("ConfigMap", name="a", namespace="b"), "__inputs": {}}
    with double_client.client(_kubeconfig(), deleteUnreachable="true") as gone:
        assert not gone.delete(_CONFIG_MAP, "b/a", state).error
        assert gone.read(_CONFIG_MAP, "b/a", state).body == {}
    with double_client.client(_kubeconfig(), skipUpdateUnreachable="true") as kept:
        assert kept.read(_CONFIG_MAP, "b/a", state).state == state
    with double_client.client(_kubeconfig()) as strict:
        assert "failed to read resource state due to unreachable cluster" in strict.read(_CONFIG_MAP, "b/a", state).error
        release = {"name": "a", "namespace": "b"}
        assert "can't delete Helm Release with unreachable cluster" in strict.delete(RELEASE, "b/a", release).error
        assert "can't create Helm Release with unreachable cluster" in strict.create(RELEASE, {**release, "chart": "c"}).error


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ({"renderYamlToDirectory": "out"}, "renders no YAML"),
        ({"enableServerSideApply": "false"}, "applies server-side alone"),
        ({"cluster": "other"}, "takes the cluster of the context"),
    ],
)
def test_what_the_double_cannot_do_is_refused_at_once(argument: dict[str, str], said: str) -> None:
    with tape.running_double() as stub:
        variables = {f"kubernetes:config:{key}": value for key, value in argument.items()}
        _, error, _ = tape.answer(stub, "Configure", {"variables": variables})
        assert said in error


def test_components_and_functions_are_refused_with_their_name() -> None:
    with tape.running_double() as stub:
        for method, request in (("Construct", {"type": "kubernetes:yaml/v2:ConfigFile"}), ("Invoke", {"tok": "kubernetes:yaml:decode"})):
            _, error, _ = tape.answer(stub, method, request)
            assert "code = Unimplemented" in error and "kubernetes:yaml" in error
