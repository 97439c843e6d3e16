"""Whole stacks exported, from bundles: each object once, in an order that holds, as files that the tools understand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from gitops import content, files, order
from gitops.__main__ import main
from gitops.content import Content
from gitops.order import Step
from gitops.tools import TOOLS, WAVE, Repository
from rehearsal import probe
from review.render import Rendering
from tests.supply.kinds import rendered

KINDS = ("prod", "local", "ambient")
PLACE = Repository("https://git.example.com/platform", "main", "clusters/one")
# The fields that an export uses, as the definitions of Argo CD (v1alpha1) and Flux (v1) have them; both refuse others.
NAME = {"type": "object", "required": ["name", "namespace"]}
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
APPLICATION = {
    "required": ["destination", "project", "source"],
    "additionalProperties": False,
    "properties": {
        "project": {"type": "string"},
        "source": {"required": ["repoURL", "path", "targetRevision"], "additionalProperties": {"type": "string"}},
        "destination": TEXTS,
        "syncPolicy": {
            "additionalProperties": False,
            "properties": {
                "automated": {"additionalProperties": {"type": "boolean"}},
                "syncOptions": {"items": {"type": "string"}},
                "retry": {"properties": {"limit": {"type": "integer"}, "backoff": {"properties": {"factor": {"type": "integer"}}}}},
            },
        },
    },
}
KUSTOMIZATION = {
    "required": ["interval", "prune", "sourceRef"],
    "additionalProperties": False,
    "properties": {
        "dependsOn": {"items": {"required": ["name"], "additionalProperties": {"type": "string"}}},
        **{key: {"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"} for key in ("interval", "retryInterval", "timeout")},
        "prune": {"type": "boolean"},
        "wait": {"type": "boolean"},
        "path": {"type": "string", "pattern": r"^\./"},
        "sourceRef": {"required": ["kind", "name"], "properties": {"kind": {"enum": ["GitRepository"]}}},
    },
}
SCHEMAS = {
    "argocd": ("argoproj.io/v1alpha1", "Application", APPLICATION),
    "flux": ("kustomize.toolkit.fluxcd.io/v1", "Kustomization", KUSTOMIZATION),
}


class Export:
    """One stack, sorted and in order."""

    def __init__(self, rendering: Rendering) -> None:
        self.rendering = rendering
        self.content: Content = content.of(rendering, {})
        self.steps: list[Step] = order.steps(self.content.objects, rendering.waits)

    def files(self, tool: str) -> dict[str, str]:
        return files.contents(self.rendering, self.content, self.steps, TOOLS[tool], PLACE)

    def before(self) -> dict[str, set[str]]:
        """All steps that come before each, by name."""
        found: dict[str, set[str]] = {}
        for step in self.steps:
            found[step.name] = set(step.after).union(*(found[name] for name in step.after))
        return found


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Export]:
    found = rendered(tmp_path_factory.mktemp("exported"), {}, KINDS)
    return {kind: Export(rendering) for kind, rendering in found.items()}


def built(files: dict[str, str], folder: str) -> list[dict[str, Any]]:
    """What `kustomize build` makes of a folder whose kustomization names resources and nothing else."""
    listed = yaml.safe_load(files[f"{folder}/kustomization.yaml"])
    assert set(listed) == {"apiVersion", "kind", "resources"}
    found = []
    for name in listed["resources"]:
        found += [yaml.load(files[f"{folder}/{name}"], yaml.CBaseLoader)] if name.endswith(".yaml") else built(files, f"{folder}/{name}")
    return found


def key(body: dict[str, Any]) -> tuple[str, ...]:
    metadata = body["metadata"]
    return body["apiVersion"].rpartition("/")[0], body["kind"], metadata.get("namespace", ""), metadata["name"]


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_object_of_the_rendering_is_there_once_and_no_secret_of_ours(kind: str, tool: str, exports: dict[str, Export]) -> None:
    export = exports[kind]
    made = export.files(tool)
    found = [key(body) for layer in {step.layer for step in export.steps} for body in built(made, layer)]
    wanted = [
        tuple(item.key)
        for item in export.rendering.objects
        if item.key.kind != "Release"
        and not item.key.group.startswith("azure-native")
        and not (item.key.kind == "Secret" and not item.release)
    ]
    assert len(found) > 100
    assert sorted(found) == sorted(wanted)
    assert len(found) == len(set(found))
    for path, text in made.items():
        assert "(secret)" not in text and "sentinel" not in text and "placeholder-for" not in text, path
        assert "pulumi.com/" not in text, path


@pytest.mark.parametrize("kind", KINDS)
def test_no_object_comes_before_its_namespace_or_its_definition(kind: str, exports: dict[str, Export]) -> None:
    export, held = exports[kind], 0
    before = export.before()
    namespaces = {item.key.name: step.name for step in export.steps for item in step.objects if item.key.kind == "Namespace"}
    definitions = {
        (item.body["spec"]["group"], item.body["spec"]["names"]["kind"]): step.name
        for step in export.steps
        for item in step.objects
        if item.key.kind == "CustomResourceDefinition"
    }
    assert len(namespaces) > 8 and len(definitions) > 20
    for step in export.steps:
        for item in step.objects:
            for first in (namespaces.get(item.key.namespace), definitions.get((item.key.group, item.key.kind))):
                held += first is not None
                assert first is None or first in before[step.name], f"{item.key} in {step.name}, which does not wait for {first}"
    assert held > 100


@pytest.mark.parametrize("kind", KINDS)
def test_certificates_wait_for_the_gate_and_members_of_the_mesh_for_the_injector(kind: str, exports: dict[str, Export]) -> None:
    before = exports[kind].before()
    where = {item.key: step.name for step in exports[kind].steps for item in step.objects}

    def one(kind: str, name: str) -> str:
        (found,) = [step for key, step in where.items() if (key.kind, key.name) == (kind, name)]
        return found

    gate, istiod = one("Job", "cert-manager-gate"), one("Deployment", "istiod-blue" if kind == "ambient" else "istiod")
    assert one("Deployment", "cert-manager-webhook") in before[gate]
    assert gate in before[one("ClusterIssuer", "istio-stack")]
    assert gate in before[one("Certificate", "opentelemetry-operator-serving-cert")]
    assert one("Deployment", "opentelemetry-operator") in before[one("OpenTelemetryCollector", "otel")]
    assert istiod in before[one("Deployment", "istio-ingressgateway")]
    assert istiod in before[one("Telemetry", "mesh-observability")]
    if kind == "ambient":
        assert {istiod, one("DaemonSet", "ztunnel"), one("Instrumentation", "default")} <= before[one("Deployment", "rolldice")]


@pytest.mark.parametrize("tool", TOOLS)
def test_what_the_tool_reads_has_the_shape_that_it_wants(tool: str, exports: dict[str, Export]) -> None:
    version, kind, spec = SCHEMAS[tool]
    made = exports["prod"].files(tool)
    units = [
        yaml.safe_load(text)
        for path, text in made.items()
        if path.startswith(f"{TOOLS[tool].folder}/") and "kustomization.yaml" not in path
    ]
    for unit in [*units, yaml.safe_load(made["root.yaml"])]:
        assert (unit["apiVersion"], unit["kind"]) == (version, kind)
        jsonschema.validate(unit["metadata"], NAME)
        jsonschema.validate(unit["spec"], spec)
    assert len(units) == (len({step.layer for step in exports["prod"].steps}) if tool == "argocd" else len(exports["prod"].steps))


def test_flux_waits_step_by_step_and_every_name_is_there(exports: dict[str, Export]) -> None:
    made = exports["prod"].files("flux")
    units = {unit["metadata"]["name"]: unit["spec"] for unit in built(made, "kustomizations")}
    for name, spec in units.items():
        assert spec["wait"] == "true"
        assert {other["name"] for other in spec.get("dependsOn", ())} <= units.keys(), name
        assert f"{spec['path'].removeprefix('./clusters/one/')}/kustomization.yaml" in made
    assert {"prod-certificates-4", "prod-definitions-1"} <= {other["name"] for other in units["prod-pipeline-0"]["dependsOn"]}


def test_argo_cd_orders_layers_by_waves_and_objects_by_the_waves_of_their_steps(exports: dict[str, Export]) -> None:
    export = exports["prod"]
    made = export.files("argocd")
    waves = {unit["metadata"]["name"]: int(unit["metadata"]["annotations"][WAVE]) for unit in built(made, "applications")}
    assert waves["prod-certificates"] < waves["prod-pipeline"]
    assert waves["prod-views"] < waves["prod-dashboards"]
    for step in export.steps:
        for body in built(made, f"{step.layer}/{step.number}"):
            assert body["metadata"]["annotations"][WAVE] == str(step.number)


@pytest.mark.parametrize(
    ("tool", "definition", "job"),
    [
        (
            "argocd",
            {"argocd.argoproj.io/sync-options": "Prune=false,Delete=false"},
            {"argocd.argoproj.io/sync-options": "Force=true,Replace=true"},
        ),
        ("flux", {"kustomize.toolkit.fluxcd.io/prune": "disabled"}, {"kustomize.toolkit.fluxcd.io/force": "enabled"}),
    ],
)
def test_definitions_of_others_are_kept_and_jobs_may_be_made_anew(
    tool: str, definition: dict[str, str], job: dict[str, str], exports: dict[str, Export]
) -> None:
    objects = [body for step in exports["prod"].steps for body in built(exports["prod"].files(tool), f"{step.layer}/{step.number}")]
    kept = [body for body in objects if (body["metadata"].get("annotations") or {}).get("helm.sh/resource-policy") == "keep"]
    jobs = [body for body in objects if body["kind"] == "Job"]
    assert len(kept) > 10 and len(jobs) > 2
    for bodies, wanted in ((kept, definition), (jobs, job)):
        assert all(wanted.items() <= body["metadata"]["annotations"].items() for body in bodies)


def test_the_page_says_what_others_must_bring(exports: dict[str, Export]) -> None:
    page = exports["prod"].files("flux")["README.md"]
    assert page.startswith("# Stack prod for Flux\n\n**Not the real charts, to look at only:**")
    assert "| grafana/grafana-admin | admin-password, admin-user |" in page
    assert "- StorageAccount account\n" in page
    assert "**Client ids are missing** of loki-identity, tempo-identity" in page
    assert "| loki/loki-azure-key | STORAGE_ACCOUNT_ACCESS_KEY |" in exports["local"].files("flux")["README.md"]


def test_the_same_stack_is_the_same_bytes(exports: dict[str, Export]) -> None:
    assert Export(exports["prod"].rendering).files("argocd") == exports["prod"].files("argocd")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(probe.OFFLINE, "1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", ""], "error: FORMAT is missing: must be argocd or flux"),
        (["--format", "helm"], "error: FORMAT is helm: must be argocd or flux"),
        (["--format", "argocd"], "error: REPOSITORY is missing: Argo CD must be told"),
        (["--format", "flux", "--stack", "nobody"], "error: STACK is nobody: there is no Pulumi.nobody.yaml; known are "),
        (["--format", "flux", "--into", "/"], "error: DIR is /: it holds something that is no export"),
        (["--format", "flux", "--clients", "loki", "--bundles"], "error: CLIENT_IDS holds loki: must be NAME=ID"),
    ],
)
@pytest.mark.usefixtures("offline")
def test_a_wish_that_cannot_be_met_is_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--stack", "local", "--into", str(tmp_path / "x"), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


@pytest.mark.usefixtures("offline")
def test_stand_ins_are_exported_only_on_purpose(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--stack", "local", "--format", "flux", "--into", str(tmp_path / "x")]
    assert main(command) == 2
    assert "a stand-in is nothing for a real cluster" in capsys.readouterr().err
    assert main([*command, "--bundles"]) == 0
    assert "must be there: Secret grafana/grafana-admin with admin-password, admin-user" in capsys.readouterr().err
    assert (tmp_path / "x" / "root.yaml").is_file()


def test_an_export_takes_the_place_of_the_one_before(tmp_path: Path, exports: dict[str, Export]) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "left-over").write_text("")
    made = exports["local"].files("flux")
    files.write(made, tmp_path / "x")
    assert {path.relative_to(tmp_path / "x").as_posix() for path in (tmp_path / "x").rglob("*") if path.is_file()} == set(made)
