"""Helm's own engine without a cluster: a release's objects for a pinned Kubernetes version and a pinned set of APIs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from yaml import YAMLError

from review import documents
from review.errors import Refusal

KUBE_VERSION = "1.36.3"
API_VERSIONS = (
    "monitoring.coreos.com/v1",
    "monitoring.coreos.com/v1/PodMonitor",
    "monitoring.coreos.com/v1/PrometheusRule",
    "monitoring.coreos.com/v1/ServiceMonitor",
    "cert-manager.io/v1",
    "cert-manager.io/v1/Certificate",
    "cert-manager.io/v1/Issuer",
)
"""Beside those of Kubernetes itself: the ones that a cluster serves once this program's first layers are there."""
_SECONDS = 120
_RANDOM = re.compile(
    rb"\b(?:genCA|genSelfSignedCert|genSignedCert|genPrivateKey|rand(?:Alpha|AlphaNum|Ascii|Numeric|Bytes|Int)"
    rb"|uuidv4|htpasswd|bcrypt|shuffle|encryptAES)"
)
_CLOCK = re.compile(rb"\{\{[^}]*\bnow\b[^}]*\}\}")
GENERATED = "(generated)"
"""Stands for what a chart makes anew each time: certificates, passwords, the time, and checksums over these."""


@dataclass(frozen=True)
class Install:
    """A release as the program asks for it."""

    name: str
    namespace: str
    archive: Path
    values: Mapping[str, Any]

    @property
    def content(self) -> str:
        """The same for all that render alike."""
        values = json.dumps(self.values, sort_keys=True)
        return sha256("\n".join((self.name, self.namespace, _digest(self.archive), values)).encode()).hexdigest()


class Renderer:
    """Renders releases, the same one once."""

    def __init__(self, binary: Path) -> None:
        self._binary = binary
        self._rendered: dict[str, list[dict[str, Any]]] = {}
        self._one_at_a_time = threading.Lock()

    def objects(self, install: Install) -> list[dict[str, Any]]:
        """The objects of a release, hooks and CRDs included, tests not. Refusal, in one line, where Helm refuses."""
        key = install.content
        with self._one_at_a_time:
            if key not in self._rendered:
                self._rendered[key] = self._steady(install)
            return self._rendered[key]

    def _steady(self, install: Install) -> list[dict[str, Any]]:
        objects = self._objects(install)
        changing = _changing(install.archive)
        if not changing:
            return objects
        if changing == "clock":
            time.sleep(1.1)  # the clock of templates ticks in seconds
        again = self._objects(install)
        return [settled(first, second) for first, second in zip(objects, again, strict=True)]

    def _objects(self, install: Install) -> list[dict[str, Any]]:
        try:
            return list(documents.parts(self._template(install)))
        except YAMLError as error:
            raise Refusal(f"release {install.namespace}/{install.name} renders to no YAML: {' '.join(str(error).split())[:300]}") from None

    def _template(self, install: Install) -> str:
        with tempfile.TemporaryDirectory(prefix="istio-stack-helm-") as folder:
            own = dict.fromkeys(("HOME", "HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"), folder)
            command = [str(self._binary), "template", install.name, str(install.archive), "--namespace", install.namespace, "--values", "-"]
            command += ["--include-crds", "--skip-tests", "--kube-version", KUBE_VERSION]
            command += [word for version in API_VERSIONS for word in ("--api-versions", version)]
            environment = {
                **{key: value for key, value in os.environ.items() if not key.startswith("HELM_")},
                **own,
                "TZ": "UTC",
                "GOGC": "400",
            }
            try:
                done = subprocess.run(
                    command,
                    input=json.dumps(install.values),
                    capture_output=True,
                    text=True,
                    timeout=_SECONDS,
                    check=False,
                    env=environment,
                )
            except subprocess.TimeoutExpired:
                raise Refusal(f"helm template {install.name} does not end within {_SECONDS} s") from None
        if done.returncode:
            raise Refusal(f"release {install.namespace}/{install.name}: {_short(done.stderr)}")
        return done.stdout


def settled(first: Any, second: Any) -> Any:
    """What two renderings have in common, and `(generated)` wherever they differ."""
    if isinstance(first, dict) and isinstance(second, dict) and first.keys() == second.keys():
        return {key: settled(value, second[key]) for key, value in first.items()}
    if isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        return [settled(one, other) for one, other in zip(first, second, strict=True)]
    return first if first == second else GENERATED


@cache
def _digest(archive: Path) -> str:
    return sha256(archive.read_bytes()).hexdigest()


@cache
def _changing(archive: Path) -> str:
    """What in a chart's templates differs from one rendering to the next: "clock", "random" or nothing."""
    found = ""
    with tarfile.open(archive) as tar:
        for member in tar:
            if "/templates/" in member.name and (file := tar.extractfile(member)):
                text = file.read()
                if _CLOCK.search(text):
                    return "clock"
                found = "random" if found or _RANDOM.search(text) else ""
    return found


def _short(text: str) -> str:
    """Helm's own message on one line."""
    return " ".join(text.replace("Error: ", "", 1).split())[:400]
