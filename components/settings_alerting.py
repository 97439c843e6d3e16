"""What the services promise, and who hears when a promise is at risk: objectives and alert receivers.

A receiver's secret (an address with a token in it, a password, a key) is never a setting: settings name the Secret and its key.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from components.settings_base import DnsLabel, Email, HttpsUrl, Model, matching

LATENCY_BOUNDARIES_MS: tuple[float, ...] = (
    *(0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000),
    *(300000, 600000, 1800000, 3600000),
)
"""Upper bounds of Envoy's default histogram, which Istio keeps unless an annotation changes it.

Source: envoy 1.38.3 source/common/stats/histogram_impl.cc.
"""


def _boundary(value: float) -> float:
    if value in LATENCY_BOUNDARIES_MS:
        return value
    below = [b for b in LATENCY_BOUNDARIES_MS if b < value]
    above = [b for b in LATENCY_BOUNDARIES_MS if b > value]
    near = " or ".join(f"{b:g}" if b < 1e6 else str(int(b)) for b in (*below[-1:], *above[:1]))
    raise PydanticCustomError("rule", "{rule}", {"rule": f"Istio's histogram has no such boundary; the nearest are {near}"})


LatencyMs = Annotated[float, Field(gt=0, allow_inf_nan=False), AfterValidator(_boundary)]
Objective = Annotated[float, Field(ge=50, le=99.999)]
"""Per cent of requests. Below 50 it promises nothing; beyond 99.999 a month's budget is 26 seconds, shorter than one scrape."""
ResourceName = Annotated[
    str, matching(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?", "must be the name of a Secret: lower-case letters, digits, hyphens, dots")
]
EntryName = Annotated[str, matching(r"[-._a-zA-Z0-9]{1,253}", "must be a key of a Secret: letters, digits, hyphens, dots, underscores")]
Authority = Annotated[str, matching(r"[a-zA-Z0-9][-.a-zA-Z0-9]*:\d{1,5}", "must be host:port, such as smtp.example.com:587")]
Channel = Annotated[str, matching(r"[#@]\S+", "must be a channel such as #alerts, or @somebody")]
Severity = Literal["critical", "warning", "info"]


class SloSettings(Model):
    """The objective of one Kubernetes Service in the mesh, over thirty days."""

    service: DnsLabel
    """Name of the Service."""
    namespace: DnsLabel
    """Namespace of the Service."""
    objective: Objective
    """Share of requests that must not fail, in per cent. A failure is a 5xx, or a gRPC status that is the server's fault."""
    latency_ms: LatencyMs | None = None
    """How long a request may take, in ms: one of the boundaries of Istio's histogram, as nothing between them is counted."""
    latency_objective: Objective | None = None
    """Share of requests that must be at least that fast, in per cent."""

    @property
    def name(self) -> str:
        """What every series and alert of it carries as `slo`."""
        return f"{self.namespace}/{self.service}"


class SecretReference(Model):
    """An entry of a Secret in Alertmanager's own namespace (`prometheus`). Somebody else makes that Secret."""

    name: ResourceName
    """Name of the Secret."""
    key: EntryName
    """Which of its entries."""


ReceiverKind = Literal["slack", "teams", "email", "pagerDuty", "webhook"]
RECEIVER_KEYS: dict[ReceiverKind, tuple[set[str], set[str]]] = {
    "slack": ({"secret", "channel"}, set()),
    "teams": ({"secret"}, set()),
    "email": ({"to", "from", "smarthost"}, {"username", "secret"}),
    "pagerDuty": ({"secret"}, set()),
    "webhook": ({"secret"}, set()),
}
"""What each kind must have, and what it may have besides."""


def _no_secret_in_clear(value: Any) -> Any:
    """A text here is a secret itself: refused without being repeated."""
    if isinstance(value, str):
        raise PydanticCustomError("in_clear", "stands in clear: name the Secret that holds it as {name, key}")
    return value


class ReceiverSettings(Model):
    """Somebody who hears of alerts."""

    name: DnsLabel
    """What Alertmanager calls it; each its own."""
    kind: ReceiverKind
    """How it hears."""
    severities: Annotated[tuple[Severity, ...], Field(strict=False)] = ("critical", "warning")
    """Which alerts it gets. Several receivers may get the same."""
    secret: Annotated[SecretReference | None, BeforeValidator(_no_secret_in_clear)] = None
    """slack: the incoming webhook's address. teams: the address of the workflow that takes posts. pagerDuty: the integration's routing
    key (Events API v2). webhook: the address that takes Alertmanager's own JSON. email: the password of `username`."""
    channel: Channel | None = None
    """slack: where it is posted."""
    to: Email | None = None
    """email: who gets it."""
    sender: Annotated[Email | None, Field(alias="from")] = None
    """email: who it is from."""
    smarthost: Authority | None = None
    """email: the relay that takes it, by STARTTLS."""
    username: Annotated[str, Field(min_length=1)] | None = None
    """email: who signs in at the relay."""


class AlertingSettings(Model):
    """Who hears of alerts, and where their runbooks can be read."""

    runbooks: HttpsUrl | None = None
    """Address of the folder docs/runbooks as people read it, so that each alert links to its own paragraph.
    Default: alerts name the file instead."""
    receivers: Annotated[tuple[ReceiverSettings, ...], Field(strict=False)] = ()
    """Default: nobody; alerts are then seen in Grafana and Alertmanager alone."""
