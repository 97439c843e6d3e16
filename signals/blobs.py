"""The blob store of this path: Azurite, with the containers that the stores ask for."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from components import azurite as azurite_layer
from components.loki import connection_string
from components.settings import Settings
from components.topology import plan
from rehearsal.azurite import ACCOUNT, KEY, Azurite
from rehearsal.errors import RehearsalError
from signals import loki


def on_azurite(config: dict[str, Any], azurite: Azurite) -> dict[str, Any]:
    """Loki's configuration with this Azurite as its account, whichever account the stack has."""
    blobs = plan(Settings()).loki_blobs
    address = connection_string(blobs).replace(blobs.url, azurite.endpoint)
    return loki.changed(config, {f"{section}.storage.azure.connection_string": address for section in ("common", "ruler")})


def create_containers(azurite: Azurite) -> None:
    """Makes both stores' containers, as the Job in the cluster does. Raises RehearsalError."""
    env = {"BLOB_ENDPOINT": azurite.endpoint, "ACCOUNT_NAME": ACCOUNT, "ACCOUNT_KEY": KEY, "CONTAINERS": "tempo,loki"}
    command = [sys.executable, "-I", "-S", str(azurite_layer.SCRIPT)]
    done = subprocess.run(command, env=env, timeout=60, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RehearsalError(f"the blob containers cannot be made: {done.stderr.strip()[:300]}")
