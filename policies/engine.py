"""The rules as the Pulumi engine asks them: of every resource, before it is made. policies/pack is the policy pack around these."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from components.charts import Charts
from policies.rules import RULES
from policies.subjects import facts, of_resource
from policies.waivers import Finding, Waiver
from rehearsal import tools

UNKNOWN = "(unknown)"
"""Stands for what is not known at preview."""
Report = Callable[[str], None]


def sdk() -> Any:
    """Pulumi's SDK for policies. It stands apart from the project's packages, as it asks for a protobuf older than Pulumi's own."""
    path = tools.ensure("pulumi_policy")["pulumi_policy"]
    folder = str(path.parent.parent)
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module("pulumi_policy")


def validator(rule: str, charts: Charts, waivers: Collection[Waiver]) -> Callable[[Any, Report], None]:
    """A rule as the engine calls it: with what it knows of one resource, and where to report to."""
    known = facts(charts)

    def validate(args: Any, report: Report) -> None:
        item = of_resource(args.resource_type, args.name, plain(args.props), charts)
        for found in RULES[rule](item, known) if item else ():
            finding = Finding("rules", found.check, str(found.key), found.where, found.what)
            if not any(waiver.covers(finding) for waiver in waivers):
                report(f"{found.key}{f', {found.where}' if found.where else ''}: {found.what}")

    return validate


def policies(package: Any, charts: Charts, waivers: Collection[Waiver]) -> list[Any]:
    """Every rule as a policy. What takes a whole rendering (network policies, a chart's own objects) is `make policy`'s alone."""
    return [
        package.ResourceValidationPolicy(name=name, description=(rule.__doc__ or name).strip(), validate=validator(name, charts, waivers))
        for name, rule in RULES.items()
    ]


def plain(value: Any) -> Any:
    """Properties as the engine's SDK hands them over, as plain data: it raises where a value is unknown."""
    if isinstance(value, Mapping):
        return {str(key): _at(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_at(value, number) for number in range(len(value))]
    return value


def _at(holder: Any, key: Any) -> Any:
    try:
        return plain(holder[key])
    except Exception as error:
        if type(error).__name__ != "UnknownValueError":
            raise
        return UNKNOWN
