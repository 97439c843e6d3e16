"""A stack as the objects it is made of: the program recorded, each release rendered by Helm, secrets concealed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from components.config import SECRET_KEYS
from components.errors import ConfigurationError
from rehearsal import stack_files, tools
from rehearsal.errors import RehearsalError
from review import archives, leaks
from review.archives import Wanted
from review.documents import Concealed
from review.errors import Refusal
from review.helm import Install, Renderer
from review.leaks import Leak
from review.objects import HELM, Key, Object, of_azure, of_kubernetes
from review.recorder import ACCOUNT_KEYS, KUBECONFIG, ROOT, SECRET, SIGNATURE

_SECONDS = 300
_RELEASE = "kubernetes:helm.sh/v3:Release"
_ONE_PROGRAM = threading.Lock()
"""One program at a time, as each holds a hundred megabytes; Helm works beside it on the objects of the one before."""
_KEYS = ("archive", "stand-in")


@dataclass(frozen=True)
class ChartUse:
    """A chart of a rendering."""

    version: str
    source: str
    """`archive` for the real one, `stand-in` for a bundle."""


@dataclass(frozen=True)
class Rendering:
    """Everything that one stack is made of."""

    stack: str
    objects: tuple[Object, ...]
    charts: Mapping[str, ChartUse]
    signals: tuple[str, ...] | None
    cost: Mapping[str, Any] | None
    leaks: tuple[str, ...]
    errors: tuple[str, ...] = ()
    """Why the program refuses this configuration; then there is nothing else."""
    waits: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """What must be there first, by URN: each resource of the program to all that it waits for, through whatever is between them."""


def stacks_of(root: Path) -> list[str]:
    """Every stack of a checkout that has a program."""
    return stack_files.known_stacks(root)


class Checkout:
    """One state of the project, from which stacks are rendered."""

    def __init__(
        self, root: Path, stacks: Sequence[str], folder: Path, renderer: Renderer, changes: Mapping[str, Any] | None = None
    ) -> None:
        """`changes` are configuration keys, without the project's prefix, that every stack has otherwise; None removes one."""
        self.root, self._folder, self._renderer = root, folder, renderer
        prefix = f"{stack_files.project_name(root)}:"
        over = {f"{prefix}{key}": value for key, value in (changes or {}).items()}
        self.configs = {
            name: {key: value for key, value in (stack_files.read_config(root, name) | over).items() if value is not None}
            for name in stacks
        }
        self._own = {
            name: {k.removeprefix(prefix): v for k, v in config.items() if k.startswith(prefix)} for name, config in self.configs.items()
        }
        self.wanted = {name: Wanted(root, own.get("chartLock", "charts.yaml"), own.get("chartMirror")) for name, own in self._own.items()}

    def real(self, stack: str) -> dict[str, Path]:
        """The real archives that this stack can have."""
        try:
            return archives.real(self.wanted[stack])
        except ConfigurationError as error:
            raise Refusal(str(error)) from None

    def render(self, chosen: Mapping[str, Mapping[str, Path]]) -> dict[str, Rendering]:
        """Every stack with these real archives, and bundles in the place of the others. Refusal where Helm refuses a release."""
        mirrors: dict[str, tuple[Path, dict[str, dict[str, Any]]]] = {}
        request: dict[str, Any] = {"root": str(self.root), "stacks": {}}
        for number, (stack, own) in enumerate(self._own.items()):
            same = next((s for s in mirrors if self.wanted[s] == self.wanted[stack] and chosen[s] == chosen[stack]), None)
            mirror = self._folder / f"mirror-{number}"
            mirrors[stack] = mirrors[same] if same else (mirror, archives.fill(self.wanted[stack], chosen[stack], mirror))
            request["stacks"][stack] = self._request(stack, own, mirrors[stack][0])
        answers = self._recorded(request)
        return {stack: self._rendering(stack, answer, *mirrors[stack]) for stack, answer in answers.items()}

    def _request(self, stack: str, own: Mapping[str, Any], mirror: Path) -> dict[str, Any]:
        encrypted = {key.rpartition(":")[2] for key in stack_files.encrypted_keys(self.configs[stack])}
        opened = {**stack_files.with_placeholders(own)}
        opened |= {key: stack_files.placeholder(key) for key in SECRET_KEYS if key in own}
        opened |= {"chartMirror": str(mirror), "chartLock": str(mirror / "charts.yaml")}
        texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in opened.items()}
        return {"config": texts, "secretKeys": sorted(encrypted)}

    def _recorded(self, request: Mapping[str, Any]) -> dict[str, Any]:
        asked, answer = self._folder / "request.json", self._folder / "answer.json"
        asked.write_text(json.dumps(request))
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PULUMI")}
        environment |= {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-P", "-m", "review.worker", str(asked), str(answer)]
        try:
            with _ONE_PROGRAM:
                done = subprocess.run(
                    command, cwd=self.root, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
                )
        except subprocess.TimeoutExpired:
            raise Refusal(f"the program does not end within {_SECONDS} s") from None
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or [f"it ended with code {done.returncode}"]
            raise Refusal(f"the program cannot be run: {last[0]}")
        return json.loads(answer.read_text())

    def _rendering(self, stack: str, answer: Mapping[str, Any], mirror: Path, entries: Mapping[str, Mapping[str, Any]]) -> Rendering:
        if "errors" in answer:
            return Rendering(stack, (), {}, None, None, (), tuple(answer["errors"]))
        resources = [r for r in answer["resources"] if r["custom"] and not r["type"].startswith("pulumi:")]
        layers = _layers(answer["resources"])
        known = {*ACCOUNT_KEYS.values(), KUBECONFIG, *(stack_files.placeholder(key) for key in SECRET_KEYS)}
        leaked = [(resource, leak) for resource in resources for leak in _leaks(resource, known)]
        literals = {leak.literal for _, leak in leaked if leak.literal}
        objects: list[Object] = []
        used: dict[str, ChartUse] = {}
        for resource in resources:
            layer, inputs = layers[resource["urn"]], concealed(resource["inputs"], known, literals)
            if resource["type"] != _RELEASE:
                objects.append(replace(_own_object(resource, inputs, layer), resource=resource["urn"]))
                continue
            file = Path(inputs["chart"]).name
            chart = next(name for name, entry in entries.items() if file == f"{name.partition('@')[0]}-{entry['version']}.tgz")
            used[chart] = ChartUse(str(entries[chart]["version"]), _KEYS[bool(entries[chart]["standIn"])])
            install = Install(inputs["name"], inputs["namespace"], mirror / file, inputs.get("values") or {})
            objects += [replace(item, resource=resource["urn"]) for item in self._release(install, chart, inputs.get("version"), layer)]
        found = tuple(sorted(_said(resource, leak) for resource, leak in leaked))
        signals = answer["signals"]
        order = sorted(objects, key=lambda item: (item.layer, item.key))
        waits = _waits(answer["resources"])
        return Rendering(stack, tuple(order), dict(sorted(used.items())), signals and tuple(signals), answer["cost"], found, waits=waits)

    def _release(self, install: Install, chart: str, version: str | None, layer: str) -> Iterator[Object]:
        spec = {"chart": chart, "version": version, "values": install.values}
        metadata = {"name": install.name, "namespace": install.namespace}
        body = {"apiVersion": HELM, "kind": "Release", "metadata": metadata, "spec": spec}
        yield Object(Key(HELM, "Release", install.namespace, install.name), layer, body, f"{install.namespace}/{install.name}")
        for rendered in self._renderer.objects(install):
            yield of_kubernetes(_without_secrets(rendered), layer, f"{install.namespace}/{install.name}")


def _own_object(resource: Mapping[str, Any], inputs: dict[str, Any], layer: str) -> Object:
    if resource["type"].startswith("kubernetes:"):
        return of_kubernetes(_without_secrets(inputs), layer)
    return of_azure(resource["type"], resource["name"], inputs, layer)


def concealed(value: Any, known: Collection[str], literals: Collection[str] = ()) -> Any:
    """Inputs with every secret concealed: what is wrapped as one, each text that holds one of those known, and each that is a literal."""
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET:
            return _hidden(value["value"])
        return {key: concealed(child, known, literals) for key, child in value.items()}
    if isinstance(value, list):
        return [concealed(child, known, literals) for child in value]
    if isinstance(value, str) and (value in literals or any(secret in value for secret in known)):
        return Concealed(value)
    return value


def _hidden(value: Any) -> Any:
    """The same shape with every leaf concealed."""
    if isinstance(value, dict):
        return {key: _hidden(child) for key, child in value.items()}
    return [_hidden(child) for child in value] if isinstance(value, list) else Concealed(json.dumps(value))


def _without_secrets(body: dict[str, Any]) -> dict[str, Any]:
    if body.get("kind") != "Secret":
        return body
    return {key: _hidden(value) if key in ("data", "stringData") else value for key, value in body.items()}


def _leaks(resource: Mapping[str, Any], known: Collection[str]) -> Iterator[Leak]:
    release = resource["type"] == _RELEASE
    inputs = resource["inputs"].get("values") if release else resource["inputs"]
    return leaks.found(inputs, known, values=release)


def _said(resource: Mapping[str, Any], leak: Leak) -> str:
    release = resource["type"] == _RELEASE
    where = f"{resource['type'].rpartition(':')[2]} {resource['name']}, {'values.' if release else ''}{leak.path}"
    return f"secret in clear: {where} holds {leak.nature}; put it into a Secret and refer to that"


def _layers(resources: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The layer of each resource by URN: the nearest component above it."""
    by_urn = {r["urn"]: r for r in resources}

    def layer(resource: Mapping[str, Any]) -> str:
        above = by_urn.get(resource["parent"])
        return (above["name"] if not above["custom"] else layer(above)) if above else "stack"

    return {urn: layer(resource) for urn, resource in by_urn.items()}


def _waits(resources: Sequence[Mapping[str, Any]]) -> dict[str, frozenset[str]]:
    """All that each resource waits for: what it and the components above it depend on, and what those wait for in turn."""
    by_urn = {r["urn"]: r for r in resources}
    found: dict[str, frozenset[str]] = {}
    for urn in by_urn:
        seen: set[str] = set()
        todo = [urn]
        while todo:
            here: str = todo.pop()
            resource = by_urn.get(here)
            for other in (*resource["dependencies"], resource["parent"]) if resource else ():
                if other in by_urn and other not in seen:
                    seen.add(other)
                    todo.append(other)
        found[urn] = frozenset(other for other in seen if by_urn[other]["custom"])
    return found


def helm_binary() -> Path:
    """Helm, built where there is none. Refusal where it cannot be had."""
    try:
        return tools.ensure("helm")["helm"]
    except RehearsalError as error:
        raise Refusal(str(error)) from None
