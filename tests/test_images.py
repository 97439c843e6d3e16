"""Where images come from: what an image is called in a registry of one's own, and which values tell each chart."""

from __future__ import annotations

import pytest

from components import images
from components.charts import open_lock
from components.config import parse
from components.errors import ConfigurationError
from components.topology import installed_charts
from tests.stacks import EVERY, PASSWORD, REGISTRY, settings_of

LOCK = open_lock("charts.yaml")


@pytest.mark.parametrize(
    ("image", "whole", "path"),
    [
        ("docker.io/grafana/loki:3.7.6", "docker.io/grafana/loki:3.7.6", "grafana/loki:3.7.6"),
        ("grafana/loki:3.7.6", "docker.io/grafana/loki:3.7.6", "grafana/loki:3.7.6"),
        ("busybox:1.28", "docker.io/library/busybox:1.28", "library/busybox:1.28"),
        ("docker.io/busybox:1.28", "docker.io/library/busybox:1.28", "library/busybox:1.28"),
        ("localhost/rolldice:1", "localhost/rolldice:1", "rolldice:1"),
        ("registry.example.com:5000/a/b@sha256:0", "registry.example.com:5000/a/b@sha256:0", "a/b@sha256:0"),
    ],
)
def test_an_image_is_known_by_its_registry_and_its_path(image: str, whole: str, path: str) -> None:
    assert (images.whole(image), images.path(image)) == (whole, path)


def test_in_a_registry_of_ones_own_an_image_keeps_its_path() -> None:
    assert images.at("quay.io/jetstack/cert-manager-webhook:v1", REGISTRY) == f"{REGISTRY}/jetstack/cert-manager-webhook:v1"
    assert images.at("quay.io/jetstack/cert-manager-webhook:v1", None) == "quay.io/jetstack/cert-manager-webhook:v1"


def test_every_chart_of_every_stack_has_a_rule() -> None:
    charts = {chart for variant in EVERY for chart in installed_charts(settings_of(variant)) if LOCK[chart].kind == "chart"}
    assert charts == set(images.RULES)


def test_without_a_registry_no_chart_is_told_anything() -> None:
    assert [images.values(chart, None) for chart in images.RULES] == [{}] * len(images.RULES)
    with pytest.raises(KeyError):
        images.values("mimir", None)


def test_what_the_operator_chooses_by_itself_is_known_for_the_locked_version() -> None:
    assert LOCK["opentelemetry-operator"].app_version == images.OPERATOR_VERSION


@pytest.mark.parametrize(
    "registry", ["registry.example.com", "registry.example.com/a/b", "registry:5000", "localhost:5000/x", "10.0.0.1/x"]
)
def test_a_registry_is_a_host_and_perhaps_a_path(registry: str) -> None:
    assert parse({"grafanaAdminPassword": PASSWORD, "imageRegistry": registry}).image_registry == registry


@pytest.mark.parametrize(
    "registry",
    ["https://registry.example.com", "registry.example.com/", "mirror/grafana", "registry", "a.example.com/x:1", "A.example.com", ""],
)
def test_what_is_no_registry_is_refused_with_the_rule(registry: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^imageRegistry is .*: must be a registry such as registry\.example\.com/mirror"):
        parse({"grafanaAdminPassword": PASSWORD, "imageRegistry": registry})
