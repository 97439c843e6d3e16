"""Waivers: named, with a reason, for the objects that they name and nothing else, and gone when nothing needs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import ConfigurationError
from policies import waivers
from policies.waivers import Finding, Waiver

REASON = "a reason that says in enough words why this is so"
FINDING = Finding("checkov", "CKV_K8S_8", "Deployment shop/shop", "main", "no probe")


def test_a_waiver_covers_the_objects_it_names_and_no_others() -> None:
    waiver = Waiver("checkov", ("CKV_K8S_8",), ("Deployment shop/*",), REASON)
    assert waiver.covers(FINDING)
    for other in (
        FINDING._replace(tool="kube-score"),
        FINDING._replace(check="CKV_K8S_9"),
        FINDING._replace(target="StatefulSet shop/shop"),
        FINDING._replace(target="Deployment store/shop"),
    ):
        assert not waiver.covers(other)


def test_a_waiver_of_one_container_does_not_cover_its_neighbour() -> None:
    waiver = Waiver("checkov", ("CKV_K8S_8",), ("Deployment shop/shop:main",), REASON)
    assert waiver.covers(FINDING)
    assert not waiver.covers(FINDING._replace(where="sidecar"))


def test_findings_are_failures_or_waived_and_needless_waivers_are_named() -> None:
    used = Waiver("checkov", ("CKV_K8S_8",), ("Deployment shop/shop",), REASON)
    needless = Waiver("checkov", ("CKV_K8S_43",), ("*",), REASON)
    failing = FINDING._replace(check="CKV_K8S_9")
    assert waivers.apply([FINDING, failing], [used, needless]) == ((failing,), (FINDING,), (needless,))


GOOD = "waivers: [{tool: checkov, checks: [CKV_K8S_8], objects: [Deployment shop/shop], reason: " + REASON + "}]"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("tool: checkov", "tool: trivy", "is for tool trivy: there are rules, checkov, kube-score"),
        ("checks: [CKV_K8S_8]", "checks: []", "names no checks or no objects"),
        ("objects: [Deployment shop/shop]", "objects: []", "names no checks or no objects"),
        ("checks: [CKV_K8S_8]", 'checks: ["*"]', "is for every check: name them"),
        (REASON, "because", "has no reason of at least 8 words"),
        ("reason:", "why:", "has not exactly the keys checks, objects, reason, tool"),
    ],
)
def test_a_waiver_that_is_none_is_refused_in_one_line(old: str, new: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "waivers.yaml"
    file.write_text(GOOD)
    assert len(waivers.read(file)) == 1
    file.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigurationError) as raised:
        waivers.read(file)
    assert str(raised.value).startswith(f"waivers.yaml: waiver 1 {said}")
    assert "\n" not in str(raised.value)


def test_no_check_of_ours_is_waived_for_everything() -> None:
    assert [waiver for waiver in waivers.read() if waiver.tool == "rules" and "*" in waiver.objects] == []
