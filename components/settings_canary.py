"""A second control plane of the mesh beside the first, for as long as an upgrade takes (docs/upgrade.md)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from components.settings_base import ChartVersion, DnsLabel, Model

if TYPE_CHECKING:
    from components.settings import Settings

UNNAMED = "default"
"""What Istio calls the revision of a control plane that was given no name."""


class CanarySettings(Model):
    """The control plane that no namespace of this stack follows: the next one before a promotion, the last one after it."""

    revision: DnsLabel
    """Its name; `default` for the control plane without one."""
    chart_version: ChartVersion | None = None
    """Its version. Default: what the lock pins as istiod; another one stands in the lock as `istiod@<version>`."""

    @property
    def name(self) -> str | None:
        """Its revision as charts take it: None for the control plane without a name."""
        return None if self.revision == UNNAMED else self.revision


def control_planes_differ(settings: Settings) -> Iterator[str]:
    """Two control planes have two names, and a tag is none of them."""
    istio = settings.istio
    first = istio.revision or UNNAMED
    second = istio.canary.revision if istio.canary else None
    if second == first:
        yield f"istio.canary.revision is {second}: istio.revision is the same; two control planes beside each other need two names"
    if istio.tag is not None and istio.tag in (first, second, UNNAMED):
        yield f"istio.tag is {istio.tag}: that is the name of a control plane; a tag points to one and has a name of its own"


def canaries_are_of_our_mesh(settings: Settings) -> Iterator[str]:
    """Only a mesh that is installed from here, with a proxy in every pod, has control planes that namespaces move between."""
    istio = settings.istio
    canary = istio.canary and istio.canary.revision
    for key, value in (("canary.revision", canary), ("tag", istio.tag), ("chartVersion", istio.chart_version)):
        if value is None:
            continue
        if istio.source == "existing":
            yield f"istio.{key} is {value}: istio.source is existing, so its control planes are moved where they come from; remove the key"
        elif istio.mode == "ambient" and key != "chartVersion":
            yield (
                f"istio.{key} is {value}: istio.mode is ambient, where one ztunnel serves a whole node and namespaces follow no revision; "
                "remove the key and upgrade in place (docs/upgrade.md)"
            )
