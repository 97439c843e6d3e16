"""The commands as a user gives them: what they print, how they end, what they leave."""

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from rehearsal import cli, order, probe, run_lock, session
from rehearsal.cluster import Cluster
from rehearsal.control_plane import ControlPlane
from rehearsal.errors import RehearsalError
from rehearsal.order import Gate, Pair, Proof
from rehearsal.processes import free_ports
from tests.rehearsal.rig import PROGRAM, Rig


def give(root: Path, *arguments: object) -> int:
    """The exit code of a command in a project, offline."""
    return cli.main([*map(str, arguments), "--offline"], root)


def on_current(rig: Rig, command: str, *arguments: object) -> int:
    """A command on the cluster that KUBECONFIG names."""
    return give(rig.options.root, command, "--cluster", "current", "--directory", rig.options.directory, *arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fly"], "invalid choice: 'fly'"),
        (["up", "--cluster", "moon"], "invalid choice: 'moon'"),
        (["up", "--pod-start", "soon"], "soon is not a number of seconds above 0 and up to 600"),
        (["up", "--pod-start", "-1"], "-1 is not a number of seconds above 0"),
        (["up", "--set", "istio"], "istio is not KEY=VALUE"),
    ],
)
def test_wrong_arguments_name_themselves(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_an_unknown_stack_is_refused_before_anything_is_started(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert give(PROGRAM, "up", "--stack", "prod", "--directory", tmp_path) == 1
    assert capsys.readouterr().err == "error: stack prod is unknown: there is no Pulumi.prod.yaml; known are local\n"
    assert {path.name for path in tmp_path.iterdir()} == {"run.lock"}


def test_bad_settings_are_refused_before_anything_is_started(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changes = ("--set", "tempoo={mode: single}", "--set", "loki={retentionDays: 0}")
    assert give(cli.tools.ROOT, "up", "--directory", tmp_path, *changes) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "error: tempoo is not a configuration key; did you mean tempo?",
        "error: loki.retentionDays is 0: should be greater than or equal to 1",
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"run.lock"}


def test_a_second_run_in_the_same_directory_says_who_holds_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with run_lock.held(tmp_path):
        assert give(PROGRAM, "up", "--directory", tmp_path) == 1
    assert capsys.readouterr().err == f"error: {tmp_path} is in use by another run (process {os.getpid()}): wait until it ends\n"
    with run_lock.held(tmp_path):
        assert (tmp_path / "run.lock").read_text() == str(os.getpid())


def test_a_kubeconfig_that_does_not_exist_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert give(PROGRAM, "up", "--cluster", "current", "--directory", tmp_path) == 1
    assert capsys.readouterr().err == f"error: no cluster: the kubeconfig {tmp_path / 'none'} does not exist\n"


def kubeconfig(folder: Path, server: str) -> Path:
    """A kubeconfig with one context, `away`."""
    file = folder / "kubeconfig"
    document = {
        "current-context": "away",
        "clusters": [{"name": "away", "cluster": {"server": server}}],
        "users": [{"name": "away", "user": {"token": "x"}}],
        "contexts": [{"name": "away", "context": {"cluster": "away", "user": "away"}}],
    }
    file.write_text(yaml.safe_dump(document))
    return file


def test_a_cluster_that_does_not_answer_is_named_with_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = f"https://127.0.0.1:{free_ports(1)[0]}"
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, server)))
    assert give(PROGRAM, "up", "--cluster", "current", "--directory", tmp_path) == 1
    assert capsys.readouterr().err.startswith(f"error: cluster away at {server} does not answer: start it, or choose another context in ")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_a_disk_that_fails_us_is_one_line(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(number, "whatever", "/some/file")

    monkeypatch.setattr(cli, "prepare", full)
    assert give(PROGRAM, "up", "--directory", tmp_path) == 1
    assert capsys.readouterr().err == f"error: /some/file: {os.strerror(number)}\n"


def test_placeholders_go_only_where_nothing_real_runs() -> None:
    written = {"small:password": {"secure": "x"}, "small:greeting": "hello"}
    config: dict[str, Any] = {"small:password": "placeholder-for-password"}
    simulated = cast(Cluster, SimpleNamespace(simulated=True))
    assert session._placeholders(config, written, "small", simulated) == [
        "password (encrypted)",
        f"sampleApp.image ({session.PLACEHOLDER_IMAGE})",
    ]
    real = cast(Cluster, SimpleNamespace(simulated=False, context="kind-kind"))
    with pytest.raises(RehearsalError, match=r"^password: encrypted in the stack file, and kind-kind is a real cluster: "):
        session._placeholders(config, written, "small", real)
    assert session._placeholders({}, {"small:greeting": "hello"}, "small", real) == []


def test_a_stack_goes_up_is_described_and_goes_away_again(rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawing = tmp_path / "drawn" / "up.svg"
    assert on_current(rig, "up", "--timeline", drawing) == 0
    first = capsys.readouterr()
    for fact in (
        "first: small 1.2.3",
        "Plugin        double (stands in for",
        "password (encrypted)",
        "nodes and pods are simulated",
        "Order ",
    ):
        assert fact in first.out
    assert "greeting  hello" in first.out and "[secret]" in first.out and "placeholder-for-password" not in first.out + first.err
    assert first.err.splitlines()[-1].startswith("up: 17 create (")
    assert drawing.read_text().startswith("<svg")

    assert on_current(rig, "up") == 0
    again = capsys.readouterr()
    assert again.out.count("unchanged") == 3
    assert again.err.splitlines()[-1].startswith("up: no change (")

    assert on_current(rig, "status") == 0
    status = capsys.readouterr().out
    assert "control plane: not up" in status and "stack local on rehearsal-" in status and ": 17 resources" in status

    assert on_current(rig, "down") == 0
    assert "the state of a stack on another cluster" in capsys.readouterr().err
    assert len(rig.namespaces()) == 3

    assert on_current(rig, "destroy") == 0
    assert capsys.readouterr().err.splitlines()[-1].startswith("destroy: 17 delete (")
    assert rig.namespaces() == []
    assert on_current(rig, "destroy") == 0
    assert "nothing to destroy: stack local is not on" in capsys.readouterr().err


def test_a_configured_cluster_is_the_one_that_the_stack_names(
    rig: Rig, control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    relative = os.path.relpath(control_plane.kubeconfig, rig.options.root)
    rig.configure(cluster={"kubeconfig": relative, "context": "rehearsal"})
    assert give(rig.options.root, "preview", "--cluster", "configured", "--directory", rig.options.directory) == 0
    assert "+ first: Namespace first" in capsys.readouterr().out
    rig.configure(cluster={"kubeconfig": relative, "context": "elsewhere"})
    assert give(rig.options.root, "preview", "--cluster", "configured", "--directory", rig.options.directory) == 1
    assert "context elsewhere: " in capsys.readouterr().err


def test_an_order_that_does_not_hold_fails_the_run(rig: Rig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    early = Pair("Pod a/b", order.datetime(2026, 1, 1), Gate("webhook w", None, "nobody served"))
    monkeypatch.setattr(order, "prove", lambda api, since: Proof({"webhook w"}, [early]))
    assert on_current(rig, "up") == 1
    told = capsys.readouterr()
    assert "1 of 1 objects were made before what admits them" in told.out
    assert told.err.splitlines()[-1] == f"error: order: {early.violation}"


def test_a_rehearsal_brings_its_own_cluster_and_down_removes_it_with_all_that_it_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "rehearsal"
    try:
        assert give(PROGRAM, "destroy", "--directory", home) == 0
        assert "there is no rehearsal cluster" in capsys.readouterr().err
        assert give(PROGRAM, "up", "--directory", home, "--pod-start", "0.3", "--set", "greeting=tried") == 0
        assert "greeting  tried" in capsys.readouterr().out
        plane = ControlPlane.attach(home)
        assert plane is not None and plane.kubeconfig == home / "kubeconfig"
    finally:
        assert give(PROGRAM, "down", "--directory", home) == 0
    assert not home.exists()
    assert ControlPlane.attach(home) is None
    assert give(PROGRAM, "down", "--directory", home) == 0


def test_offline_is_remembered_for_the_whole_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(probe.OFFLINE, raising=False)
    give(PROGRAM, "up", "--stack", "none", "--directory", tmp_path)
    assert os.environ.pop(probe.OFFLINE) == "1"
