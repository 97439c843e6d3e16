"""With `imageRegistry` set, no object of any kind of stack names an image from anywhere else; without it, every image is found."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from components.images import NOT_REACHED, OPERATOR_VERSION, at
from review.documents import written
from review.objects import Object, of_kubernetes
from review.render import ChartUse, Rendering
from supply import images, mirroring
from supply.errors import SupplyError
from tests.stacks import REGISTRY
from tests.supply.kinds import KINDS, rendered

PUBLIC = re.compile(r"(?:docker\.io|quay\.io|ghcr\.io|registry\.k8s\.io|gcr\.io|mcr\.microsoft\.com|registry\.istio\.io|docker\.pkg\.dev)/")
COMPARED = ("local", "ambient", "distributed")
"""Between them, every chart and both kinds of store."""


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rendering]:
    return rendered(tmp_path_factory.mktemp("moved"), {"imageRegistry": REGISTRY})


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rendering]:
    return rendered(tmp_path_factory.mktemp("plain"), {"imageRegistry": None}, COMPARED)


@pytest.mark.parametrize("kind", KINDS)
def test_every_image_comes_from_the_registry_of_the_settings(kind: str, moved: dict[str, Rendering]) -> None:
    found = images.of_rendering(moved[kind])
    assert len(found) > 5
    assert [image for image in found if not image.startswith(f"{REGISTRY}/") and image not in NOT_REACHED] == []
    texts = {item.key: written(item.body) for item in moved[kind].objects if item.key.kind not in ("Release", "CustomResourceDefinition")}
    assert [str(key) for key, text in texts.items() if PUBLIC.search(text)] == []


@pytest.mark.parametrize("kind", COMPARED)
def test_the_images_are_the_same_ones_under_the_same_paths(kind: str, moved: dict[str, Rendering], plain: dict[str, Rendering]) -> None:
    elsewhere = {image for image in images.of_rendering(plain[kind]) if not image.startswith(REGISTRY)}
    assert {at(image, REGISTRY) for image in elsewhere} <= set(images.of_rendering(moved[kind]))
    assert len(images.of_rendering(plain[kind])) == len(images.of_rendering(moved[kind]))


def test_images_that_no_container_names_are_found_too(plain: dict[str, Rendering]) -> None:
    found = images.of_rendering(plain["ambient"])
    for image in (
        "registry.istio.io/release/proxyv2:1.30.3-distroless",  # by istiod
        "quay.io/prometheus-operator/prometheus-config-reloader:v0.93.1",  # by a flag of the Prometheus operator
        "quay.io/prometheus/prometheus:v3.14.0-distroless",  # by a custom resource
        "quay.io/jetstack/cert-manager-acmesolver:v1.21.1",  # by a flag of cert-manager
        "ghcr.io/open-telemetry/opentelemetry-operator/autoinstrumentation-python:0.64b0",  # by the operator itself
        "ghcr.io/open-telemetry/opentelemetry-collector-releases/opentelemetry-collector-k8s:0.158.0",
        "docker.io/library/python:3.13.9-alpine",
    ):
        assert image in found, image


def item(kind: str, **more: Any) -> Object:
    return of_kubernetes({"apiVersion": "v1", "kind": kind, "metadata": {"name": "one", "namespace": "here"}, **more}, "layer")


@pytest.mark.parametrize(
    ("found", "body"),
    [
        (["a/b:1"], {"spec": {"initContainers": [{"name": "i", "image": "a/b:1"}]}}),
        ([], {"spec": {"containers": [{"name": "i", "image": "auto"}]}}),
        (
            ["quay.io/x/y:1"],
            {"spec": {"containers": [{"args": ["--sidecar-image=quay.io/x/y:1", "--level=info", "--to=tempo.tempo:4317"]}]}},
        ),
        (["quay.io/x/y@sha256:" + "0" * 64], {"spec": {"containers": [{"command": ["run", "--image=quay.io/x/y@sha256:" + "0" * 64]}]}}),
    ],
)
def test_an_image_stands_in_a_container_or_in_a_flag(found: list[str], body: dict[str, Any]) -> None:
    assert list(images.of_object(item("Pod", **body))) == found


def test_a_template_in_a_config_map_names_images_unless_they_are_filled_in_later() -> None:
    text = 'spec:\n  containers:\n  - image: "{{ .ProxyImage }}"\n  initContainers:\n    - image: busybox:1.28\n'
    assert list(images.of_object(item("ConfigMap", data={"config": text}))) == ["busybox:1.28"]


def test_what_istiod_injects_is_read_from_its_values() -> None:
    told = {
        "global": {"hub": "h.example.com/x", "tag": "1", "variant": "", "proxy": {"image": "proxyv2"}, "proxy_init": {"image": "own/z:2"}}
    }
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio-sidecar-injector"}, "data": {"values": json.dumps(told)}}
    assert list(images.of_object(of_kubernetes(body, "mesh"))) == ["own/z:2", "h.example.com/x/proxyv2:1"]


def operator(version: str) -> Rendering:
    image = f"ghcr.io/open-telemetry/opentelemetry-operator/opentelemetry-operator:{version}"
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "opentelemetry-operator", "namespace": "x"},
        "spec": {"template": {"spec": {"containers": [{"name": "manager", "image": image}]}}},
    }
    return Rendering("x", (of_kubernetes(body, "pipeline"),), {"opentelemetry-operator": ChartUse("1", "archive")}, None, None, ())


def test_another_operator_is_said_to_choose_images_that_nobody_here_knows() -> None:
    assert len(images.of_rendering(operator(OPERATOR_VERSION))) > 5
    assert len(images.of_rendering(operator("0.999.0"))) == 1
    assert any("is not version" in line for line in mirroring.not_known({"x": operator("0.999.0")}))
    assert not any("is not version" in line for line in mirroring.not_known({"x": operator(OPERATOR_VERSION)}))


def test_two_images_that_would_be_one_in_a_registry_are_refused() -> None:
    pods = [item("Pod", spec={"containers": [{"image": f"{host}/x/y:1"}]}) for host in ("ghcr.io", "quay.io")]
    with pytest.raises(SupplyError, match=r"^ghcr\.io/x/y:1 and quay\.io/x/y:1 would be one image in imageRegistry$"):
        mirroring.listed({"s": Rendering("s", tuple(pods), {}, None, None, ())})


def test_a_digest_is_said_where_the_name_of_the_image_says_it() -> None:
    digest = f"sha256:{'1' * 64}"
    pod = item("Pod", spec={"containers": [{"image": f"quay.io/a/b:1@{digest}"}, {"image": "quay.io/a/c:1"}]})
    first, second = mirroring.listed({"s": Rendering("s", (pod,), {}, None, None, ())})
    assert (first["digest"], second["digest"]) == (digest, None)
    assert first["path"] == f"a/b:1@{digest}"
    assert first["usedBy"] == ["Pod here/one"]


def test_the_list_is_written_for_people_and_for_tools(tmp_path: Path) -> None:
    mirroring.write_images(tmp_path, [{"image": "quay.io/a/b:1"}, {"image": "quay.io/a/c:1"}], ["something"])
    assert (tmp_path / "images.txt").read_text() == "quay.io/a/b:1\nquay.io/a/c:1\n"
    assert "notKnown:\n- something" in (tmp_path / "images.yaml").read_text()
