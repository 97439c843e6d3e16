"""What the charts' bundles render for a stack, by the real Helm: the objects whose configuration runs here."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from components import istio, loki, prometheus, tempo
from components.charts import ROOT
from components.config import parse
from components.errors import ConfigurationError
from components.merge import parse_all_yaml, read_yaml
from components.settings import Settings
from components.topology import Release, Topology, plan
from rehearsal import stack_files, tools
from rehearsal.bundles.pack import pack
from rehearsal.errors import RehearsalError

KUBERNETES = "1.34"
SECONDS = 60


class Stack(NamedTuple):
    """A stack by name, with its choices and its names."""

    name: str
    settings: Settings
    topology: Topology


def read_stack(name: str, root: Path = ROOT, changes: Mapping[str, Any] | None = None) -> Stack:
    """The stack of Pulumi.<name>.yaml, some of its keys changed. Raises RehearsalError with one line for each mistake."""
    project = stack_files.project_name(root)
    config = stack_files.with_placeholders(stack_files.read_config(root, name))
    own = {key.removeprefix(f"{project}:"): value for key, value in config.items() if key.startswith(f"{project}:")}
    try:
        settings = parse({**own, **(changes or {})})
    except ConfigurationError as error:
        raise RehearsalError(str(error)) from None
    return Stack(name, settings, plan(settings, project, name))


class Rendered:
    """The objects of a stack's charts, rendered from bundles when they are asked for."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self._stack, self._folder = stack, folder
        self._lock = read_yaml(ROOT / "charts.yaml")["charts"]
        pack(ROOT / "charts.yaml", folder)

    def loki(self) -> dict[str, Any]:
        """Loki's configuration."""
        found = self._object(
            self._stack.topology.releases.loki, loki.values(self._stack.settings, self._stack.topology), "ConfigMap", "loki"
        )
        return _yaml(found["data"]["config.yaml"])

    def tempo(self) -> dict[str, Any]:
        """Tempo's configuration."""
        release = self._stack.topology.releases.tempo
        found = self._object(release, tempo.values(self._stack.settings, self._stack.topology), "ConfigMap", "tempo")
        return _yaml(found["data"]["tempo.yaml"])

    def prometheus(self) -> dict[str, Any]:
        """Spec of the Prometheus custom resource."""
        release = self._stack.topology.releases.prometheus
        return self._object(release, prometheus.values(self._stack.settings), "Prometheus")["spec"]

    def gateway(self) -> dict[str, Any]:
        """The ingress gateway's Deployment."""
        return self._object(self._stack.topology.releases.gateway, istio.gateway_values(self._stack.settings), "Deployment")

    def _object(self, release: Release, values: dict[str, Any], kind: str, name: str | None = None) -> dict[str, Any]:
        chart = self._folder / f"{release.chart}-{self._lock[release.entry]['version']}.tgz"
        command = [str(tools.ensure("helm")["helm"]), "template", release.name, str(chart), "--namespace", release.namespace]
        answer = subprocess.run(
            [*command, "--kube-version", KUBERNETES, "--values", "-"],
            input=json.dumps(values), capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        if answer.returncode:
            raise RehearsalError(f"chart {release.chart} does not render: {' '.join(answer.stderr.split())[:300]}")
        for found in parse_all_yaml(answer.stdout):
            if found["kind"] == kind and name in (None, found["metadata"]["name"]):
                return found
        raise RehearsalError(f"chart {release.chart} renders no {kind} {name or ''}".rstrip())


def _yaml(text: str) -> dict[str, Any]:
    (document,) = parse_all_yaml(text)
    return document
