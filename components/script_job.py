"""Jobs that run one of our Python scripts in the cluster, with nothing but Python's standard library and no more rights than they need."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from components import images
from components.charts import ROOT
from components.presets import resources
from components.settings import Preset

IMAGE = "docker.io/library/python:3.13.9-alpine"
SCRIPTS = ROOT / "components" / "scripts"
HARDENED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
POD = {"runAsNonRoot": True, "runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
"""The user is none that a node has."""


def config_name(name: str, script: Path) -> str:
    """Name of the ConfigMap with a script; it holds the script's digest, so that another script is another Job."""
    return f"{name}-{sha256(script.read_bytes()).hexdigest()[:8]}"


def script_pod(
    name: str, script: Path, config: str, environment: list[dict[str, Any]], preset: Preset, registry: str | None = None
) -> dict[str, Any]:
    """Spec of a pod that runs a script out of a ConfigMap. The last line of its log becomes what `kubectl describe` shows."""
    return {
        "enableServiceLinks": False,
        "securityContext": POD,
        "containers": [
            {
                "name": name,
                "image": images.at(IMAGE, registry),
                "imagePullPolicy": "Always",
                "command": ["python", f"/scripts/{script.name}"],
                "env": environment,
                "resources": resources("gate", preset),
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "securityContext": HARDENED,
                "volumeMounts": [{"name": "scripts", "mountPath": "/scripts"}],
            }
        ],
        "volumes": [{"name": "scripts", "configMap": {"name": config}}],
    }


def variables(values: Mapping[str, str]) -> list[dict[str, Any]]:
    """Environment variables as a container takes them."""
    return [{"name": name, "value": value} for name, value in values.items()]
