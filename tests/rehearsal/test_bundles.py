"""The bundles say what the real charts say, and every value we set makes a difference to them or stands in a list with the reason."""

from __future__ import annotations

import copy
import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from components.charts import ROOT
from components.merge import parse_all_yaml, parse_yaml, read_yaml
from components.topology import Release
from rehearsal import tools
from rehearsal.bundles import coverage
from rehearsal.bundles.pack import BUNDLES, archive, pack
from rehearsal.errors import RehearsalError
from tests import reference
from tests.stacks import EVERY, Install, installs, settings_of

LOCK = read_yaml(ROOT / "charts.yaml")["charts"]
CHARTS = [name for name, entry in LOCK.items() if entry.get("kind") != "manifest"]
KUBERNETES = "1.36.3"
REFERENCE_VALUES = {
    "cert-manager": "cert-manager",
    "base": "istio-base",
    "istiod": "istiod",
    "gateway": "istio-gateway",
    "kube-prometheus-stack": "kube-prometheus-stack",
    "tempo": "tempo-single-azure-key",
    "tempo-distributed": "tempo-distributed-2x-azure-key",
    "loki": "loki-monolithic-azure-key",
    "opentelemetry-operator": "opentelemetry-operator",
    "alloy": "alloy-podlogs",
    "grafana": "grafana",
}
"""The values each reference rendering was made with; the others were made with the chart's defaults."""
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "Pod")
MUST_BE_THERE = ("Service", "ServiceAccount", *WORKLOADS, "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
FREE_OF_OURS = ("checksum/config",)
"""Annotations whose value is a hash over the chart's own text."""
LINES = 1900


class Key(NamedTuple):
    """What an object is known by."""

    kind: str
    namespace: str
    name: str


def keyed(documents: Any) -> dict[Key, dict[str, Any]]:
    return {Key(d["kind"], d["metadata"].get("namespace") or "", d["metadata"]["name"]): d for d in documents}


def template(mirror: Path, release: Release, values: Any) -> str:
    """A bundle rendered by the real Helm; the text `refused` where the bundle refuses the values in words of its own."""
    chart = mirror / f"{release.chart}-{LOCK[release.chart]['version']}.tgz"
    command = [str(helm()), "template", release.name, str(chart), "--namespace", release.namespace, "--kube-version", KUBERNETES]
    answer = subprocess.run(
        [*command, "--include-crds", "--values", "-"],
        input=json.dumps(values),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        # hundreds of short runs, two at a time: a garbage collector and threads of its own only cost each of them time
        env={**os.environ, "GOGC": "off", "GOMAXPROCS": "1"},
    )
    if answer.returncode and "refused:" in answer.stderr:
        return "refused"
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


@cache
def helm() -> Path:
    return tools.ensure("helm")["helm"]


def objects(mirror: Path, release: Release, values: Any) -> dict[Key, dict[str, Any]]:
    return keyed(parse_all_yaml(template(mirror, release, values)))


@cache
def releases() -> dict[str, Release]:
    return {install.release.chart: install.release for variant in EVERY for install in installs(settings_of(variant))}


def reference_values(name: str | None) -> Any:
    return read_yaml(reference.path("facts", "values", f"{name}.yaml")) if name else {}


class Comparison:
    """Walks what a bundle says beside what the real chart says; every field of ours must be there, with the same value."""

    def __init__(self) -> None:
        self.fields = 0
        self.differences: list[str] = []

    def walk(self, ours: Any, theirs: Any, path: str) -> None:
        if isinstance(ours, dict) and isinstance(theirs, dict):
            for key, value in ours.items():
                if key not in FREE_OF_OURS:
                    self.walk(value, theirs.get(key), f"{path}.{key}")
        elif isinstance(ours, list) and isinstance(theirs, list):
            self._walk_lists(ours, theirs, path)
        elif isinstance(ours, str) and isinstance(theirs, str) and ours != theirs and _mapping(ours) and _mapping(theirs):
            self.walk(_mapping(ours), _mapping(theirs), f"{path}|")
        else:
            self.fields += 1
            if ours != theirs and not (isinstance(ours, str) and isinstance(theirs, str) and ours.strip() == theirs.strip()):
                self.differences.append(f"{path}: {ours!r}, the real chart says {theirs!r}")

    def _walk_lists(self, ours: list[Any], theirs: list[Any], path: str) -> None:
        if path.endswith(".args"):
            self.fields += len(ours)
            self.differences += [f"{path}: {flag!r} is not among {theirs}" for flag in ours if flag not in theirs]
        elif _named(ours) and _named(theirs):
            by_name = {item["name"]: item for item in theirs}
            for item in ours:
                self.walk(item, by_name.get(item["name"]), f"{path}[{item['name']}]")
        elif len(ours) != len(theirs):
            self.differences.append(f"{path}: {len(ours)} entries, the real chart has {len(theirs)}")
        else:
            for index, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
                self.walk(mine, other, f"{path}[{index}]")


def _named(items: list[Any]) -> bool:
    return bool(items) and all(isinstance(item, dict) and "name" in item for item in items)


def _mapping(text: str) -> dict[str, Any] | None:
    """A text that is itself a YAML mapping, such as Loki's configuration inside a ConfigMap."""
    try:
        found = parse_yaml(text)
    except (yaml.YAMLError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def without_schema(definition: dict[str, Any]) -> dict[str, Any]:
    """A definition without what bundles leave open on purpose: the schemas, and the status that not every kind has."""
    result = copy.deepcopy(definition)
    for version in result["spec"]["versions"]:
        version.pop("schema")
        version.pop("subresources", None)
    return result


@pytest.mark.parametrize("chart", [chart for chart in CHARTS if chart != "prometheus-operator-crds"])
def test_what_a_bundle_models_equals_the_real_chart(chart: str, mirror: Path) -> None:
    ours = objects(mirror, releases()[chart], reference_values(REFERENCE_VALUES.get(chart)))
    theirs = keyed(reference.rendered(chart))
    compared = Comparison()
    for key, document in ours.items():
        if key.kind != "CustomResourceDefinition":
            assert key in theirs, f"the bundle of {chart} has {key}, the real chart does not"
            compared.walk(document, theirs[key], f"{key.kind}/{key.name}")
    assert not compared.differences, "\n".join(compared.differences)
    assert compared.fields > 20, f"only {compared.fields} fields were compared"


@pytest.mark.parametrize("chart", CHARTS)
def test_what_matters_of_the_real_chart_is_in_its_bundle_or_in_the_list(chart: str, mirror: Path) -> None:
    ours = objects(mirror, releases()[chart], reference_values(REFERENCE_VALUES.get(chart)))
    theirs = [key for key in keyed(reference.rendered(chart)) if key.kind in MUST_BE_THERE]
    listed = coverage.objects_not_modelled(chart)
    missing = {f"{key.kind}/{key.name}" for key in theirs if key not in ours}
    assert missing == set(listed), "the list of objects that are not modelled is not what is missing"
    assert len(theirs) - len(missing) > 0 or chart == "prometheus-operator-crds"


OF_CONTAINERS = ("image", "imagePullPolicy", "resources", "securityContext", "livenessProbe", "readinessProbe", "startupProbe")
OF_PODS = ("automountServiceAccountToken", "hostIPC", "hostNetwork", "hostPID", "securityContext")


def posture(document: dict[str, Any]) -> dict[str, Any]:
    """All that a policy asks of the pods of a workload, by container; what says nothing is left out."""
    pod = document["spec"]["template"]["spec"]
    found = {"pod": {key: pod[key] for key in OF_PODS if pod.get(key)}}
    found["volumes"] = {volume["name"]: volume["hostPath"] for volume in pod.get("volumes") or () if "hostPath" in volume}
    for kind in ("initContainers", "containers"):
        for container in pod.get(kind) or ():
            said = {key: settled(container.get(key)) for key in OF_CONTAINERS}
            found[f"{kind} {container['name']}"] = {key: value for key, value in said.items() if value}
    return found


def settled(value: Any) -> Any:
    """Without the empty entries of a mapping, which say nothing."""
    if isinstance(value, dict):
        return {key: child for key, child in ((key, settled(child)) for key, child in value.items()) if child not in (None, {}, [])}
    return value


@pytest.mark.parametrize("chart", [chart for chart in CHARTS if chart not in ("base", "prometheus-operator-crds")])
def test_the_containers_of_a_bundle_are_those_of_the_real_chart_in_all_that_policies_ask(chart: str, mirror: Path) -> None:
    ours = objects(mirror, releases()[chart], reference_values(REFERENCE_VALUES.get(chart)))
    theirs = keyed(reference.rendered(chart))
    workloads = [key for key in ours if key.kind in WORKLOADS]
    assert workloads
    for key in workloads:
        assert posture(ours[key]) == posture(theirs[key]), key
    for kind in ("Prometheus", "Alertmanager"):  # whose pods their operator makes
        for key in (key for key in ours if key.kind == kind):
            specs = [{name: d[key]["spec"].get(name) for name in ("image", "imagePullPolicy", "securityContext")} for d in (ours, theirs)]
            assert specs[0] == specs[1], key


CHARTS_WITH_DEFINITIONS = {"prometheus-operator-crds": 10, "cert-manager": 6, "base": 15, "opentelemetry-operator": 4, "alloy": 1}


@pytest.mark.parametrize("chart", CHARTS_WITH_DEFINITIONS)
def test_the_definitions_of_a_bundle_are_those_of_the_real_chart(chart: str, mirror: Path) -> None:
    values = reference_values(REFERENCE_VALUES.get(chart))
    ours = {key: d for key, d in objects(mirror, releases()[chart], values).items() if key.kind == "CustomResourceDefinition"}
    theirs = keyed(reference.definitions(chart))
    assert set(ours) == set(theirs)
    assert len(ours) == CHARTS_WITH_DEFINITIONS[chart]
    compared = Comparison()
    for key, definition in ours.items():
        compared.walk(without_schema(definition), without_schema(theirs[key]), key.name)
        versions = [{v["name"] for v in d["spec"]["versions"] if v["served"]} for d in (definition, theirs[key])]
        assert versions[0] == versions[1], key.name
        keep = [(d["metadata"].get("annotations") or {}).get("helm.sh/resource-policy") for d in (definition, theirs[key])]
        assert keep[0] == keep[1], key.name
        assert "conversion" not in definition["spec"], f"{key.name}: nobody serves a conversion webhook in a rehearsal"
    assert not compared.differences, "\n".join(compared.differences)


def test_the_stand_in_for_the_gateway_api_defines_what_waypoints_need() -> None:
    definitions = parse_all_yaml(archive("gateway-api", "v1.5.1", "v1.5.1").decode())
    stored = {d["spec"]["names"]["kind"]: next(v["name"] for v in d["spec"]["versions"] if v["storage"]) for d in definitions}
    assert stored == dict.fromkeys(("GatewayClass", "Gateway", "HTTPRoute", "GRPCRoute", "ReferenceGrant"), "v1")
    for definition in definitions:
        names = definition["spec"]["names"]
        assert definition["metadata"]["name"] == f"{names['plural']}.gateway.networking.k8s.io"
        assert "api-approved.kubernetes.io" in definition["metadata"]["annotations"]


def containers(document: dict[str, Any]) -> list[dict[str, Any]]:
    return document["spec"]["template"]["spec"]["containers"]


@pytest.mark.parametrize(
    ("chart", "values"),
    [
        ("tempo", "tempo-single-azure-wi"),
        ("tempo-distributed", "tempo-distributed-2x-azure-wi"),
        ("loki", "loki-monolithic-azure-wi"),
    ],
)
def test_with_workload_identity_pods_carry_its_label_and_the_service_account_is_not_the_charts(
    chart: str, values: str, mirror: Path
) -> None:
    release = releases()[chart]
    found = objects(mirror, release, reference_values(values))
    stores = [d for key, d in found.items() if key.kind in WORKLOADS and key.name != "loki-gateway"]
    assert stores
    for workload in stores:
        pod = workload["spec"]["template"]
        assert pod["metadata"]["labels"]["azure.workload.identity/use"] == "true"
        assert pod["spec"]["serviceAccountName"] == release.name
        assert not [entry for container in containers(workload) for entry in container.get("env", ()) if "secretKeyRef" in str(entry)]
    assert Key("ServiceAccount", release.namespace, release.name) not in found


@pytest.mark.parametrize(
    ("chart", "values", "config_map", "file"),
    [("tempo", "tempo-single-azurite", "tempo", "tempo.yaml"), ("loki", "loki-monolithic-azurite", "loki", "config.yaml")],
)
def test_with_azurite_the_configuration_names_its_address(chart: str, values: str, config_map: str, file: str, mirror: Path) -> None:
    release = releases()[chart]
    found = objects(mirror, release, reference_values(values))
    config = parse_yaml(found[Key("ConfigMap", release.namespace, config_map)]["data"][file])
    azure = config["storage"]["trace"]["azure"] if chart == "tempo" else config["common"]["storage"]["azure"]
    assert "azurite.azurite.svc.cluster.local:10000" in azure.get("endpoint_suffix", azure.get("connection_string", ""))


def test_distributed_loki_runs_every_part_with_a_service_and_volumes_for_ingesters(mirror: Path) -> None:
    release = releases()["loki"]
    found = objects(mirror, release, reference_values("loki-distributed-azure-key"))
    parts = ("compactor", "distributor", "index-gateway", "ingester", "querier", "query-frontend", "query-scheduler")
    workloads = {key.name: d for key, d in found.items() if key.kind in WORKLOADS}
    assert set(workloads) == {f"loki-{part}" for part in (*parts, "gateway")}
    for part in parts:
        assert {f"-target={part}"} <= set(containers(workloads[f"loki-{part}"])[0]["args"])
        assert Key("Service", release.namespace, f"loki-{part}") in found
    assert workloads["loki-ingester"]["spec"]["replicas"] == 2
    assert workloads["loki-ingester"]["spec"]["volumeClaimTemplates"][0]["metadata"]["name"] == "data"


def test_a_chart_that_would_make_its_own_certificate_is_refused_in_words(mirror: Path) -> None:
    assert template(mirror, releases()["opentelemetry-operator"], reference_values("opentelemetry-operator-nocm")) == "refused"


class Leaf(NamedTuple):
    """One value that some stack sets, down into lists, and a release that sets it."""

    install: Install
    steps: tuple[str | int, ...]

    @property
    def path(self) -> str:
        """As the list of what is not modelled writes it: dots between keys, brackets around positions."""
        escaped = (f"[{step}]" if isinstance(step, int) else "." + step.replace(".", "\\.") for step in self.steps)
        return "".join(escaped).removeprefix(".")


def deep(values: Any, steps: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    children: Any = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    if not children or not values:
        yield steps
    else:
        for step, child in children:
            yield from deep(child, (*steps, step))


def other(value: Any) -> Any:
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return f"{value}-flipped"
    return [{"flipped": 1}] if isinstance(value, list) else {"flipped": 1}


def flipped(leaves: list[Leaf]) -> Any:
    """The values of a release with these leaves changed, all of one release."""
    values = copy.deepcopy(leaves[0].install.values)
    for leaf in leaves:
        parent: Any = values
        for step in leaf.steps[:-1]:
            parent = parent[step]
        parent[leaf.steps[-1]] = other(parent[leaf.steps[-1]])
    return values


@cache
def all_leaves() -> dict[str, dict[str, list[Leaf]]]:
    """chart -> path -> that value in every kind of stack that sets it."""
    found: dict[str, dict[str, list[Leaf]]] = {}
    for variant in EVERY:
        for install in installs(settings_of(variant)):
            for steps in deep(install.values):
                if steps:
                    leaf = Leaf(install, steps)
                    found.setdefault(install.release.chart, {}).setdefault(leaf.path, []).append(leaf)
    return found


@pytest.fixture(scope="session")
def plain(mirror: Path) -> dict[int, str]:
    """What every release of every kind of stack renders to, by the identity of its values."""
    unique = {id(leaf.install.values): leaf.install for paths in all_leaves().values() for leaves in paths.values() for leaf in leaves}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        texts = pool.map(lambda install: template(mirror, install.release, install.values), unique.values())
        return dict(zip(unique, texts, strict=True))


def test_every_stack_of_ours_renders_from_bundles(plain: dict[int, str]) -> None:
    assert len(plain) > 30
    assert not [text for text in plain.values() if text == "refused" or "kind:" not in text]


@pytest.mark.parametrize("chart", [chart for chart in CHARTS if chart != "prometheus-operator-crds"])
def test_every_value_we_set_makes_a_difference_or_stands_in_the_list_with_the_reason(
    chart: str, mirror: Path, plain: dict[int, str]
) -> None:
    def differs(leaves: list[Leaf]) -> bool:
        """Whether changing one value shows in any kind of stack that sets it."""
        return any(template(mirror, leaf.install.release, flipped([leaf])) != plain[id(leaf.install.values)] for leaf in leaves)

    modelled = {path: leaves for path, leaves in all_leaves()[chart].items() if coverage.reason(chart, path) is None}
    assert modelled
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        silent = [path for path, shows in zip(modelled, pool.map(differs, modelled.values()), strict=True) if not shows]
    assert not silent, f"{chart}: these values make no difference and no list says why: {', '.join(silent)}"


@pytest.mark.parametrize("chart", coverage.charts_with_gaps())
def test_what_the_list_calls_not_modelled_is_set_by_us_and_makes_no_difference(chart: str, mirror: Path, plain: dict[int, str]) -> None:
    everything = all_leaves()[chart]
    for entry in coverage.values_not_modelled(chart):
        paths = [path for path in everything if coverage.covers(entry, path)]
        assert paths, f"{chart}: no stack sets {entry}, so the list need not name it"
        for path in paths:
            for leaf in everything[path]:
                text = template(mirror, leaf.install.release, flipped([leaf]))
                assert text == plain[id(leaf.install.values)], f"{chart}: {path} does make a difference; the list is out of date"


def test_coverage_counts_the_leaves_of_a_release_and_those_the_list_names() -> None:
    counted = coverage.coverage("cert-manager", {"crds": {"enabled": True}, "startupapicheck": {"enabled": False}, "replicaCount": 1})
    assert counted == (2, 1)
    assert counted.total == 3


def test_a_path_in_the_list_speaks_for_what_is_below_it_and_for_nothing_beside_it() -> None:
    assert coverage.covers("a.b", "a.b")
    assert coverage.covers("a.b", "a.b.c")
    assert coverage.covers("a.b", "a.b[0].c")
    assert not coverage.covers("a.b", "a.bc")


def test_packing_twice_gives_the_same_bytes_and_the_lock_knows_them(tmp_path: Path) -> None:
    first, second = pack(ROOT / "charts.yaml", tmp_path / "first"), pack(ROOT / "charts.yaml", tmp_path / "second")
    names = sorted(path.name for path in first.parent.iterdir())
    assert names == sorted(path.name for path in second.parent.iterdir())
    assert len(names) == len(LOCK) + 1
    for name in names:
        assert (first.parent / name).read_bytes() == (second.parent / name).read_bytes(), name
    for chart, entry in read_yaml(first)["charts"].items():
        file = first.parent / f"{chart}-{entry['version']}.{'yaml' if entry.get('kind') == 'manifest' else 'tgz'}"
        assert sha256(file.read_bytes()).hexdigest() == entry["digest"]
        assert entry["standIn"] is True
        rest = {key: value for key, value in LOCK[chart].items() if key not in ("digest", "reason")}
        assert {key: value for key, value in entry.items() if key not in ("digest", "standIn")} == rest


def test_a_locked_chart_without_a_bundle_is_named(tmp_path: Path) -> None:
    lock = tmp_path / "charts.yaml"
    entry = {"version": "1.0.0", "appVersion": "1", "url": "x", "digest": None}
    lock.write_text(yaml.safe_dump({"charts": {"tempo": dict(entry), "nginx": entry}}))
    with pytest.raises(RehearsalError, match="chart nginx has no bundle") as raised:
        pack(lock, tmp_path / "mirror")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "mirror").exists()


@pytest.mark.parametrize("text", ["charts: [", "charts: {tempo: {}}", "[]", "charts: 3"])
def test_a_lock_that_says_nothing_useful_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    lock = tmp_path / "charts.yaml"
    lock.write_text(text)
    with pytest.raises(RehearsalError) as raised:
        pack(lock, tmp_path / "mirror")
    assert str(lock) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_mirror_that_cannot_be_written_is_named_and_nothing_half_made_stays(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RehearsalError, match="file/mirror"):
        pack(ROOT / "charts.yaml", tmp_path / "file" / "mirror")
    (tmp_path / "mirror" / "charts.yaml").mkdir(parents=True)
    with pytest.raises(RehearsalError, match="mirror"):
        pack(ROOT / "charts.yaml", tmp_path / "mirror")
    assert not list((tmp_path / "mirror").glob(".*"))


def test_bundles_stay_small() -> None:
    patterns = ("*/values.yaml", "*/templates/*", "*/manifest.yaml", "*/charts/**/*.yaml", "_lib/*")
    counted = [path for pattern in patterns for path in BUNDLES.glob(pattern)]
    lines = sum(len(path.read_text().splitlines()) for path in counted)
    assert len(counted) > 30
    assert lines < LINES, f"{lines} lines: a bundle is a contract, not a fork"
