"""The pages that are made from the code: whole, as committed, and missed when they are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from components.charts import ROOT
from components.config import SECRET_KEYS
from components.merge import read_yaml
from components.settings import Settings
from components.settings_base import DnsLabel, Model
from components.settings_rules import RULES
from pages import __main__ as command
from pages import charts, configuration, layers, rules
from pages.markdown import prose, table
from pages.schema import Reader
from rehearsal.errors import RehearsalError
from review.recorder import Registered, Run


def models(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, type[BaseModel], str]]:
    """Every field of every model, with the path under which a stack file has it."""
    for name, field in model.model_fields.items():
        here = f"{path}{field.alias}"
        yield here, model, name
        many = "[]" if "tuple[" in str(field.annotation) else ""
        for inner in classes(field.annotation):
            yield from models(inner, f"{here}{many}.")


def classes(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from classes(argument)


# the command


def test_the_committed_pages_are_what_the_code_makes(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--check"]) == 0, capsys.readouterr().err


@pytest.fixture
def two_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    pages: Mapping[str, Callable[[], str]] = {"one.md": lambda: "one\n", "two.md": lambda: "two\n"}
    monkeypatch.setattr(command, "PAGES", pages)


@pytest.mark.usefixtures("two_pages")
def test_a_check_names_the_pages_that_differ_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.md").write_text("one\n")
    (tmp_path / "two.md").write_text("2\n")
    assert command.main(["--check"], tmp_path) == command.DIFFER
    assert capsys.readouterr().err == "error: docs/two.md is not what the code makes: run `make docs`\n"
    assert (tmp_path / "two.md").read_text() == "2\n"


@pytest.mark.usefixtures("two_pages")
def test_what_is_written_passes_the_check(tmp_path: Path) -> None:
    assert command.main(["--check"], tmp_path) == command.DIFFER
    assert command.main([], tmp_path) == 0
    assert command.main(["--check"], tmp_path) == 0


@pytest.mark.usefixtures("two_pages")
def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([], tmp_path / "nowhere") == command.FAILED
    assert capsys.readouterr().err == f"error: {tmp_path}/nowhere/one.md: No such file or directory\n"


# configuration


def test_the_reference_has_every_key_of_the_settings_and_every_secret() -> None:
    page = configuration.page()
    for path, model, _ in models(Settings):
        heading = model is Settings and f"\n## {path}\n" in page
        assert heading or page.count(f"\n| `{path}` |") == 1, path
    assert all(f"`{key}`" in page for key in SECRET_KEYS)


def test_every_key_says_what_it_means() -> None:
    """Its docstring does, or that of the model that it holds."""
    for path, model, name in models(Settings):
        field = model.model_fields[name]
        assert field.description or any(inner.__doc__ for inner in classes(field.annotation)), f"{path} has no docstring"


def test_every_rule_is_said() -> None:
    page = configuration.page()
    for rule in RULES:
        said = rules.messages(rule)
        assert said, f"{rule.__name__} says nothing that a reader of its code could find"
        assert all(f"- `{line}`" in page for line in said)


def test_a_rule_is_said_as_its_message_with_gaps_where_only_a_run_knows() -> None:
    def rule(settings: Any) -> Iterator[str]:
        for store in ("tempo", "loki"):
            if settings.azure:
                yield f"azure.{store}Days is {settings.azure.days + 1:g}: too few"
        if settings.plain:
            yield "plain is set: remove it"

    assert rules.messages(rule) == ["azure.<store>Days is …: too few", "plain is set: remove it"]


class Inner(Model):
    """What is inside."""

    name: DnsLabel = "here"
    """Where."""


class Every(Model):
    """One key of each kind that the schema of a model knows."""

    inner: Inner = Inner(name="there")
    by_name: dict[DnsLabel, Inner] = Field(default_factory=dict)
    """Many by name."""
    several: Annotated[tuple[Inner, ...], Field(strict=False)] = ()
    """Many in order."""
    either: int | Literal["auto"] = "auto"
    """A `<number>` or <nothing>, a_b."""
    share: Annotated[float, Field(gt=0)] = 100.0
    tags: Annotated[dict[DnsLabel, str], Field(max_length=3)] = Field(default_factory=dict)
    needed: bool


def test_each_kind_of_key_is_told_in_words() -> None:
    schema = Every.model_json_schema()
    definitions = {**schema["$defs"], "Every": {key: value for key, value in schema.items() if key != "$defs"}}
    label = "text, must be a DNS label: 1 to 63 lower-case letters, digits or hyphens, no hyphen at an end"
    assert [tuple(row) for row in Reader(definitions).rows({"$ref": "#/$defs/Every"}, "x")] == [
        ("`x.inner`", "keys", "", "What is inside."),
        ("`x.inner.name`", label, "`there`", "Where."),
        ("`x.byName`", "names and keys", "", "Many by name."),
        ("`x.byName.<name>.name`", label, "`here`", "Where."),
        ("`x.several`", "list", "`[]`", "Many in order."),
        ("`x.several[].name`", label, "`here`", "Where."),
        ("`x.either`", "whole number or `auto`", "`auto`", "A `<number>` or &lt;nothing>, a\\_b."),
        ("`x.share`", "number, more than 0", "`100`", ""),
        ("`x.tags`", f"names ({label}) to text", "", ""),
        ("`x.needed`", "`true` or `false`", "required", ""),
    ]


# layers


def resource(name: str, parent: str = "", custom: bool = True, waits: tuple[str, ...] = (), **more: Any) -> Registered:
    kind = more.pop("kind", "Secret" if custom else "Thing")
    return Registered(name, f"istio-stack:role:{kind}", name, custom, parent, "", waits, more.get("inputs", {}), False, False)


def test_layers_stand_behind_what_they_wait_for_and_say_for_which_part() -> None:
    found = layers.layers(
        Run(
            {
                r.urn: r
                for r in (
                    resource("a-last", custom=False, waits=("z-secret", "m-space")),
                    resource("z-first", custom=False),
                    resource("z-secret", "z-first", inputs={"metadata": {"namespace": "z"}}),
                    resource("m", custom=False, waits=("z-secret",)),
                    resource("m-space", "m", kind="Namespace", inputs={"metadata": {"name": "mm"}}),
                    resource(
                        "m-release",
                        "m",
                        kind="Release",
                        inputs={"name": "r", "namespace": "n", "chart": "x/tempo-1.2.3.tgz", "version": "1.2.3"},
                    ),
                )
            },
            {},
            {},
        )
    )
    assert found == [
        layers.Layer("z-first", "role:Thing", (), ("z",), ()),
        layers.Layer("m", "role:Thing", ("r (tempo)",), ("mm", "n"), ("z-first",)),
        layers.Layer("a-last", "role:Thing", (), (), ("m: Namespace m-space", "z-first")),
    ]


def test_every_layer_of_the_program_is_on_the_page() -> None:
    program = (ROOT / "__main__.py").read_text()
    page = (ROOT / "docs" / "layers.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert rows
    assert all(f'"{line.split("`")[1]}"' in program for line in rows)


def test_a_page_without_a_place_for_the_layers_is_one_line() -> None:
    with pytest.raises(RehearsalError, match=r"docs/architecture\.md has no place for the layers"):
        layers.drawn("# Architecture\n")


# charts and Markdown


def test_every_chart_of_the_lock_is_on_its_page_with_its_digest_or_why_not() -> None:
    page = charts.page()
    for name, entry in read_yaml(ROOT / "charts.yaml")["charts"].items():
        (line,) = [line for line in page.splitlines() if line.startswith(f"| {name} ")]
        assert f"| {entry['version']} |" in line
        assert (entry["digest"] or entry["reason"]) in line


def test_a_cell_ends_where_it_should() -> None:
    assert table(("a", "b"), [("x|y", "two\nlines")]) == "| a | b |\n| --- | --- |\n| x&#124;y | two lines |"


def test_what_is_no_code_means_nothing_to_markdown() -> None:
    assert prose("a_b *c* <d> \\ `a_b *c* <d>`") == "a\\_b \\*c\\* &lt;d> \\\\ `a_b *c* <d>`"
