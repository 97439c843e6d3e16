"""A run's own copy of the project and stack file, so that the repository's files are read and never written."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

from rehearsal.errors import RehearsalError

_ENGINE_KEYS = ("encryptionsalt", "encryptedkey", "secretsprovider")


def known_stacks(root: Path) -> list[str]:
    """Names of the stacks that have a file in the project."""
    return sorted(path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in root.glob("Pulumi.*.yaml"))


def project_name(root: Path) -> str:
    """The project's name, the prefix of its configuration keys."""
    return _read(root / "Pulumi.yaml")["name"]


def read_config(root: Path, stack: str) -> dict[str, Any]:
    """The configuration of a stack by full key (`istio-stack:tempo`), as its file has it."""
    if not (root / f"Pulumi.{stack}.yaml").is_file():
        raise RehearsalError(
            f"stack {stack} is unknown: there is no Pulumi.{stack}.yaml; known are {', '.join(known_stacks(root)) or 'none'}"
        )
    return _read(root / f"Pulumi.{stack}.yaml").get("config") or {}


def encrypted_keys(config: Mapping[str, Any]) -> list[str]:
    """The keys whose value, or a part of it, is encrypted."""
    return [key for key, value in config.items() if value != _open(key, value)]


def with_placeholders(config: Mapping[str, Any]) -> dict[str, Any]:
    """The same configuration with a placeholder that says so in the place of each encrypted value."""
    return {key: _open(key, value) for key, value in config.items()}


def placeholder(key: str) -> str:
    """What stands in the place of a secret that nobody can read here."""
    return f"placeholder-for-{key.rpartition(':')[2]}"


def _open(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        if set(value) == {"secure"}:
            return placeholder(key)
        return {inner: _open(inner, part) for inner, part in value.items()}
    if isinstance(value, list):
        return [_open(key, part) for part in value]
    return value


def write_copy(root: Path, folder: Path, stack: str, config: Mapping[str, Any], keep: Collection[str] = ()) -> list[str]:
    """Writes project and stack file into a folder from which the engine works on the program in `root`.

    What an earlier copy holds under a key in `keep`, encrypted, goes on as it is; returns those of these keys that it does not hold.
    """
    folder.mkdir(parents=True, exist_ok=True)
    project = _read(root / "Pulumi.yaml")
    # The engine starts plugins in the folder of the program: paths relative to the project mean the same everywhere.
    project["main"] = os.path.relpath(root, folder)
    project["runtime"] = "python"
    _write(folder / "Pulumi.yaml", project)
    file = folder / f"Pulumi.{stack}.yaml"
    kept = _read(file) if file.exists() else {}
    before = kept.get("config") or {}
    encrypted = {key: before[key] for key in keep if isinstance(before.get(key), Mapping)}
    _write(file, {**{key: kept[key] for key in _ENGINE_KEYS if key in kept}, "config": {**config, **encrypted}})
    return [key for key in keep if key not in encrypted]


def _read(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        raise RehearsalError(f"{path} cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise RehearsalError(f"{path} is no YAML: {' '.join(str(error).split())}") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise RehearsalError(f"{path} must hold keys and values, it holds {type(document).__name__}")
    return document


def _write(path: Path, document: Mapping[str, Any]) -> None:
    temporary = path.with_suffix(".new")
    temporary.write_text(yaml.safe_dump(dict(document), sort_keys=False))
    temporary.replace(path)
