"""Where the recorded truth is: the pinned charts as data and the real plugin's conversation.

They are other projects' work and no part of this repository, so tests read them from a folder beside the checkout.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.merge import equals_sign, read_yaml
from review.chart_values import over


class _Loader(yaml.CSafeLoader):
    """Fast, and not strict: a real chart may well say a key twice, Helm does not mind."""


_Loader.add_constructor("tag:yaml.org,2002:value", equals_sign)
FOLDER = Path(os.environ.get("ISTIO_STACK_REFERENCE", Path(__file__).resolve().parent.parent.parent / "shared"))


def path(*parts: str) -> Path:
    """A file of the reference. Its absence fails the test: a comparison with nothing would prove nothing."""
    found = FOLDER.joinpath(*parts)
    if not found.exists():
        pytest.fail(
            f"no {'/'.join(parts)} in the reference folder {FOLDER}: name the folder that holds it in ISTIO_STACK_REFERENCE", pytrace=False
        )
    return found


@cache
def rendered(chart: str) -> tuple[dict[str, Any], ...]:
    """The objects of a real chart, rendered with the reference values."""
    return _documents("charts", chart, "rendered.yaml")


@cache
def definitions(chart: str) -> tuple[dict[str, Any], ...]:
    """The CustomResourceDefinitions that a real chart installs."""
    return _documents("charts", chart, "crds.yaml")


def _documents(*parts: str) -> tuple[dict[str, Any], ...]:
    return tuple(document for document in yaml.load_all(path(*parts).read_text(), _Loader) if document)


@cache
def defaults(chart: str) -> dict[str, Any]:
    """The default values of a real chart, those of its subcharts under their names."""
    values = read_yaml(path("charts", chart, "values.yaml"))
    subcharts = FOLDER / "charts" / chart / "subcharts"
    for folder in sorted(subcharts.iterdir()) if subcharts.is_dir() else ():
        if (folder / "values.yaml").is_file():
            values[folder.name] = over(read_yaml(folder / "values.yaml") or {}, values.get(folder.name) or {})
    return values
