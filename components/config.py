"""The border: a stack's configuration becomes settings, or one clear line per mistake.

Secrets never enter settings: each is a configuration key of its own, read by `require_secret` where it is used (a secret nested
in an object would come out of Pulumi's configuration as plain text).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env, is_config_secret
from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from components import settings_rules
from components.errors import ConfigurationError
from components.settings import LoadSettings, Model, Settings

KEYS: tuple[str, ...] = tuple(to_camel(name) for name in Settings.model_fields)
"""The configuration keys of the project, without the secrets."""
ADMIN_PASSWORD, ENTRA_CLIENT_SECRET = "grafanaAdminPassword", "grafanaEntraClientSecret"
SECRET_KEYS: tuple[str, ...] = (ADMIN_PASSWORD, ENTRA_CLIENT_SECRET)
"""Configuration keys that are secrets: set with `pulumi config set --secret`. `needed_secrets` says which a stack needs."""


def load() -> Settings:
    """Settings of the stack that runs. Raises ConfigurationError."""
    prefix = f"{pulumi.get_project()}:"
    everything = {**get_config_env(), **CONFIG.get()}
    config = {key.removeprefix(prefix): value for key, value in everything.items() if key.startswith(prefix)}
    settings = parse({key: _decoded(key, value) for key, value in config.items()})
    if settings.azure is not None and (bare := [key for key in SECRET_KEYS if key in config and not is_config_secret(prefix + key)]):
        raise ConfigurationError(
            f"{key} stands in clear in Pulumi.{pulumi.get_stack()}.yaml: a stack in Azure has its secrets encrypted, "
            f"`pulumi config set --secret {key} <value>`"
            for key in bare
        )
    return settings


def _decoded(key: str, value: Any) -> Any:
    """Pulumi hands every value over as text; what the model expects as an object is JSON inside it."""
    field = next((f for f in Settings.model_fields.values() if f.alias == key), None)
    if not isinstance(value, str) or field is None or not _models(field.annotation):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def needed_secrets(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The secrets that a configuration cannot do without, also where something else in it is wrong."""
    here: Any = config
    for key in ("grafana", "entraId", "clientAuthentication"):
        here = here.get(key) if isinstance(here, Mapping) else None
    return SECRET_KEYS if here == "clientSecret" else (ADMIN_PASSWORD,)


def parse(config: Mapping[str, Any], *, carried: bool = True) -> Settings:
    """Settings from the configuration keys of a stack (without the project's prefix).

    Raises ConfigurationError with one line for every mistake at once: the path of the key, its value, and the rule. Without `carried`
    a preset may be too small for the load.
    """
    lines = [f"{key} is not a configuration key{_closest(key)}" for key in sorted(set(config) - set(KEYS) - set(SECRET_KEYS))]
    needed = needed_secrets(config)
    lines += [f"{key} is missing: set it with `pulumi config set --secret {key} <value>`" for key in needed if not config.get(key)]
    if config.get(ENTRA_CLIENT_SECRET) and ENTRA_CLIENT_SECRET not in needed:
        lines.append(
            f"{ENTRA_CLIENT_SECRET} is set: grafana.entraId.clientAuthentication is not clientSecret, so nothing would use it; "
            f"`pulumi config rm {ENTRA_CLIENT_SECRET}`"
        )
    settings = None
    try:
        settings = Settings.model_validate({key: value for key, value in config.items() if key in KEYS})
        lines += settings_rules.broken(settings)
    except ValidationError as error:
        lines += [_line(detail) for detail in error.errors(include_url=False)]
    if carried and settings is not None and settings.load != LoadSettings():
        from components.capacity import shortfalls  # every chart's values at once: only a stack that states its load pays for them

        lines += shortfalls(settings)
    if settings is None or lines:
        raise ConfigurationError(lines)
    return settings


def _closest(key: str, known: tuple[str, ...] = KEYS + SECRET_KEYS) -> str:
    matches = get_close_matches(key, known, n=1)
    return f"; did you mean {matches[0]}?" if matches else f"; the keys are {', '.join(known)}"


def _line(detail: Any) -> str:
    path = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"{path} is not a configuration key{_closest(detail['loc'][-1], _siblings(detail['loc'][:-1]))}"
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    if detail["type"] == "in_clear":
        return f"{path} {detail['msg']}"
    if detail["type"] == "missing":
        return f"{path} is missing: it must be set"
    if detail["type"] == "model_type":
        return f"{path} is {detail['input']!r}: should be an object of keys"
    rule = detail["msg"].removeprefix("Input ").replace("String ", "")
    return f"{path} is {detail['input']!r}: {rule}"


def _models(annotation: Any) -> list[type[Model]]:
    """The models that a key's type allows: itself, or one of `X | None`."""
    candidates = [annotation, *getattr(annotation, "__args__", ())]
    return [c for c in candidates if isinstance(c, type) and issubclass(c, Model)]


def _siblings(path: tuple[Any, ...]) -> tuple[str, ...]:
    """The keys that may stand beside a misspelt one."""
    model: Any = Settings
    for part in path:
        if isinstance(part, int):
            continue
        field = next(f for name, f in model.model_fields.items() if part in (name, f.alias))
        model = next(iter(_models(field.annotation)), model)
    return tuple(field.alias or name for name, field in model.model_fields.items())
