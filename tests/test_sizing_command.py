"""`make size` and `make docs`: their data files, their command line, their page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from components import capacity
from components.capacity import Load, coefficients
from components.charts import ROOT
from components.errors import ConfigurationError
from components.settings import LoadSettings
from sizing.__main__ import main
from sizing.data import environments, prices
from sizing.page import page
from sizing.plan import changes, plan
from tests.azure_stacks import AZURE, AZURE_VARIANTS
from tests.plans import CHEAP, PRICES, SMALL, environment_of, size_of, stack_file, written

# the data files

WRONG_PRICES: list[tuple[dict[str, Any], str]] = [
    ({"asOf": "last week"}, "asOf is 'last week': should be a valid date"),
    ({"hoursPerMonth": 8760}, "hoursPerMonth is 8760: should be less than or equal to 744"),
    ({"diskGiBPerMonth": {"LRS": -1, "ZRS": 1}}, "diskGiBPerMonth.LRS is -1: should be greater than or equal to 0"),
    ({"diskGiBPerMonth": {"LRS": 1}}, "diskGiBPerMonth has no price for ZRS"),
    ({"diskSizesGiB": [8, 4]}, "diskSizesGiB is [8, 4]: must be sizes, each greater than the one before"),
    ({"diskSizesGiB": []}, "diskSizesGiB is []: must be sizes, each greater than the one before"),
    ({"nodes": []}, "nodes is []: at least one size of node must have a price"),
    ({"nodes": [{"name": "two", "cpu": 2, "memoryGiB": 8, "perHour": 1}]}, "nodes.0.cpu is 2: should be greater than or equal to 4"),
    ({"nodes": [{"name": "x", "cpu": 4, "memoryGiB": 8, "perHour": 0}]}, "nodes.0.perHour is 0: should be greater than 0"),
    ({"blobGBPerMonth": {"LRS": 1}}, "blobGBPerMonth has no price for ZRS, GRS, RAGRS, GZRS, RAGZRS"),
    ({"discount": 0.3}, "discount is not a key of this file"),
]


@pytest.mark.parametrize(("change", "line"), WRONG_PRICES, ids=lambda p: p[:40] if isinstance(p, str) else "")
def test_a_mistake_in_the_prices_gets_one_line(change: dict[str, Any], line: str, tmp_path: Path) -> None:
    path = written(tmp_path, PRICES | change)
    with pytest.raises(ConfigurationError) as caught:
        prices(path)
    (found,) = caught.value.lines
    assert found.startswith(f"{path}: {line}")


def test_prices_without_a_key_name_it(tmp_path: Path) -> None:
    path = written(tmp_path, {key: value for key, value in PRICES.items() if key != "currency"})
    with pytest.raises(ConfigurationError, match="currency is missing: it must be set"):
        prices(path)


@pytest.mark.parametrize("content", [b"a: 1\na: 2\n", b"a: [1\n", b"\xff\xfe\xfd", None])
def test_prices_that_cannot_be_read_get_one_line(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        prices(path)
    (line,) = caught.value.lines
    assert line.startswith(f"{path} cannot be read: ")
    assert "\n" not in line


def test_the_prices_that_come_along_say_what_they_are() -> None:
    own = prices(ROOT / "prices.yaml")
    assert "approximations" in own.source
    assert own.as_of.year >= 2026
    assert own.region


def test_a_stack_file_speaks_for_its_environment(tmp_path: Path) -> None:
    example = environments(tmp_path)["dev"]
    assert (example.settings.preset, example.replication, example.settings.load.pods) == ("small", "LRS", 50)
    stack_file(
        tmp_path,
        "dev",
        {
            "load": {"pods": 7},
            "preset": "medium",
            "loki": {"retentionDays": 2, "volumeGi": 30},
            "istio": {"mode": "ambient"},
            "storage": {"kind": "azure"},
            "azure": {**AZURE, "replication": "Standard_RAGRS"},
            "cluster": {"aks": {"resourceGroup": "clusters", "name": "aks"}},
        },
    )
    stated = environments(tmp_path)["dev"]
    assert stated.settings.load == LoadSettings(pods=7)
    assert stated.replication == "RAGRS"
    made = plan(stated, CHEAP)
    assert (made.settings.preset, made.settings.loki.retention_days, made.volumes[2].gibibytes) == ("medium", 2, 30)
    assert {"ztunnel", "waypoints"} <= {row.component for row in made.rows}
    assert any(note.startswith("small would carry this load for ") for note in made.notes)


def test_a_stack_file_whose_preset_is_too_small_is_sized_and_not_refused(tmp_path: Path) -> None:
    stack_file(tmp_path, "dev", {"load": {"activeSeries": 900_000}})
    dev = environments(tmp_path)["dev"]
    made = plan(dev, CHEAP)
    assert made.settings.preset == "large"
    assert changes(dev, made) == ("preset large", "prometheus.volumeGi 76")
    assert [note for note in made.notes if note.startswith("preset")] == [
        "preset medium instead of small: 900,000 active series need 3.00 CPU of Prometheus, small gives 1.00",
        "preset medium instead of small: 900,000 active series need 7,152 MiB of memory of Prometheus, small gives 2,048",
        "preset large instead of medium: 900,000 active series need 3.00 CPU of Prometheus, medium gives 2.00",
        "preset large instead of medium: 900,000 active series need 7,152 MiB of memory of Prometheus, medium gives 6,144",
    ]


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ({"preset": "huge"}, "Pulumi.dev.yaml: preset is 'huge': should be 'small', 'medium' or 'large'"),
        ({"load": {"pods": -1}}, "Pulumi.dev.yaml: load.pods is -1: should be greater than or equal to 0"),
        ({"load": {"pod": 1}}, "Pulumi.dev.yaml: load.pod is not a configuration key; did you mean pods?"),
    ],
)
def test_a_mistake_in_a_stack_file_is_named(config: dict[str, Any], line: str, tmp_path: Path) -> None:
    stack_file(tmp_path, "dev", config)
    with pytest.raises(ConfigurationError) as caught:
        environments(tmp_path)
    assert caught.value.lines == (line,)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("- 1\n", "Pulumi.dev.yaml is [1]: should be an object of keys"),
        ("config: small\n", "Pulumi.dev.yaml: config is 'small': should be an object of keys"),
        ("config: {istio-stack:load: 5}\n", "Pulumi.dev.yaml: load is 5: should be an object of keys"),
    ],
)
def test_a_stack_file_of_another_shape_gets_one_line(text: str, line: str, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.dev.yaml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        environments(tmp_path)
    assert caught.value.lines == (line,)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"survives": "region"}, "environments.yaml: dev: survives is 'region': should be 'nothing', 'node' or 'zone'"),
        ({"nodes": 0}, "environments.yaml: dev: nodes is 0: should be greater than or equal to 1"),
        ({"tier": "Free"}, "environments.yaml: dev: tier is not a key of this file"),
    ],
)
def test_a_mistake_in_the_environments_gets_one_line(change: dict[str, Any], line: str, tmp_path: Path) -> None:
    path = tmp_path / "environments.yaml"
    entry = {"why": "x", "nodes": 1, "survives": "nothing", "clusterTier": "Free", "load": {}}
    path.write_text(yaml.safe_dump({"dev": entry | change}))
    with pytest.raises(ConfigurationError) as caught:
        environments(tmp_path, path)
    assert caught.value.lines == (line,)


def test_what_a_cluster_has_already_is_not_counted() -> None:
    there = environment_of(**AZURE_VARIANTS["existing"])
    found = {row.component for row in size_of(Load(pods=10, active_series=1000), there).rows}
    assert not found & {"cert-manager", "istiod", "gateway", "prometheus", "otel-operator", "azurite"}
    assert {"collector", "tempo", "loki", "alloy", "grafana", "sidecars"} <= found


def test_the_examples_are_carried_and_grow_from_dev_to_prod() -> None:
    found = environments()
    assert list(found) == ["dev", "staging", "prod"]
    costs = prices(ROOT / "prices.yaml")
    plans = [plan(e, costs) for e in found.values()]
    assert not [note for made in plans for note in made.notes if note.startswith("preset is ")]
    assert plans[0].total < plans[1].total < plans[2].total
    assert [made.settings.preset for made in plans] == [e.settings.preset for e in found.values()]


# the command and the page


def test_the_command_prints_every_environment_with_its_bill(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    for name in ("dev:", "staging:", "prod:", "collector", "in all", "USD", "approximations"):
        assert name in shown


def test_the_command_takes_a_load_a_retention_and_prices(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, PRICES)
    flags = ["--environment", "dev", "--pods", "12", "--log-mb-per-second", "0.5", "--retention-days", "9", "--prices", str(path)]
    assert main(flags) == 0
    shown = capsys.readouterr().out
    assert "load: 12 pods, 50 requests/s" in shown
    assert "metrics 9 days, traces 9, logs 9" in shown
    assert "note: Loki in distributed mode: 43 GB of logs a day" in shown
    assert "prices of 2026-01-01 for nowhere in EUR: round numbers" in shown
    assert "staging" not in shown


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--environment", "qa"], "error: environment is 'qa': must be one of dev, staging, prod"),
        (["--mesh", "none"], "error: mesh is 'none': must be sidecar or ambient"),
        (["--pods", "-1"], "error: pods is -1: should be greater than or equal to 0"),
        (["--pods", "many"], "error: pods is 'many': should be a valid integer"),
        (["--active-series", "1.5"], "error: activeSeries is 1.5: should be a valid integer"),
        (["--log-mb-per-second", "1MB"], "error: logMBPerSecond is '1MB': should be a valid number"),
        (["--spans-per-second", "nan"], "error: spansPerSecond is nan: should be a finite number"),
        (["--requests-per-second", "1e13"], "error: requestsPerSecond is 10000000000000.0: should be less than or equal to 1000000000000"),
        (["--retention-days", "0"], "error: retentionDays is 0: should be greater than or equal to 1"),
        (["--retention-days", "a week"], "error: retentionDays is 'a week': should be a valid integer"),
        (["--prices", "nowhere.yaml"], "error: nowhere.yaml cannot be read: No such file or directory"),
        (["--series", "5"], "error: unrecognized arguments: --series 5"),
    ],
)
def test_a_wrong_argument_gets_one_line_and_exit_code_two(flags: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(flags) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", f"{line}\n")


def test_several_wrong_arguments_get_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--pods", "x", "--log-mb-per-second", "-1", "--retention-days", "9999", "--mesh", "cni"]) == 2
    named = [line.split(" is ")[0] for line in capsys.readouterr().err.splitlines()]
    assert named == ["error: pods", "error: logMBPerSecond", "error: retentionDays", "error: mesh"]


def test_a_retention_that_azure_would_cut_short_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    stack_file(
        tmp_path,
        "dev",
        {
            "storage": {"kind": "azure"},
            "azure": {**AZURE, "lifecycle": {"lokiDays": 20}},
            "cluster": {"aks": {"resourceGroup": "clusters", "name": "aks"}},
        },
    )
    monkeypatch.setattr("sizing.__main__.environments", lambda: environments(tmp_path))
    assert main(["--environment", "dev", "--retention-days", "30"]) == 2
    assert capsys.readouterr().err == (
        "error: azure.lifecycle.lokiDays is 20: must be more than loki.retentionDays 30, or Azure deletes what is in use\n"
    )


# the page


def test_the_page_has_a_column_per_environment_and_a_source_per_figure() -> None:
    costs = prices(ROOT / "prices.yaml")
    text = page(environments(), costs)
    lines = text.splitlines()
    head = lines.index("|  | dev | staging | prod |")
    table = [line.split("|")[1:-1] for line in lines[head : lines.index("## Why") - 1]]
    assert {len(row) for row in table} == {4}
    total = [float(cell.strip(" *").replace(",", "")) for cell in table[-1][1:]]
    assert total == [round(plan(e, costs).total) for e in environments().values()]
    assert "Prices of" in text
    assert "approximations" in text
    assert all(f"`{name}`" in text for name in coefficients())


def test_the_committed_page_is_what_the_code_and_the_data_say_today(capsys: pytest.CaptureFixture[str]) -> None:
    """`make docs` writes it anew after a change of presets, stack files, coefficients or prices."""
    assert main(["--markdown"]) == 0
    assert (ROOT / "docs" / "sizes.md").read_text() == capsys.readouterr().out


def test_the_page_takes_figures_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--markdown", "--environment", "prod", "--pods", "77"]) == 0
    text = capsys.readouterr().out
    assert "|  | prod |" in text
    assert "| load | 77 pods, " in text


def test_a_plan_depends_on_nothing_that_ran_before() -> None:
    first = plan(SMALL, CHEAP)
    capacity.coefficients.cache_clear()
    assert plan(environment_of(**json.loads(SMALL.settings.model_dump_json(by_alias=True, exclude_defaults=True))), CHEAP) == first
