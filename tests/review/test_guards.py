"""What no change may do, rule by rule, on renderings made by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from review import guards
from review.judging import review
from review.objects import HELM, Key, Object
from review.render import Rendering
from review.work import Pair

PERIOD = {"from": "2024-04-01", "store": "tsdb", "object_store": "azure", "schema": "v13", "index": {"prefix": "loki_", "period": "24h"}}
YESTERDAY, TOMORROW = (f"{datetime.now(UTC).date() + timedelta(days):%Y-%m-%d}" for days in (-1, 1))


def stack(chart: str, version: str, values: dict[str, Any] | None = None, name: str = "") -> Rendering:
    """A stack of one release."""
    name = name or chart.partition("@")[0]
    body = {"apiVersion": HELM, "kind": "Release", "spec": {"chart": chart, "version": version, "values": values or {}}}
    return Rendering("x", (Object(Key(HELM, "Release", name, name), "layer", body, f"{name}/{name}"),), {}, (), None, ())


def together(*stacks: Rendering) -> Rendering:
    """One stack of the releases of several."""
    return Rendering("x", tuple(item for each in stacks for item in each.objects), {}, (), None, ())


def loki(*periods: dict[str, Any], name: str = "", **values: Any) -> Rendering:
    return stack("loki", "18.11.0", {"loki": {"schemaConfig": {"configs": list(periods)}}, **values}, name)


def refused(base: Rendering | None, head: Rendering) -> tuple[str, ...]:
    return review("x", Pair(base, head)).refusals


def test_a_changed_schema_period_is_refused() -> None:
    (line,) = refused(loki(PERIOD), loki({**PERIOD, "schema": "v12"}))
    assert line.startswith("release loki/loki: Loki's schema period from 2024-04-01 is changed")


def test_a_removed_schema_period_is_refused() -> None:
    later = {**PERIOD, "from": "2025-01-01"}
    (line,) = refused(loki(PERIOD, later), loki(PERIOD))
    assert "period from 2025-01-01 is removed" in line
    assert "append one that begins later" in line


def test_a_period_put_before_another_is_refused_by_its_own_name() -> None:
    """The ones around it cover less than they did; they themselves are what they were."""
    later = {**PERIOD, "from": "2025-01-01"}
    (first,) = refused(loki(PERIOD), loki({**PERIOD, "from": "2023-01-01"}, PERIOD))
    assert first.startswith("release loki/loki: Loki's schema period from 2023-01-01 is put before that from 2024-04-01: ")
    (between,) = refused(loki(PERIOD, later), loki(PERIOD, {**PERIOD, "from": "2024-08-01"}, later))
    assert "period from 2024-08-01 is put before that from 2025-01-01" in between


def test_a_removed_period_is_the_only_one_that_is_named() -> None:
    (line,) = refused(loki(PERIOD, {**PERIOD, "from": "2025-01-01"}), loki({**PERIOD, "from": "2025-01-01"}))
    assert "period from 2024-04-01 is removed" in line


def test_a_period_that_another_replaces_is_removed_and_the_other_one_put_there() -> None:
    later = {**PERIOD, "from": "2025-01-01"}
    removed, put = refused(loki(PERIOD, later), loki({**PERIOD, "from": "2023-01-01"}, later))
    assert "period from 2024-04-01 is removed" in removed
    assert "period from 2023-01-01 is put before that from 2025-01-01" in put


def test_periods_of_a_loki_that_moved_are_those_it_had() -> None:
    (line,) = refused(loki(PERIOD), loki({**PERIOD, "schema": "v12"}, name="logs"))
    assert line.startswith("release logs/logs, which was loki/loki: Loki's schema period from 2024-04-01 is changed")
    assert refused(loki(PERIOD), loki(PERIOD, name="logs")) == ()
    found = review("x", Pair(loki(PERIOD), loki(PERIOD, {**PERIOD, "from": YESTERDAY}, name="logs")))
    assert [note for note in found.notes if f"from {YESTERDAY} has begun already" in note]


def test_a_second_loki_has_periods_of_its_own() -> None:
    assert refused(loki(PERIOD), together(loki(PERIOD), loki({**PERIOD, "from": TOMORROW}, name="logs"))) == ()


def test_a_period_may_be_appended_that_has_not_begun() -> None:
    found = review("x", Pair(loki(PERIOD), loki(PERIOD, {**PERIOD, "from": TOMORROW})))
    assert (found.refusals, found.notes) == ((), ())


def test_an_appended_period_that_has_begun_is_said() -> None:
    found = review("x", Pair(loki(PERIOD), loki(PERIOD, {**PERIOD, "from": YESTERDAY})))
    assert found.refusals == ()
    assert [note for note in found.notes if f"from {YESTERDAY} has begun already" in note]


def test_a_new_stack_may_have_any_periods() -> None:
    found = review("x", Pair(None, loki(PERIOD)))
    assert (found.refusals, found.notes) == ((), ())


def test_a_major_whose_steps_nobody_wrote_down_is_refused() -> None:
    lines = refused(stack("loki", "17.2.0"), stack("loki", "20.0.0"))
    assert lines == tuple(
        f"chart loki goes from 17.2.0 to 20.0.0: upgrades/loki/{file}.yaml is missing; write its steps down first (docs/upgrade.md)"
        for file in ("18-19", "19-20")
    )


@pytest.mark.parametrize(
    ("chart", "start", "to"), [("loki", "12.1.0", "18.11.0"), ("loki", "18.1.0", "18.11.0"), ("istiod", "1.30.3", "1.31.0")]
)
def test_steps_that_are_written_down_are_not_refused(chart: str, start: str, to: str) -> None:
    assert refused(stack(chart, start), stack(chart, to)) == ()


def test_a_minor_counts_where_a_family_says_so() -> None:
    (line,) = refused(stack("base", "1.30.3"), stack("base", "1.32.0"))
    assert "upgrades/istio/1.31-1.32.yaml is missing" in line
    assert refused(stack("alloy", "1.11.1"), stack("alloy", "1.30.0")) == ()


def test_a_step_back_over_a_major_is_refused() -> None:
    (line,) = refused(stack("loki", "18.11.0"), stack("loki", "17.2.0"))
    assert line.startswith("chart loki goes back from 18.11.0 to 17.2.0")
    assert refused(stack("loki", "18.11.0"), stack("loki", "18.10.1")) == ()


def test_a_second_control_plane_is_no_step_of_the_first() -> None:
    base, canary = stack("istiod", "1.30.3"), stack("istiod@1.31.0", "1.31.0", name="istiod-next")
    both = together(base, canary)
    assert refused(base, both) == ()
    assert {release.chart for release in guards.installed(both).values()} == {"istiod"}


def test_a_second_control_plane_comes_from_the_newest_one() -> None:
    base = together(stack("istiod", "1.29.0", name="istiod-old"), stack("istiod", "1.30.3"))
    (line,) = refused(base, together(base, stack("istiod@1.32.0", "1.32.0", name="istiod-1-32-0")))
    assert line.startswith("chart istiod goes from 1.30.3 to 1.32.0: upgrades/istio/1.31-1.32.yaml is missing")


def test_a_step_of_several_releases_is_refused_once() -> None:
    base = stack("istiod", "1.30.3")
    head = together(stack("istiod", "1.32.0"), stack("istiod", "1.32.0", name="istiod-next"))
    assert len(refused(base, head)) == 1


def test_a_release_by_another_name_is_a_step_too() -> None:
    (line,) = refused(stack("loki", "18.11.0"), stack("loki", "19.0.0", name="logs"))
    assert "upgrades/loki/18-19.yaml is missing" in line
    (line,) = refused(stack("loki", "18.11.0"), stack("loki", "17.2.0", name="logs"))
    assert line.startswith("chart loki goes back from 18.11.0 to 17.2.0")


def test_an_older_control_plane_beside_one_that_stays_is_no_step_back() -> None:
    base = stack("istiod", "1.31.0", name="istiod-1-31-0")
    assert refused(base, together(base, stack("istiod", "1.30.3"))) == ()


def test_a_chart_that_was_not_there_is_no_step() -> None:
    assert refused(stack("loki", "18.11.0"), together(stack("loki", "18.11.0"), stack("istiod", "1.32.0"))) == ()


def test_tempo_3_in_parts_wants_kafka() -> None:
    head = stack("tempo-distributed", "3.3.0")
    (line,) = refused(None, head)
    assert "ingest.kafka.address is not set: Tempo 3 in parts writes through Kafka" in line
    assert refused(None, stack("tempo-distributed", "3.3.0", {"ingest": {"kafka": {"address": "kafka:9092"}}})) == ()
    assert refused(None, stack("tempo-distributed", "2.26.2")) == ()


@pytest.mark.parametrize("mode", ["SimpleScalable", "SimpleScalable<->Distributed"])
def test_the_simple_scalable_mode_is_refused(mode: str) -> None:
    (line,) = refused(loki(PERIOD), loki(PERIOD, deploymentMode=mode))
    assert f"deploymentMode is {mode}: Loki 4 removes the simple scalable mode" in line
    assert refused(loki(PERIOD), loki(PERIOD, deploymentMode="Distributed")) == ()


def test_what_was_broken_before_is_said_and_not_refused() -> None:
    broken = loki(PERIOD, deploymentMode="SimpleScalable")
    found = review("x", Pair(broken, broken))
    assert found.refusals == ()
    assert [note for note in found.notes if note.startswith("was there before: release loki/loki")]
