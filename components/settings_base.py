"""What the modules of settings share: the model's rules, and types whose constraints say themselves in words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


@dataclass(frozen=True)
class Matching:
    """A constraint on text that says its rule in words instead of showing a regular expression, in the schema as `rule`, too."""

    pattern: re.Pattern[str]
    rule: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "rule": self.rule}

    def _check(self, value: str) -> str:
        if not self.pattern.fullmatch(value):
            raise PydanticCustomError("rule", "{rule}", {"rule": self.rule})
        return value


def matching(pattern: str, rule: str) -> Matching:
    """Text that matches a pattern as a whole; `rule` says in words what that takes."""
    return Matching(re.compile(pattern), rule)


Preset = Literal["small", "medium", "large"]
Source = Literal["install", "existing"]
"""`install`: this stack brings it. `existing`: the cluster has it already, and only what is missing around it is made."""
Percentage = Annotated[float, Field(ge=0, le=100)]
Rate = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
"""So many a second."""
RetentionDays = Annotated[int, Field(ge=1, le=3650)]
"""Days that a store keeps its data. Finite by design: blob storage that nobody empties is a bill that only grows."""
VolumeGi = Annotated[int, Field(ge=1, le=16384)]
Replicas = Annotated[int, Field(ge=1, le=100)]
Port = Annotated[int, Field(ge=1, le=65535)]
DnsLabel = Annotated[
    str,
    matching(
        r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", "must be a DNS label: 1 to 63 lower-case letters, digits or hyphens, no hyphen at an end"
    ),
]
HostName = Annotated[
    str,
    matching(
        r"(?=.{4,253}$)([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z]([-a-z0-9]{0,61}[a-z0-9])?",
        "must be a host such as grafana.example.com: in lower case, with a dot, without scheme, port, path or *",
    ),
]
ChartVersion = Annotated[str, matching(r"\d+\.\d+\.\d+", "must be an exact version such as 2.26.2")]
Email = Annotated[str, matching(r"[^@\s]+@[^@\s]+\.[^@\s]+", "must be an e-mail address")]
HttpsUrl = Annotated[str, matching(r"https://\S+", "must begin with https://")]
CalendarDay = Annotated[str, matching(r"\d{4}-\d{2}-\d{2}", "must be a day such as 2024-04-01")]
Mirror = Annotated[
    str,
    matching(r"https?://\S+|(?!.*://).+", "must be a folder or an http(s):// address (`helm pull` fills a folder from an OCI registry)"),
]
ImageRegistry = Annotated[
    str,
    matching(
        r"(localhost|[a-z0-9][a-z0-9-]*(\.[a-z0-9-]+)+|[a-z0-9][a-z0-9.-]*(?=:\d))(:\d+)?(/[a-z0-9._-]+)*",
        "must be a registry such as registry.example.com/mirror: a host with a dot or a port, no https://, no tag, no slash at the end",
    ),
]
ImageReference = Annotated[
    str,
    matching(
        r"(?!.*:latest$)[a-z0-9][a-z0-9._-]*(:\d+)?(/[a-z0-9._-]+)*(:[\w][\w.-]*|@sha256:[0-9a-f]{64})",
        "must be an image with a tag or digest, and not `latest`, of which nobody can say later what ran",
    ),
]


class Model(BaseModel):
    """What all settings share: frozen, camelCase on the outside, unknown keys refused, no silent conversion, docstrings as descriptions."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True
    )
