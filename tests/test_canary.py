"""Two control planes of the mesh beside each other: names, versions, and what a promotion changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from components import istio
from components.charts import open_lock
from components.config import parse
from components.errors import ConfigurationError
from components.footprint import workloads
from components.settings import Settings
from components.topology import plan
from rehearsal.selectors import matches
from tests.recorder import Run
from tests.stacks import CANARY, IMAGE, PASSWORD

Record = Callable[..., Run]
BEFORE = {"revision": "1-30-3", "canary": {"revision": "1-31-0", "chartVersion": "1.31.0"}}
AMBIENT = (
    "istio.canary.revision is green: istio.mode is ambient, where one ztunnel serves a whole node and namespaces follow no revision; "
    "remove the key and upgrade in place (docs/upgrade.md)"
)
AFTER = {"revision": "1-31-0", "chartVersion": "1.31.0", "canary": {"revision": "1-30-3"}}


def settings(**chosen: Any) -> Settings:
    return parse({"grafanaAdminPassword": PASSWORD, "istio": chosen})


def releases(run: Run) -> dict[str, dict[str, Any]]:
    return {r.name: r.inputs for r in run.of_kind("Release")}


def moved(before: Run, after: Run) -> set[str]:
    """Names of resources that are in both and not the same."""
    return {r.name for urn, r in before.resources.items() if urn in after.resources and r.inputs != after.resources[urn].inputs}


@pytest.fixture(scope="module")
def lock(mirror: Path) -> str:
    """A lock that knows istiod's chart in two versions."""
    document = yaml.safe_load((mirror / "charts.yaml").read_text())
    (archive,) = mirror.glob("istiod-1.30.3.tgz")
    (mirror / "istiod-1.31.0.tgz").write_bytes(archive.read_bytes())
    document["charts"]["istiod@1.31.0"] = {**document["charts"]["istiod"], "version": "1.31.0"}
    file = mirror / "two.yaml"
    file.write_text(yaml.safe_dump(document))
    return str(file)


def test_a_canary_is_a_release_of_its_own_and_changes_nothing_else(record: Record, lock: str) -> None:
    alone = record({"istio": {"revision": "1-30-3"}, "sampleApp": {"image": IMAGE}, "chartLock": lock})
    both = record({"istio": BEFORE, "sampleApp": {"image": IMAGE}, "chartLock": lock})
    assert set(both.resources) - set(alone.resources) == {both.named("Release", "istiod-1-31-0").urn}
    assert moved(alone, both) == set()
    assert (releases(both)["istiod-1-30-3"]["version"], releases(both)["istiod-1-31-0"]["version"]) == ("1.30.3", "1.31.0")


def test_a_promotion_moves_who_is_followed_and_neither_control_plane(record: Record, lock: str) -> None:
    before, after = (record({"istio": chosen, "sampleApp": {"image": IMAGE}, "chartLock": lock}) for chosen in (BEFORE, AFTER))
    assert set(before.resources) == set(after.resources)
    assert moved(before, after) == {"istio-base", "istio-ingressgateway", "sample"}
    assert releases(after)["istio-base"]["values"]["defaultRevision"] == "1-31-0"
    assert after.named("Namespace", "sample").inputs["metadata"]["labels"]["istio.io/rev"] == "1-31-0"


def test_with_a_tag_a_promotion_moves_the_tag_and_no_namespace(record: Record, lock: str) -> None:
    config = {"sampleApp": {"image": IMAGE}, "chartLock": lock}
    before, after = (record({"istio": {**chosen, "tag": "prod"}, **config}) for chosen in (BEFORE, AFTER))
    assert set(before.resources) == set(after.resources)
    assert moved(before, after) == {"istio-base", "istio-ingressgateway", "istio-revision-tag-prod"}
    tag = after.named("MutatingWebhookConfiguration", "istio-revision-tag-prod").inputs
    assert tag["metadata"]["labels"]["istio.io/rev"] == "1-31-0"
    assert {hook["clientConfig"]["service"]["name"] for hook in tag["webhooks"]} == {"istiod-1-31-0"}
    assert after.named("Namespace", "sample").inputs["metadata"]["labels"]["istio.io/rev"] == "prod"


