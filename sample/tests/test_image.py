"""Tests of the image's recipe, and of building and loading it with stand-ins for docker and kind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import requires, version
from pathlib import Path

import pytest
import yaml

from components.settings import Settings
from sample import image
from sample.image import HERE, IMAGE, QUESTION_SECONDS

ROOT = HERE.parent
DOCKER = 'case "$1" in version) echo 29.1.3;; esac'
KIND = 'case "$1" in get) echo kind; echo other;; esac'


class Machine:
    """A PATH with the tools that a test puts there; each notes how it was called."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "bin"
        self.path.mkdir()
        self.notes = folder / "calls"
        self.notes.touch()

    def put(self, name: str, does: str) -> Machine:
        tool = self.path / name
        tool.write_text(f'#!/bin/sh\necho "{name} $* attestations=${{BUILDX_NO_DEFAULT_ATTESTATIONS-default}}" >> {self.notes}\n{does}\n')
        tool.chmod(0o755)
        return self

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if name != "KIND_CLUSTER_NAME"}
        env = {**kept, "PATH": str(self.path), **environment}
        command = [sys.executable, "-m", "sample.image", *arguments]
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=QUESTION_SECONDS + 30, check=False)

    @property
    def calls(self) -> list[str]:
        return self.notes.read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def assert_fails(done: subprocess.CompletedProcess[str], line: str) -> None:
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: {line}\n")


def test_the_image_is_built_and_loaded_and_the_setting_is_printed(machine: Machine) -> None:
    done = machine.put("docker", DOCKER).put("kind", KIND).run()
    assert (done.returncode, done.stderr) == (0, "")
    assert machine.calls[-2:] == [
        f"docker build --tag {IMAGE} {HERE} attestations=1",
        f"kind load docker-image {IMAGE} --name kind attestations=default",
    ]
    assert f"  pulumi config set --path istio-stack:sampleApp.image {IMAGE}\n" in done.stdout


def test_the_printed_setting_is_one_the_program_takes(machine: Machine) -> None:
    done = machine.put("docker", DOCKER).put("kind", KIND).run()
    config = yaml.safe_load(done.stdout.splitlines()[-1])
    parsed = Settings.model_validate({key.removeprefix("istio-stack:"): value for key, value in config.items()})
    assert parsed.sample_app.image == IMAGE


@pytest.mark.parametrize(("arguments", "environment"), [(["--cluster", "other"], {}), ([], {"KIND_CLUSTER_NAME": "other"})])
def test_another_cluster_may_be_named(machine: Machine, arguments: list[str], environment: dict[str, str]) -> None:
    done = machine.put("docker", DOCKER).put("kind", KIND).run(*arguments, **environment)
    assert done.returncode == 0
    assert machine.calls[-1].startswith(f"kind load docker-image {IMAGE} --name other ")


def test_a_machine_without_docker_is_told_so(machine: Machine) -> None:
    assert_fails(machine.put("kind", KIND).run(), "docker is not on PATH: it builds the image")


def test_a_machine_without_kind_is_told_so_before_the_build(machine: Machine) -> None:
    done = machine.put("docker", DOCKER).run()
    assert_fails(
        done,
        "kind is not on PATH: it loads the image into a cluster; "
        "for any other cluster, build sample/ and push it to a registry that the cluster reads",
    )
    assert machine.calls == []


def test_a_docker_that_does_not_run_is_named_with_its_own_reason(machine: Machine) -> None:
    says = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
    done = machine.put("docker", f'echo "{says}" >&2; exit 1').put("kind", KIND).run()
    assert_fails(done, f"docker does not answer; is it running? ({says})")


def test_a_docker_that_hangs_is_not_waited_for(machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    machine.put("docker", "exec /bin/sleep 60").put("kind", KIND)
    monkeypatch.setenv("PATH", str(machine.path))
    monkeypatch.setattr(image, "QUESTION_SECONDS", 0.5)
    assert image.main([]) == 1
    reason = "no answer to `docker version --format {{.Server.Version}}` in 0.5 s"
    assert capsys.readouterr().err == f"error: docker does not answer; is it running? ({reason})\n"


def test_a_cluster_that_is_missing_is_named_before_the_build(machine: Machine) -> None:
    done = machine.put("docker", DOCKER).put("kind", 'echo "No kind clusters found." >&2').run()
    assert_fails(done, "there is no kind cluster 'kind' (found: none): `kind create cluster --name kind` makes it")
    done = machine.put("kind", KIND).run("--cluster", "dev")
    assert_fails(done, "there is no kind cluster 'dev' (found: kind, other): `kind create cluster --name dev` makes it")
    assert not any(call.startswith("docker build") for call in machine.calls)


def test_a_failed_build_is_not_loaded(machine: Machine) -> None:
    done = machine.put("docker", f'{DOCKER}; [ "$1" = version ] || {{ echo "no space left" >&2; exit 17; }}').put("kind", KIND).run()
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "no space left\nerror: `docker build` failed with exit code 17; its reason is above\n"
    assert not any(call.startswith("kind load") for call in machine.calls)


def test_a_failed_load_prints_no_setting(machine: Machine) -> None:
    done = machine.put("docker", DOCKER).put("kind", f'{KIND}; [ "$1" = get ] || exit 3').run()
    assert_fails(done, "`kind load` failed with exit code 3; its reason is above")


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile as (word, rest), without comments, continued lines joined."""
    text = re.sub(r"^#.*\n", "", (HERE / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line]


def test_the_image_runs_as_a_user_that_the_kubelet_can_tell_is_not_root() -> None:
    users = [rest for word, rest in instructions() if word == "USER"]
    assert len(users) == 1
    uid, gid = users[0].split(":")
    assert int(uid) > 0 and int(gid) > 0


def test_the_base_is_glibc_and_one_exact_version() -> None:
    bases = {rest.split()[0] for word, rest in instructions() if word == "FROM"}
    assert len(bases) == 1
    assert re.fullmatch(r"docker\.io/library/python:3\.1[1-3]\.\d+-slim-[a-z]+", bases.pop())


def test_the_image_leaves_pythonpath_to_the_operator() -> None:
    assert [rest for word, rest in instructions() if word in {"ENV", "ARG"} and "PYTHONPATH" in rest] == []


def test_what_the_dockerfile_copies_is_in_the_build_context_and_nothing_else_is() -> None:
    copied = {rest.split()[0] for word, rest in instructions() if word == "COPY" and not rest.startswith("--from")}
    rules = [line for line in (HERE / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == copied
    assert all((HERE / name).exists() for name in copied)


def test_every_requirement_is_pinned_and_their_set_is_closed() -> None:
    """What is installed here satisfies the pins, and needs nothing that is not pinned: the image is the same tomorrow."""
    pins = dict(
        line.lower().split("==") for line in (HERE / "requirements.txt").read_text().splitlines() if line and not line.startswith("#")
    )
    assert {"flask", "waitress"} < set(pins)
    for name, pin in pins.items():
        assert version(name) == pin
        needed = {re.split(r"[^\w-]", want, maxsplit=1)[0].lower() for want in requires(name) or [] if "extra ==" not in want}
        assert {n for n in needed if not n.startswith(("colorama", "importlib-metadata"))} <= set(pins)
