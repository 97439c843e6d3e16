"""The reference of the configuration: every key with type, default, constraint and meaning, from the models themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from components import settings_rules
from components.config import SECRET_KEYS
from components.settings import Settings
from pages import rules
from pages.markdown import code, listed, prose, table
from pages.schema import Reader, Row, Schema

_INTRODUCTION = """\
# Configuration

`make docs` writes this page from `components/settings*.py`. A stack file, `Pulumi.<stack>.yaml`, holds only what differs from the defaults,
each key under `istio-stack:`. A key that is misspelt, a value out of its bounds and a broken rule each get one line, all of them at once,
before anything is touched.

Where no default stands, the key is not set. What is required is required once the key above it is there; `[]` stands for each entry of
a list, `<name>` for a name that you choose."""
_SECRETS = """\
## Secrets
Set with `pulumi config set --secret <key> <value>`, and never in clear: {keys}."""
_RULES = """\
## Rules between keys of different layers
What `up`, `preview` and every other command refuse, as they say it. `…` stands for a value, `<name>` for a name."""


def page() -> str:
    """The whole page."""
    schema = Settings.model_json_schema()
    models = {model.__name__: model for model in _models(Settings)}
    reader = Reader(schema["$defs"])
    single, sections = [], []
    for key, field in schema["properties"].items():
        name = reader.model(field)
        if name is None:
            single.append(Row(code(key), *reader.told(field, key in schema.get("required", ()))))
        else:
            sections.append(_section(key, field, reader, [models[found] for found in reader.reached(name)]))
    between = [line for rule in settings_rules.RULES for line in rules.messages(rule)]
    return (
        "\n\n".join(
            [
                _INTRODUCTION,
                _table(single),
                _SECRETS.format(keys=listed([code(key) for key in SECRET_KEYS])),
                *sections,
                f"{_RULES}\n\n{_list(between)}",
            ]
        )
        + "\n"
    )


def _section(key: str, field: Schema, reader: Reader, models: list[type[BaseModel]]) -> str:
    heading = f"## {key}\n{prose(field.get('description') or reader.said_of(field))}"
    parts = [heading, _table(reader.rows(field, key))]
    refused = [line for model in models for line in rules.of_model(model)]
    return "\n\n".join([*parts, *([f"Refused:\n\n{_list(refused)}"] if refused else [])])


def _table(rows: list[Row]) -> str:
    return table(("Key", "Type", "Default", "Meaning"), rows)


def _list(lines: list[str]) -> str:
    return "\n".join(f"- {code(line)}" for line in lines)


def _models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A model and all that its fields lead to."""
    yield model
    for field in model.model_fields.values():
        for found in _classes(field.annotation):
            yield from _models(found)


def _classes(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _classes(argument)
