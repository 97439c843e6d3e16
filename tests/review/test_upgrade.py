"""What another version of a chart means for the stacks: small charts of two versions, and what is said of them."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from rehearsal import probe
from review import __main__ as command
from review import chart_values, upgrade
from review.errors import Refusal
from review.upgrade import Wish
from review.upgrades import MovedValue, Upgrade, Verification
from tests.review.changes import STACK, copy

WORKLOAD = """apiVersion: apps/v1
kind: DaemonSet
metadata: {name: alloy}
spec:
  selector: {matchLabels: {app: %s}}
  template:
    metadata: {labels: {app: %s}}
    spec: {containers: [{name: alloy, image: "alloy:{{ .Chart.AppVersion }}"}]}
"""
FREE = {
    "alloy": {},
    "controller": {},
    "serviceMonitor": {},
    "configReloader": {},
    "crds": {},
    "rbac": {},
    "serviceAccount": {},
    "image": {},
}
"""Defaults that leave every value of ours free-form."""
BEFORE, AFTER = "1.11.1", "2.0.0"


def archive(folder: Path, version: str, defaults: dict[str, Any], selector: str, schema: str = "", **about: Any) -> Path:
    """A chart called alloy."""
    files = {
        "Chart.yaml": yaml.safe_dump({"apiVersion": "v2", "name": "alloy", "version": version, "appVersion": f"v{version}", **about}),
        "values.yaml": yaml.safe_dump(defaults),
        "templates/workload.yaml": WORKLOAD % (selector, selector),
        **({"values.schema.json": schema} if schema else {}),
    }
    path = folder / f"alloy-{version}.tgz"
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(f"alloy/{name}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


def step(*moved: MovedValue) -> Upgrade:
    seen = Verification.model_validate({"by": "us", "when": "2026-01-01", "how": "read", "source": "x"}, strict=False)
    return Upgrade.model_validate({"from": "1", "to": "2", "summary": "x", "values": moved, "verified": seen})


def held(values: dict[str, Any], before: dict[str, Any], after: dict[str, Any], *moved: MovedValue, schema: Any = None) -> upgrade.Values:
    wanted = Wish("x", "1.0.0", "2.0.0", (step(*moved),), ())
    charts = [chart_values.Chart("x", version, "", "", own, schema or {}) for version, own in (("1.0.0", before), ("2.0.0", after))]
    return upgrade.held("dev", "x/x", values, wanted, *charts)


def test_a_value_that_moved_is_said_with_where_it_went() -> None:
    found = held({"old": {"name": 1}}, {"old": {"name": 0}}, {"new": {"name": 0}}, MovedValue(was="old", now="new", note="why"))
    assert found.moved == ("old is new (why); set here: old.name",)
    assert found.unknown == ()


def test_a_value_that_the_new_chart_does_not_know_is_said() -> None:
    found = held({"a": {"b": 1}, "c": 2}, {"a": {"b": 0}, "c": 0}, {"a": {"d": 0}, "c": 0})
    assert (found.moved, found.unknown) == ((), ("a.b",))


def test_a_value_that_breaks_the_new_schema_is_said() -> None:
    schema = {"properties": {"a": {"type": "string"}}}
    found = held({"a": 1}, {"a": "x"}, {"a": "x"}, schema=schema)
    assert found.violations == ("a: 1 is not of type 'string'",)


def test_a_default_counts_where_something_beside_it_is_set() -> None:
    before = {"a": {"ours": 1, "theirs": 1, "same": 1}, "b": {"c": 1}}
    after = {"a": {"ours": 2, "theirs": 2, "same": 1}, "b": {"c": 2}}
    found = held({"a": {"ours": 5}}, before, after)
    assert found.defaults == (("a.theirs", 1, 2),)
    assert found.elsewhere == 1


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy(tmp_path_factory.mktemp("root"))


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(probe.OFFLINE, "1")


def run(root: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str]:
    """Exit code, and everything said with single spaces."""
    code = command.main(["upgrade", "--chart", "alloy", "--to", AFTER, "--stack", STACK, *more], root)
    said = capsys.readouterr()
    return code, " ".join((said.out + said.err).split())


def test_a_chart_is_held_against_what_the_stack_sets_and_runs(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    defaults = {**FREE, "alloy": {"another": "x"}}
    archive(tmp_path, BEFORE, FREE, "alloy")
    archive(tmp_path, AFTER, defaults, "another", kubeVersion=">=1.30.0-0")
    code, said = run(root, capsys, "--archive", str(tmp_path))
    assert code == 1
    assert "missing: upgrades/alloy/1-2.yaml" in said
    assert "alloy 2.0.0: appVersion v2.0.0; for Kubernetes >=1.30.0-0" in said
    assert "unknown to the new chart: alloy.configMap." in said
    assert "recreate DaemonSet alloy/alloy" in said
    assert "alloy:v1.11.1 alloy:v2.0.0" in said
    assert "not run" not in said


def test_what_helm_refuses_is_refused(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive(tmp_path, AFTER, FREE, "alloy", kubeVersion=">=9.0.0")
    code, said = run(root, capsys, "--archive", str(tmp_path / f"alloy-{AFTER}.tgz"))
    assert code == 1
    assert "requires kubeVersion: >=9.0.0 which is incompatible with Kubernetes v1.36.3" in said
    assert "not run: defaults and objects, which need the chart of today beside it" in said


def test_without_the_archive_the_plan_is_there_and_the_rest_is_not_run(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = run(root, capsys)
    assert code == 1  # a major without its file
    assert "Chart alloy: from 1.11.1 to 2.0.0" in said
    assert "not run: values, schema, defaults and objects: https://github.com/" in said
    assert "alloy-2.0.0.tgz does not answer" in said


def test_another_chart_than_the_one_asked_for_is_refused(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = archive(tmp_path, "1.12.0", FREE, "alloy")
    code, said = run(root, capsys, "--archive", str(file))
    assert code == 2
    assert "holds alloy 1.12.0, not alloy 2.0.0" in said
    (tmp_path / "torn.tgz").write_bytes(b"nothing")
    code, said = run(root, capsys, "--archive", str(tmp_path / "torn.tgz"))
    assert (code, "torn.tgz is not the archive of a chart" in said) == (2, True)


@pytest.mark.parametrize(
    ("chart", "to", "line"),
    [
        ("", "1.0.0", "chart is missing: name a chart of charts.yaml and the version wanted, such as CHART=loki TO=19.0.0"),
        ("loki", "", "to is missing: name a chart"),
        ("promtail", "1.0.0", "chart promtail is not in charts.yaml; it holds prometheus-operator-crds, "),
        ("alloy", "latest", "to: latest is no version such as 18.11.0"),
        ("alloy", "1.11.1", "to is 1.11.1: charts.yaml pins alloy 1.11.1, which is no older"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_in_one_line(chart: str, to: str, line: str) -> None:
    with pytest.raises(Refusal) as refused:
        upgrade.wish(chart, to)
    assert str(refused.value).startswith(line)


def test_defaults_of_subcharts_are_under_the_names_they_have(tmp_path: Path) -> None:
    path = tmp_path / "x.tgz"
    files = {
        "x/Chart.yaml": "{name: x, version: 1.0.0, dependencies: [{name: y, alias: z, version: 1.0.0}]}",
        "x/values.yaml": "z: {own: 2}",
        "x/charts/y/Chart.yaml": "{name: y, version: 1.0.0}",
        "x/charts/y/values.yaml": "{own: 1, other: 1}",
    }
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    assert chart_values.read(path).defaults == {"z": {"own": 2, "other": 1}}
