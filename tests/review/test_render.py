"""A rendering: complete, in a stable order, without secrets, and the same bytes wherever it is made."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from review import documents, helm, writing
from review.helm import GENERATED, Install, Renderer
from review.objects import Key, Object, paths
from review.recorder import ROOT
from review.render import Rendering, helm_binary
from review.work import render

STACKS = ("local", "prod")


@pytest.fixture(scope="module")
def rendered() -> dict[str, Rendering]:
    return render(STACKS, bundles=True)


def run(cwd: Path, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "review", "render", "--stack", "prod", "--bundles", "--into", str(cwd / "rendered")],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "ISTIO_STACK_TOOLS": str(helm_binary().parent.parent), **environment},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_rendering_is_the_same_bytes_from_any_folder_home_and_hash_seed(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    run(one, PYTHONHASHSEED="1", HOME=str(one))
    run(other, PYTHONHASHSEED="2", HOME=str(other), TZ="Asia/Tokyo")
    first, second = contents(one / "rendered"), contents(other / "rendered")
    assert first == second
    assert len(first) > 200


def test_every_layer_has_its_objects(rendered: dict[str, Rendering]) -> None:
    for stack, rendering in rendered.items():
        layers = {o.layer for o in rendering.objects}
        assert layers & {"entrance", "encryption"} == ({"entrance", "encryption"} if stack in ("staging", "prod") else set())
        assert layers - {"sample", "entrance", "encryption"} == {
            "definitions", "certificates", "storage", "mesh", "metrics", "traces", "logs", "pipeline", "shipping", "views",
            "watch", "dashboards",
        }  # fmt: skip
    kinds = {o.key.kind for o in rendered["prod"].objects}
    assert {"Release", "CustomResourceDefinition", "StatefulSet", "Telemetry", "OpenTelemetryCollector"} <= kinds
    assert {"StorageAccount", "BlobContainer", "RoleAssignment", "ManagementPolicy"} <= kinds


def test_every_object_has_a_file_of_its_own_that_reads_as_the_object(rendered: dict[str, Rendering], tmp_path: Path) -> None:
    rendering = rendered["prod"]
    count = writing.write(rendering, tmp_path / "prod")
    files = sorted((tmp_path / "prod").rglob("*.yaml"))
    assert count == len(files) == len(rendering.objects)
    account = yaml.safe_load(next((tmp_path / "prod" / "storage" / "StorageAccount").iterdir()).read_text())
    assert account["properties"]["allowBlobPublicAccess"] is False
    assert (tmp_path / "prod" / "logs" / "Release" / "loki.loki.yaml").is_file()
    assert (tmp_path / "prod" / "pipeline" / "OpenTelemetryCollector" / "observability.otel.yaml").is_file()


def test_no_file_holds_a_secret_and_none_of_ours_is_in_clear(rendered: dict[str, Rendering], tmp_path: Path) -> None:
    for stack, rendering in rendered.items():
        assert rendering.leaks == ()
        writing.write(rendering, tmp_path / stack)
        text = b"".join(contents(tmp_path / stack).values()).decode()
        for secret in ("local-only", "placeholder-for", "sentinel", "v1:AAAA"):
            assert secret not in text
        assert "admin-password: (secret)" in text


def test_the_readme_says_first_which_charts_are_not_the_real_ones(rendered: dict[str, Rendering], tmp_path: Path) -> None:
    writing.write(rendered["local"], tmp_path / "local")
    readme = (tmp_path / "local" / "README.md").read_text()
    assert "**Not the real charts:** bundles stand in for alloy, base," in readme
    assert readme.index("Not the real charts") < readme.index("objects, one file each")
    assert "| loki | 18.11.0 | stand-in |" in readme
    assert f"Kubernetes {helm.KUBE_VERSION}" in readme


def test_what_was_rendered_before_does_not_stay(rendered: dict[str, Rendering], tmp_path: Path) -> None:
    stale = tmp_path / "local" / "logs" / "Deployment" / "loki.old.yaml"
    stale.parent.mkdir(parents=True)
    stale.write_text("kind: Deployment")
    writing.write(rendered["local"], tmp_path / "local")
    assert not stale.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["local"]


def test_what_a_chart_makes_anew_each_time_is_not_said(tmp_path: Path) -> None:
    chart = tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("{apiVersion: v2, name: chart, version: 1.0.0}")
    (chart / "templates" / "all.yaml").write_text(
        '{{ $ca := genCA "x" 30 }}\n'
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, annotations: {checksum/ca: {{ $ca.Cert | sha256sum }}, "
        "checksum/values: {{ .Values | toJson | sha256sum }}}}, data: {ca: {{ $ca.Cert | b64enc }}, kept: same}}\n"
    )
    archive = tmp_path / "chart-1.0.0.tgz"
    subprocess.run(["tar", "-czf", str(archive), "-C", str(tmp_path), "chart"], check=True, timeout=30)
    (found,) = Renderer(helm_binary()).objects(Install("a", "b", archive, {}))
    assert found["data"] == {"ca": GENERATED, "kept": "same"}
    annotations = found["metadata"]["annotations"]
    assert annotations["checksum/ca"] == GENERATED
    assert len(annotations["checksum/values"]) == 64


def test_names_that_a_file_system_cannot_tell_apart_get_files_of_their_own() -> None:
    names = [("a", "Gateway", "x"), ("b", "Gateway", "x"), ("a", "Role", "system:x"), ("a", "Role", "system_x")]
    keys = [Key(group, kind, "n", name) for group, kind, name in names]
    found = paths(Object(key, "mesh", {}) for key in keys)
    assert list(found) == sorted(found)
    assert len({path.lower() for path in found}) == 4
    assert {item.key for item in found.values()} == set(keys)


def test_a_date_stays_the_text_that_it_is() -> None:
    (found,) = documents.parts("kind: ConfigMap\nfrom: 2024-04-01\noperator: =\n")
    assert found == {"kind": "ConfigMap", "from": "2024-04-01", "operator": "="}


def test_an_unknown_stack_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    from review.__main__ import main

    assert main(["render", "--stack", "nowhere"]) == 2
    assert capsys.readouterr().err.strip() == (
        "error: stack nowhere is unknown: there is no Pulumi.nowhere.yaml; known are dev, local, prod, staging"
    )