def test_pods_wait_for_the_tag_that_gives_them_their_proxy(record: Record) -> None:
    run = record(CANARY)
    tag = run.named("MutatingWebhookConfiguration", "istio-revision-tag-prod")
    assert tag.urn in run.waits_for(run.named("Deployment", "rolldice"))
    assert run.named("Release", "istiod-blue").urn in run.waits_for(tag)


@pytest.mark.parametrize(
    ("namespace", "pod", "taken"),
    [
        ({"istio.io/rev": "prod"}, {}, True),
        ({}, {"istio.io/rev": "prod"}, True),
        ({"istio.io/rev": "prod"}, {"sidecar.istio.io/inject": "false"}, False),
        ({"istio.io/rev": "blue"}, {}, False),
        ({"istio.io/rev": "blue"}, {"istio.io/rev": "prod"}, False),
        ({"istio-injection": "enabled"}, {"istio.io/rev": "prod"}, False),
        ({}, {}, False),
    ],
)
def test_a_tag_takes_the_pods_that_ask_for_it(namespace: dict[str, str], pod: dict[str, str], taken: bool) -> None:
    chosen = settings(**CANARY["istio"])
    hooks = istio.tag_webhooks("prod", plan(chosen).istiod)
    by = [h["name"] for h in hooks if matches(h["namespaceSelector"], namespace) and matches(h["objectSelector"], pod)]
    assert len(by) == int(taken)


def test_a_control_plane_without_a_name_can_be_kept_beside_its_successor() -> None:
    names = plan(settings(revision="next", canary={"revision": "default"}))
    assert names.releases.istiod.name == "istiod-next"
    assert names.releases.istiod_canary is not None
    assert names.releases.istiod_canary.name == "istiod"
    assert "revision" not in istio.canary_values(settings(revision="next", canary={"revision": "default"}), names)


def test_a_canary_is_paid_for() -> None:
    names = [w.name for w in workloads(settings(revision="blue", canary={"revision": "green"})) if w.component == "istiod"]
    assert names == ["istiod-blue", "istiod-green"]


def test_a_version_that_the_lock_pins_anyway_needs_no_entry_of_its_own() -> None:
    charts = open_lock("charts.yaml")
    assert charts["istiod@1.30.3"] == charts["istiod"]
    with pytest.raises(ConfigurationError, match=r"charts\.yaml holds no chart istiod@1\.99\.0"):
        charts["istiod@1.99.0"]


def test_an_entry_says_its_version_once(tmp_path: Path, lock: str) -> None:
    document = yaml.safe_load(Path(lock).read_text())
    document["charts"]["istiod@1.31.0"]["version"] = "1.31.1"
    file = tmp_path / "lock.yaml"
    file.write_text(yaml.safe_dump(document))
    with pytest.raises(ConfigurationError, match=r"chart istiod@1\.31\.0 is of version 1\.31\.1; its name must say the same"):
        open_lock(str(file))


@pytest.mark.parametrize(
    ("chosen", "line"),
    [
        (
            {"revision": "blue", "canary": {"revision": "blue"}},
            "istio.canary.revision is blue: istio.revision is the same; two control planes beside each other need two names",
        ),
        (
            {"canary": {"revision": "default"}},
            "istio.canary.revision is default: istio.revision is the same; two control planes beside each other need two names",
        ),
        (
            {"revision": "blue", "tag": "blue"},
            "istio.tag is blue: that is the name of a control plane; a tag points to one and has a name of its own",
        ),
        (
            {"source": "existing", "tag": "prod"},
            "istio.tag is prod: istio.source is existing, so its control planes are moved where they come from; remove the key",
        ),
        (
            {"mode": "ambient", "canary": {"revision": "green"}},
            AMBIENT,
        ),
        (
            {"canary": {"revision": "green", "chartVersion": "1.31"}},
            "istio.canary.chartVersion is '1.31': must be an exact version such as 2.26.2",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(chosen: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        settings(**chosen)
    assert str(refused.value) == line
