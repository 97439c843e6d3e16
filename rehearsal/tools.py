"""Tools of the rehearsal: found in the cache, or on PATH."""

import os
from pathlib import Path

from rehearsal.errors import RehearsalError

ROOT = Path(__file__).parent.parent


def ensure(*names: str) -> dict[str, Path]:
    """Paths of the named tools."""
    cache = Path(os.environ.get("ISTIO_STACK_TOOLS") or ROOT / ".tools")
    found = {}
    for name in names:
        hit = next(iter(sorted(cache.glob(f"*/{name}"))), None)
        if hit is None:
            raise RehearsalError(f"{name} is not in {cache}")
        found[name] = hit
    return found
