"""What a stack may choose of the stores of traces and logs."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from components.settings_base import CalendarDay, ChartVersion, Model, Replicas, RetentionDays, VolumeGi


class TempoSettings(Model):
    """The trace store."""

    mode: Literal["single", "distributed"] = "single"
    """`single`: one process, documented good to 25-35 MB/s. `distributed`: every part scales by itself."""
    chart_version: ChartVersion | None = None
    """Another version of the chart than the lock's default; it must stand in the lock too."""
    replicas: Replicas = 1
    """Ingesters of the distributed mode, the processes that hold fresh traces; distributors and queriers are at least as many."""
    replication_factor: Literal[1, 3] = 1
    """On how many ingesters each span goes. With 3, one of them may die and nothing is missing."""
    retention_days: RetentionDays = 7
    """Days that traces are kept; less deletes older ones."""
    volume_gi: VolumeGi = 10
    """Volume of what is not in blobs yet, in GiB, of each process that holds fresh traces. Another size makes the StatefulSet anew."""

    @model_validator(mode="after")
    def _single_is_one(self) -> TempoSettings:
        if self.mode == "single" and self.replicas > 1:
            raise ValueError(
                f"tempo.replicas is {self.replicas}: each single-mode Tempo would hold a part of the fresh traces and compact the other's "
                "blocks; use 1, or tempo.mode distributed"
            )
        return self

    @model_validator(mode="after")
    def _replicas_carry_the_factor(self) -> TempoSettings:
        if self.replicas < self.replication_factor:
            raise ValueError(
                f"tempo.replicas is {self.replicas}: replication factor {self.replication_factor} needs at least {self.replication_factor}"
            )
        return self

    @model_validator(mode="after")
    def _three_needs_kafka(self) -> TempoSettings:
        if self.mode == "distributed" and self.chart_version is not None and int(self.chart_version.split(".")[0]) >= 3:
            raise ValueError(
                f"tempo.chartVersion is {self.chart_version}: tempo-distributed 3.x needs Kafka, which this stack does not bring; "
                "use 2.26.2 (the last without Kafka) or tempo.mode single"
            )
        return self


class SchemaPeriod(Model):
    """One period of Loki's schema; only ever append, a changed period makes its data unreadable."""

    start: Annotated[CalendarDay, Field(alias="from")]
    """First day of the period, in UTC; a new one must be in the future when it is added."""
    schema_version: Annotated[Literal["v13"], Field(alias="schema")] = "v13"
    """v13 with the tsdb index: what structured metadata, and with it OTLP, needs."""


class LokiSettings(Model):
    """The log store."""

    mode: Literal["monolithic", "distributed"] = "monolithic"
    """`monolithic`: every part in one process, documented good to about 20 GB a day. `distributed`: every part scales by itself."""
    replicas: Replicas = 1
    """Processes that hold fresh logs: the monolith's own, or the ingesters of the distributed mode."""
    replication_factor: Annotated[int, Field(ge=1, le=5)] = 1
    """On how many processes each line goes. With 3, one of them may die and nothing is missing."""
    retention_days: RetentionDays = 7
    """Days that logs are kept; less deletes older ones."""
    volume_gi: VolumeGi = 10
    """Volume of what is not in blobs yet, in GiB, of each process that holds fresh logs. Another size makes the StatefulSet anew."""
    schema_periods: Annotated[tuple[SchemaPeriod, ...], Field(strict=False)] = (SchemaPeriod.model_validate({"from": "2024-04-01"}),)

    @model_validator(mode="after")
    def _replicas_carry_the_factor(self) -> LokiSettings:
        if self.replicas < self.replication_factor:
            raise ValueError(
                f"loki.replicas is {self.replicas}: replication factor {self.replication_factor} needs at least {self.replication_factor}"
            )
        return self

    @model_validator(mode="after")
    def _periods_are_dates_in_order(self) -> LokiSettings:
        if not self.schema_periods:
            raise ValueError("loki.schemaPeriods is []: Loki needs at least one period")
        starts: list[date] = []
        for period in self.schema_periods:
            try:
                starts.append(date.fromisoformat(period.start))
            except ValueError:
                raise ValueError(f"loki.schemaPeriods.from is {period.start}: not a date of the calendar") from None
        if any(later <= earlier for earlier, later in pairwise(starts)):
            raise ValueError(
                f"loki.schemaPeriods is {', '.join(p.start for p in self.schema_periods)}: each period starts after the one before"
            )
        return self
