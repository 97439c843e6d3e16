"""The repository's project and stack files are read, copied and never written."""

from pathlib import Path

import pytest
import yaml

from rehearsal import stack_files
from rehearsal.errors import RehearsalError
from tests.rehearsal.rig import PROGRAM


def test_an_unknown_stack_names_the_known_ones() -> None:
    with pytest.raises(RehearsalError, match=r"^stack prod is unknown: there is no Pulumi\.prod\.yaml; known are local$"):
        stack_files.read_config(PROGRAM, "prod")


def test_an_encrypted_value_becomes_a_placeholder_wherever_it_stands() -> None:
    config = {"p:one": {"secure": "v1:x"}, "p:two": {"list": [{"deep": {"secure": "v1:y"}}, 3]}, "p:three": "plain"}
    assert stack_files.with_placeholders(config) == {
        "p:one": "placeholder-for-one",
        "p:two": {"list": [{"deep": "placeholder-for-deep"}, 3]},
        "p:three": "plain",
    }
    assert stack_files.encrypted_keys(config) == ["p:one", "p:two"]


def test_the_copy_runs_the_program_where_it_is(tmp_path: Path) -> None:
    copy = tmp_path / "deep" / "work"
    stack_files.write_copy(PROGRAM, copy, "local", {"small:greeting": "hello"})
    project = yaml.safe_load((copy / "Pulumi.yaml").read_text())
    assert (copy / project["main"]).resolve() == PROGRAM
    assert not Path(project["main"]).is_absolute()
    assert yaml.safe_load((copy / "Pulumi.local.yaml").read_text()) == {"config": {"small:greeting": "hello"}}


def test_the_copy_keeps_the_salt_of_its_own_secrets(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.local.yaml").write_text("encryptionsalt: ours\nconfig: {a: b}\n")
    stack_files.write_copy(PROGRAM, tmp_path, "local", {})
    assert yaml.safe_load((tmp_path / "Pulumi.local.yaml").read_text()) == {"encryptionsalt": "ours", "config": {}}


def test_a_broken_stack_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.local.yaml").write_text("config: [\n")
    with pytest.raises(RehearsalError) as caught:
        stack_files.read_config(tmp_path, "local")
    assert "Pulumi.local.yaml is no YAML" in str(caught.value) and "\n" not in str(caught.value)
