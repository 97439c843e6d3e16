"""What the tests of the signal path share: one set of real processes, and the proof run against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from components.config import parse
from components.topology import plan
from signals import places
from signals.rendering import Stack, read_stack
from signals.run import Signals, running
from tests.stacks import IMAGE, PASSWORD
from verify.checks import verify
from verify.results import Result

WAIT_SECONDS = 25.0
CUT_WAIT_SECONDS = 5.0
"""Longer than what comes needs: each of the application, the proxies and the collector holds back for a second at most."""
FLUSH_MS = 500
CONFIG = {
    "grafanaAdminPassword": PASSWORD,
    "sampleApp": {"image": IMAGE},
    "istio": {"gatewayService": "ClusterIP", "samplingPercentage": 0},
    "opentelemetry": {"samplingPercentage": 0, "tls": True},
}
"""The stack `local` where nobody samples anything: what the proof finds all the same, its own traceparent has asked for. And, unlike there,
the collector takes TLS alone, as in staging and prod."""
IN_CLEAR = {**CONFIG, "opentelemetry": {"samplingPercentage": 0}}
Proof = Callable[..., dict[str, Result]]


def stack_of(config: dict[str, Any]) -> Stack:
    settings = parse(config)
    return Stack("local", settings, plan(settings, "istio-stack", "local"))


@pytest.fixture(scope="module")
def signals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signals]:
    assert stack_of(IN_CLEAR).topology == read_stack("local").topology
    with running(stack_of(CONFIG), tmp_path_factory.mktemp("signals"), flush_every_ms=FLUSH_MS) as found:
        yield found


@pytest.fixture(scope="module")
def prove(signals: Signals) -> Proof:
    """Runs the proof; results by the name of their check."""

    def run(wait: float = WAIT_SECONDS, datasources: list[dict[str, Any]] | None = None) -> dict[str, Result]:
        found = verify(places.of(signals, datasources), places.subject(signals), wait)
        assert len({result.name for result in found}) == len(found)
        return {result.name: result for result in found}

    return run
