"""Changes that somebody may propose: the comment on each is a golden file (REVIEW_GOLDEN=write writes it anew) and says what counts."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from review import report
from review.helm import Renderer
from review.judging import Review, review
from review.objects import HELM
from review.render import Checkout, Rendering, helm_binary
from review.work import Pair
from tests.review.changes import CHANGES, LEAKED, STACK, copy

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(helm_binary())


def rendered(root: Path, renderer: Renderer) -> Rendering:
    """The stack of a copy of the project, from bundles alone."""
    with tempfile.TemporaryDirectory() as folder:
        return Checkout(root, [STACK], Path(folder), renderer).render({STACK: {}})[STACK]


@pytest.fixture(scope="module")
def base(renderer: Renderer, tmp_path_factory: pytest.TempPathFactory) -> Rendering:
    return rendered(copy(tmp_path_factory.mktemp("base")), renderer)


@pytest.fixture(scope="module", params=CHANGES)
def changed(
    request: pytest.FixtureRequest, base: Rendering, renderer: Renderer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Review]]:
    root = copy(tmp_path_factory.mktemp("head"))
    CHANGES[request.param](root)
    yield request.param, review(STACK, Pair(base, rendered(root, renderer)))


def rows(found: Review, kind: str) -> dict[tuple[str, str], tuple[Any, Any]]:
    return {(row.object, row.field): (row.before, row.after) for row in found.rows if row.kind == kind}


def check_loki_retention(found: Review) -> None:
    lost = rows(found, "data loss")
    assert lost["ConfigMap loki/loki", "data.[config.yaml].limits_config.retention_period"] == ("720h", "336h")
    assert [value for (name, _), value in lost.items() if name == "ManagementPolicy lifecycle"] == [(37, 21)]
    assert len(lost) == 2
    assert set(found.counts) == {"data loss", "restart"}
    assert ("StatefulSet loki/loki-ingester", "checksum of its configuration") in rows(found, "restart")
    (blobs, total) = found.costs
    assert (blobs.what, total.what) == ("blobs", "in all")
    assert blobs.after < blobs.before
    assert total.after - total.before == pytest.approx(blobs.after - blobs.before)


def check_chart_bump(found: Review) -> None:
    assert found.charts == (("alloy", "1.11.1", "1.12.0"),)
    assert ("ClusterRole alloy-nodes", "") in rows(found, "access")
    assert any(name.startswith("CustomResourceDefinition podlogs") for name, _ in rows(found, "CRD"))
    restarted = rows(found, "restart")
    image = ("DaemonSet alloy/alloy", "spec.template.spec.containers.alloy.image")
    assert restarted[image] == ("docker.io/grafana/alloy:v1.18.1", "docker.io/grafana/alloy:v1.19.0")
    assert {name for name, _ in restarted} == {"DaemonSet alloy/alloy"}
    assert "data loss" not in found.counts


def check_volume_size(found: Review) -> None:
    lost = rows(found, "data loss")
    name = "Prometheus prometheus/prom-kube-prometheus-stack-prometheus"
    assert lost[name, "spec.storage.volumeClaimTemplate.spec.resources.requests.storage"] == ("200Gi", "100Gi")
    again = rows(found, "recreate")
    assert {value for (name, field), value in again.items() if "volumeClaimTemplates" in field} == {("50Gi", "80Gi")}
    assert {name for name, _ in again} == {"StatefulSet tempo/tempo-ingester"}


def check_leaked_secret(found: Review) -> None:
    (line,) = found.refusals
    assert line == (
        "secret in clear: Release grafana, values.adminPassword holds a literal under the name adminPassword; "
        "put it into a Secret and refer to that"
    )
    assert LEAKED not in report.as_json([found]) + report.markdown([found])


def check_broken_link(found: Review) -> None:
    assert found.refusals == tuple(
        f"signals: {said} is tempo-distributor.tempo:4318: otlp/grpc goes to a port of otlp/http"
        for said in ("tail.config.exporters.otlp_grpc/tempo.endpoint", "topology.tempo_otlp")
    )
    assert found.rows == ()


CHECKS = {
    "loki-retention": check_loki_retention,
    "chart-bump": check_chart_bump,
    "volume-size": check_volume_size,
    "leaked-secret": check_leaked_secret,
    "broken-link": check_broken_link,
}


def test_a_change_is_said_for_what_it_does(changed: tuple[str, Review]) -> None:
    name, found = changed
    CHECKS[name](found)
    refused = name in ("leaked-secret", "broken-link")
    assert bool(found.refusals) is refused
    assert json.loads(report.as_json([found]))["stacks"][0]["refused"] is refused


def test_the_comment_is_the_golden_one(changed: tuple[str, Review]) -> None:
    name, found = changed
    text = report.markdown([found])
    if os.environ.get("REVIEW_GOLDEN") == "write":
        GOLDEN.mkdir(exist_ok=True)
        (GOLDEN / f"{name}.md").write_text(text)
    assert (GOLDEN / f"{name}.md").read_text() == text


def test_the_same_state_twice_is_no_change(base: Rendering) -> None:
    found = review(STACK, Pair(base, base))
    assert found.empty
    assert report.headline(found) == f"Stack {STACK}: no change"


def test_a_new_stack_is_all_new_and_a_removed_one_loses_its_data(base: Rendering) -> None:
    new, gone = review(STACK, Pair(None, base)), review(STACK, Pair(base, None))
    assert {row.after for row in new.rows} == {"new"}
    assert "data loss" not in new.counts
    assert ("BlobContainer loki", "") in rows(gone, "data loss")
    assert ("Namespace loki", "") in rows(gone, "data loss")


def test_guards_see_the_releases_of_a_real_rendering(base: Rendering) -> None:
    """Loki's only schema period moved, and its chart raised over a major that nobody wrote down."""
    text = json.dumps([dict(item.body) for item in base.objects if item.key.group == HELM and item.key.name == "loki"])
    (body,) = json.loads(text.replace('"from": "2024-04-01"', '"from": "2024-05-01"'))
    body["spec"]["version"] = "19.0.0"
    objects = tuple(replace(item, body=body) if item.key.group == HELM and item.key.name == "loki" else item for item in base.objects)
    refused = review(STACK, Pair(base, replace(base, objects=objects))).refusals
    assert [line.partition(":")[0] for line in refused] == ["release loki/loki", "chart loki goes from 18.11.0 to 19.0.0"]
    assert "schema period from 2024-04-01 is removed" in refused[0]
    assert "upgrades/loki/18-19.yaml is missing" in refused[1]
