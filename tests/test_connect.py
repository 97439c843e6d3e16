"""`make connect`: the kubeconfig of a stack's AKS cluster, by az and kubelogin."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from components.charts import ROOT
from components.preflight.__main__ import stack_settings
from operations import connect

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
AZ = [
    *("az", "aks", "get-credentials", "--subscription", SUBSCRIPTION),
    *("--resource-group", "rg-platform-dev", "--name", "aks-dev", "--overwrite-existing"),
]
KUBELOGIN = ["kubelogin", "convert-kubeconfig", "--login", "azurecli", "--context", "aks-dev"]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def fake(folder: Path, name: str, code: int = 0) -> None:
    """A program that notes how it was called."""
    line = f"open({str(folder.parent / 'calls')!r}, 'a').write(json.dumps([{name!r}, *sys.argv[1:]]) + chr(10))"
    (folder / name).write_text(f"#!{sys.executable}\nimport json, sys\n{line}\nsys.exit({code})\n")
    (folder / name).chmod(0o755)


def calls(folder: Path) -> list[list[str]]:
    return [json.loads(line) for line in (folder.parent / "calls").read_text().splitlines()]


def test_both_are_called_for_the_cluster_of_the_stack(programs: Path) -> None:
    fake(programs, "az")
    fake(programs, "kubelogin")
    assert connect.main(["--stack", "dev"]) == 0
    assert calls(programs) == [AZ, KUBELOGIN]
    assert connect.commands(stack_settings(ROOT, "dev"), "dev") == [AZ, KUBELOGIN]


def test_kubelogin_is_for_clusters_that_ask_for_it(programs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fake(programs, "az")
    assert connect.main(["--stack", "dev"]) == 0
    assert calls(programs) == [AZ]
    assert "there is no kubelogin on PATH" in capsys.readouterr().err


def test_what_fails_ends_it_with_its_exit_code(programs: Path) -> None:
    fake(programs, "az", code=3)
    fake(programs, "kubelogin")
    assert connect.main(["--stack", "dev"]) == 3
    assert calls(programs) == [AZ]


@pytest.mark.parametrize(
    ("stack", "said"),
    [
        ("dev", "there is no az on PATH: install the Azure CLI"),
        ("local", "stack local has no cluster.aks: its cluster is what kubectl uses, or what cluster.kubeconfig names"),
        ("nobody", "stack is nobody: there is no Pulumi.nobody.yaml"),
    ],
)
@pytest.mark.usefixtures("programs")
def test_a_question_without_an_answer_is_one_line(stack: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert connect.main(["--stack", stack]) == connect.BAD_INPUT
    assert capsys.readouterr().err == f"error: {said}\n"
