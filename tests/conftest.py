"""What all tests share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from components.charts import ROOT
from rehearsal.bundles.pack import pack
from tests import recorder
from tests.stacks import PASSWORD


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every chart's bundle and the lock that belongs to them."""
    folder = tmp_path_factory.mktemp("mirror")
    pack(ROOT / "charts.yaml", folder)
    return folder


@pytest.fixture(scope="session")
def record(mirror: Path) -> Any:
    """Runs the program against the recorder, with configuration given as objects. The same twice is run once, unless it must be `anew`."""

    def run(config: Mapping[str, Any], *, preview: bool = False, stack: str = "local", anew: bool = False) -> recorder.Run:
        everything = {
            "grafanaAdminPassword": PASSWORD,
            "chartMirror": str(mirror),
            "chartLock": str(mirror / "charts.yaml"),
            **config,
        }
        texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in everything.items()}
        key = json.dumps([texts, preview, stack], sort_keys=True)
        if anew:
            return recorder.run(texts, preview=preview, stack=stack)
        if key not in done:
            done[key] = recorder.run(texts, preview=preview, stack=stack)
        return done[key]

    done: dict[str, recorder.Run] = {}
    return run
