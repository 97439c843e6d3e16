"""Every kind of stack, rendered: the project's production, and each variant that tests go through."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

from review import work
from review.render import Rendering
from tests.review.changes import STACK, copy
from tests.stacks import EVERY

ENCRYPTED = {"secure": "v1:AAAA:AAAA"}
KINDS = (STACK, *EVERY)


def rendered(folder: Path, changes: Mapping[str, Any], kinds: Collection[str] = KINDS) -> dict[str, Rendering]:
    """Each with the same changes of its configuration, from a copy of the project and from bundles alone."""
    root = copy(folder)
    for variant in [kind for kind in kinds if kind != STACK]:
        keys = {f"istio-stack:{key}": value for key, value in {"grafanaAdminPassword": ENCRYPTED, **EVERY[variant]}.items()}
        (root / f"Pulumi.{variant}.yaml").write_text(yaml.safe_dump({"config": keys}))
    return work.render(list(kinds), root, bundles=True, changes=changes)
