"""The recorder turns the engine's events into operations, layers and clear errors."""

from rehearsal.events import Recorder, errors
from tests.rehearsal import engine_events as events
from tests.rehearsal.engine_events import Clock

RELEASE, MAP = "kubernetes:helm.sh/v3:Release", "kubernetes:core/v1:ConfigMap"


def recorder(*sent, clock: Clock | None = None) -> Recorder:
    made = Recorder(clock or Clock())
    for event in sent:
        made.on_event(event)
    return made


def test_an_operation_has_its_times_and_its_layer() -> None:
    clock = Clock()
    recorded = recorder(events.began("small:part:Layer", "first"), clock=clock)
    clock.now = 2.0
    recorded.on_event(events.began(RELEASE, "tempo", layer="first"))
    clock.now = 5.0
    recorded.on_event(events.ended(RELEASE, "tempo", layer="first"))
    layer, release = recorded.operations()
    assert (release.name, release.kind, release.started, release.ended, release.failed) == ("tempo", "Release", 2.0, 5.0, False)
    assert recorded.layer(release.urn) == "first"
    assert not layer.concrete and release.concrete


def test_what_stands_right_under_the_stack_belongs_to_no_layer() -> None:
    recorded = recorder(events.began(MAP, "lonely"))
    assert recorded.layer(recorded.operations()[0].urn) == "stack"


def test_a_second_report_of_outputs_does_not_change_an_operation() -> None:
    clock = Clock()
    recorded = recorder(events.began(MAP, "a"), events.ended(MAP, "a"), clock=clock)
    clock.now = 9.0
    recorded.on_event(events.ended(MAP, "a"))
    assert [operation.ended for operation in recorded.operations()] == [0.0]


def test_a_provider_is_not_counted_as_something_in_the_cluster() -> None:
    assert not recorder(events.began("pulumi:providers:kubernetes", "cluster")).operations()[0].concrete


def test_a_failure_is_handed_on_at_once() -> None:
    seen = []
    recorded = Recorder(Clock())
    recorded.on_failure = seen.append
    for event in (events.began(MAP, "a"), events.failed(MAP, "a"), events.began(MAP, "b"), events.ended(MAP, "b")):
        recorded.on_event(event)
    assert [operation.name for operation in seen] == ["a"]


def test_the_summary_counts_by_operation() -> None:
    assert recorder(events.summary(create=3, same=1)).changes == {"create": 3, "same": 1}


def test_an_error_names_layer_resource_and_reason_on_one_line() -> None:
    where = events.urn(MAP, "wrong", "first")
    message = f'resource "{where}" was not successfully created:\n\t* it is\n\t* it is\n\t* invalid\n'
    recorded = recorder(events.began(MAP, "wrong", layer="first"), events.said(message, where=where))
    assert list(errors(recorded)) == ["first: ConfigMap wrong: was not successfully created:; it is; invalid"]


def test_what_the_engine_adds_to_every_failure_is_left_out() -> None:
    recorded = recorder(events.said("update failed"), events.said("<{%fg 1%}>no space<{%reset%}>"), events.said("no space"))
    assert list(errors(recorded)) == ["no space"]


def test_a_traceback_is_cut_from_an_error() -> None:
    recorded = recorder(
        events.said("python inline source runtime error: nope\nTraceback (most recent call last):\n  File x\nKeyError: nope")
    )
    assert list(errors(recorded)) == ["nope"]


def test_warnings_are_no_errors() -> None:
    assert list(errors(recorder(events.said("mind the gap", severity="warning")))) == []
