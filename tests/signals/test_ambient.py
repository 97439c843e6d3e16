"""A stack in ambient mode on this machine: the gateway and the waypoint are the proxies that see requests, each under its own name."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.config import parse
from components.topology import plan
from signals import places
from signals.rendering import Stack
from signals.run import NO_ZTUNNEL, running
from tests.signals.conftest import CONFIG, FLUSH_MS, WAIT_SECONDS
from verify.checks import verify

pytestmark = pytest.mark.xdist_group("signals")


def test_a_request_is_found_everywhere_by_the_way_of_the_gateway_and_by_that_of_the_waypoint(tmp_path: Path) -> None:
    settings = parse({**CONFIG, "istio": {**CONFIG["istio"], "mode": "ambient"}})
    stack = Stack("local", settings, plan(settings, "istio-stack", "local"))
    with running(stack, tmp_path / "run", flush_every_ms=FLUSH_MS) as signals:
        assert NO_ZTUNNEL in signals.notes
        ways = places.entrances(signals)
        found = {way: {r.name: r for r in verify(here, places.subject(signals), WAIT_SECONDS)} for way, here in ways.items()}
    assert list(found) == ["through the gateway", "through the waypoint"]
    for results, proxy in zip(found.values(), ("istio-ingressgateway", "waypoint"), strict=True):
        assert {name: r.detail for name, r in results.items() if r.state == "failed"} == {}
        assert results["access log of the mesh"].detail == proxy
        # the application's log and span say their own name; those of the proxy, which is another pod, say the proxy's
        assert results["one service.name"].detail == "rolldice"
        assert results["span of the mesh"].detail.startswith(f"{proxy}: ")
        assert results["access log to trace"].state == "passed"
        assert results["source of the access log's name"].detail == "the address of its connection"
