"""Stacks rendered once for all tests of policies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.charts import ROOT
from review.render import Rendering
from review.work import render
from tests.rehearsal.conftest import control_plane
from tests.stacks import VARIANTS

__all__ = ["control_plane"]  # the one of the whole run
STACKS = ("local", "dev", "staging", "prod")
KINDS = ("ambient", "distributed")
"""Kinds of stacks beside those of the project: what no stack file has switched on."""


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with a stack more of each kind."""
    folder = tmp_path_factory.mktemp("policies") / "project"
    folder.mkdir()
    for part in ROOT.iterdir():
        if not part.name.startswith((".", "Pulumi.")) or part.name in ("Pulumi.yaml", *(f"Pulumi.{stack}.yaml" for stack in STACKS)):
            (folder / part.name).symlink_to(part)
    for kind in KINDS:
        config: dict[str, Any] = {"grafanaAdminPassword": {"secure": "v1:AAAA"}, **VARIANTS[kind]}
        document = {"config": {f"istio-stack:{key}": value for key, value in config.items()}}
        (folder / f"Pulumi.{kind}.yaml").write_text(yaml.safe_dump(document))
    return folder


@pytest.fixture(scope="session")
def rendered(root: Path) -> dict[str, Rendering]:
    """Every one of them, from bundles."""
    return render([*STACKS, *KINDS], root, bundles=True)
