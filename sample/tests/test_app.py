"""Tests of rolldice's routes."""

from __future__ import annotations

import logging

import pytest
from flask.testing import FlaskClient

from sample.rolldice.app import LONGEST_NAME, SIDES, create_app


@pytest.fixture
def client() -> FlaskClient:
    return create_app().test_client()


def test_every_side_of_the_die_comes_up_and_no_other(client: FlaskClient) -> None:
    values = {client.get("/rolldice").json["value"] for _ in range(300)}  # pyright: ignore[reportOptionalSubscript]
    assert values == set(range(1, SIDES + 1))


def test_a_roll_is_logged_in_one_line_with_the_player_and_the_value(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        answer = client.get("/rolldice", query_string={"player": "Änne 100%d"}).json
    assert answer and answer["player"] == "Änne 100%d"
    assert [(r.name, r.levelname, r.getMessage()) for r in caplog.records] == [("rolldice", "INFO", f"Änne 100%d rolls {answer['value']}")]


@pytest.mark.parametrize("query", ["", "?player="])
def test_a_roll_without_a_player_is_somebodys(client: FlaskClient, caplog: pytest.LogCaptureFixture, query: str) -> None:
    with caplog.at_level(logging.INFO):
        answer = client.get(f"/rolldice{query}").json
    assert answer and answer["player"] is None
    assert caplog.messages == [f"someone rolls {answer['value']}"]


@pytest.mark.parametrize("player", ["x" * (LONGEST_NAME + 1), "Anna\n2026-01-01 INFO rolldice: Eve rolls 6", "\x1b[31m"])
def test_a_player_that_would_not_fit_into_one_log_line_is_refused(
    client: FlaskClient, caplog: pytest.LogCaptureFixture, player: str
) -> None:
    with caplog.at_level(logging.INFO):
        answer = client.get("/rolldice", query_string={"player": player})
    assert answer.status_code == 400
    assert answer.json == {"error": "player must be at most 40 printable characters"}
    assert caplog.records == []


def test_the_longest_player_is_taken(client: FlaskClient) -> None:
    assert client.get("/rolldice", query_string={"player": "x" * LONGEST_NAME}).status_code == 200


def test_the_probe_is_answered_and_not_logged(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = client.get("/healthz")
    assert (answer.status_code, answer.text, answer.mimetype) == (200, "ok\n", "text/plain")
    assert caplog.records == []


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/dice", 404), ("POST", "/rolldice", 405)])
def test_an_error_is_json_with_its_status(client: FlaskClient, method: str, path: str, status: int) -> None:
    answer = client.open(path, method=method)
    assert answer.status_code == status
    assert answer.json and answer.json["error"]
