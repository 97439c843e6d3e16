"""A run is never silent: a line for each layer that changes, and one at least every few seconds."""

from rehearsal.events import Recorder
from rehearsal.progress import Progress
from tests.rehearsal import engine_events as events
from tests.rehearsal.engine_events import Clock

RELEASE, MAP = "kubernetes:helm.sh/v3:Release", "kubernetes:core/v1:ConfigMap"


class Told:
    """A recorder with a progress that a test looks at."""

    def __init__(self, verb: str = "up", **expected: int) -> None:
        self.clock = Clock()
        self.lines: list[str] = []
        self.recorder = Recorder(self.clock)
        self.progress = Progress(self.recorder, verb, expected, self.lines.append, silence=5.0)

    def at(self, now: float, *sent) -> list[str]:
        """The lines that are new after these events."""
        self.clock.now = now
        for event in sent:
            self.recorder.on_event(event)
        before = len(self.lines)
        self.progress.look()
        return self.lines[before:]


def test_a_layer_is_named_when_it_begins_and_when_all_of_it_is_there() -> None:
    told = Told(first=2)
    assert told.at(1.0, events.began(MAP, "a", layer="first")) == ["   1.0 s    0/2  first: create"]
    assert told.at(2.0, events.ended(MAP, "a", layer="first")) == []
    assert told.at(4.5, events.began(RELEASE, "b", layer="first"), events.ended(RELEASE, "b", layer="first")) == [
        "   4.5 s    2/2  first: done after 3.5 s, ConfigMap, Release"
    ]


def test_a_layer_without_a_change_is_not_mentioned() -> None:
    told = Told(first=1)
    assert told.at(1.0, events.began(MAP, "a", "same", "first"), events.ended(MAP, "a", "same", "first")) == []


def test_silence_ends_with_what_the_run_waits_for() -> None:
    told = Told(first=1)
    told.at(1.0, events.began(RELEASE, "loki", layer="first"))
    assert told.at(5.9) == []
    assert told.at(6.1) == ["   6.1 s    0/1  waiting for Release loki (5 s)"]
    assert told.at(9.0) == []
    assert told.at(11.2) == ["  11.2 s    0/1  waiting for Release loki (10 s)"]


def test_many_that_are_waited_for_are_counted() -> None:
    told = Told(first=6)
    told.at(0.0, *(events.began(RELEASE, f"r{number}", layer="first") for number in range(6)))
    assert told.at(6.0)[0].endswith("Release r3 (6 s) and 2 more")


def test_a_failure_shows_in_the_layers_last_line() -> None:
    told = Told(first=1)
    told.at(0.0, events.began(MAP, "a", layer="first"))
    assert told.at(1.0, events.failed(MAP, "a", layer="first"))[-1].endswith("first: 1 failed after 1.0 s, nothing")


def test_what_an_up_refreshes_first_is_not_counted_twice() -> None:
    told = Told(first=2)
    told.at(0.5, events.began(MAP, "a", "refresh", "first"), events.ended(MAP, "a", "refresh", "first"))
    assert told.at(1.0, events.began(RELEASE, "b", layer="first")) == ["   1.0 s    0/2  first: create"]


def test_a_refresh_before_an_up_is_not_silent_either() -> None:
    told = Told(first=2)
    told.at(0.5, events.began(MAP, "a", "refresh", "first"), events.ended(MAP, "a", "refresh", "first"))
    assert told.at(5.0) == ["   5.0 s    0/2  up: asked the cluster for 1 resources"]
