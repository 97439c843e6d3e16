"""What the documentation names is there: targets and variables of make, links and the headings they lead to, files, configuration keys."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.charts import ROOT
from components.config import SECRET_KEYS
from components.settings import Settings

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(" ".join(re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)).split())
VARIABLES = set(re.findall(r"\$[({](?:if \$[({])?([A-Z_]+)[)}]", MAKEFILE)) | set(re.findall(r"\b([A-Z_]+):[a-z-]+", MAKEFILE))
FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
PAGES = sorted([ROOT / "README.md", *(page for folder in FOLDERS - {"rendered", "tests"} for page in (ROOT / folder).rglob("*.md"))])


@pytest.fixture(params=PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def page(request: pytest.FixtureRequest) -> Path:
    return request.param


def commands(text: str) -> list[str]:
    """Every call of make: in a block of its own, or between backticks."""
    lines = re.findall(r"^    +((?:[A-Z_]+=\S+ )?make\b.*)$|`(make [^`]+)`", text, re.MULTILINE)
    return [" ".join((block or inline).partition("#")[0].split()) for block, inline in lines]


def anchors(path: Path) -> set[str]:
    """Those that GitHub makes of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_target_is_declared_and_has_a_rule() -> None:
    rules = set(" ".join(re.findall(r"^([a-z][\w -]*):(?!=)", MAKEFILE, re.MULTILINE)).split())
    assert rules == TARGETS


def test_a_check_looks_at_code_pages_and_workflows() -> None:
    line = ["make", "--dry-run", "--always-make", "check", "VENV=.venv"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert "Circular" not in done.stderr
    assert all(
        part in done.stdout for part in ("ruff check .", "ruff format --check .", "pyright", "-m pages --check", "-m operations.workflows")
    )


def test_the_help_names_every_target_and_no_other() -> None:
    comment = "\n".join(line for line in MAKEFILE.splitlines() if line.startswith("#   "))
    assert set(re.findall(r"\bmake ([a-z-]+)", comment)) == TARGETS - {"help"}


def test_the_pages_call_make_often() -> None:
    """The tests below see what they are to see."""
    assert len([command for path in PAGES for command in commands(path.read_text())]) > 40


def test_every_call_of_make_names_a_target_and_variables_that_there_are(page: Path) -> None:
    for command in commands(page.read_text()):
        words = re.sub(r"'[^']*'|<[^>]*>", "x", command.partition("make")[2]).split()
        assert {word for word in words if re.fullmatch(r"[a-z-]+", word)} <= TARGETS, command
        assert {word.partition("=")[0] for word in words if "=" in word} <= VARIABLES, command


def test_every_link_to_a_file_leads_to_one_and_to_a_heading_of_it(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, todo = set[Path](), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in reached:
            continue
        reached.add(page)
        links = [(page.parent / target.partition("#")[0]).resolve() for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text())]
        todo += [path for path in links if path.suffix == ".md" and path.is_file()]
        todo += [child for path in links if path.is_dir() for child in path.glob("*.md")]
    assert set((ROOT / "docs").rglob("*.md")) <= reached


def test_every_file_of_the_project_that_is_named_is_there(page: Path) -> None:
    for name in re.findall(r"`((?:[\w.<>*-]+/)+[\w.<>*-]*)`", page.read_text()):
        if name.partition("/")[0] in FOLDERS:
            assert list(ROOT.glob(re.sub(r"<[^>]*>", "*", name).rstrip("/"))), name


def test_every_decision_that_is_named_is_there(page: Path) -> None:
    for number in re.findall(r"\bdecisions? (\d{4})", page.read_text()):
        assert list((ROOT / "docs" / "decisions").glob(f"{number}-*.md")), number


def test_every_block_of_configuration_is_made_of_keys_that_there_are(page: Path) -> None:
    known = {field.alias for field in Settings.model_fields.values()} | set(SECRET_KEYS)
    for block in re.findall(r"(?:^    istio-stack:.*\n(?:^     .*\n)*)+", page.read_text() + "\n", re.MULTILINE):
        found: dict[str, Any] = yaml.safe_load(re.sub(r"^    ", "", block, flags=re.MULTILINE))
        assert {key.removeprefix("istio-stack:") for key in found} <= known, block
