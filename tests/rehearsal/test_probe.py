"""Addresses are asked at once, within a time of their own."""

import http.server
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from rehearsal import probe


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/there" else 404)
        self.end_headers()
        self.wfile.write(b"x")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "*")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answer) as http_server:
        threading.Thread(target=http_server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http_server.server_port}"
        http_server.shutdown()


def test_only_an_answer_without_an_error_counts(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(probe.OFFLINE, raising=False)
    assert probe.answering([f"{server}/there", f"{server}/missing"]) == {f"{server}/there"}


def test_servers_that_say_nothing_cost_the_given_time_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(probe.OFFLINE, raising=False)
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as mute:
        began = time.monotonic()
        assert probe.answering([f"http://127.0.0.1:{mute.getsockname()[1]}/{number}" for number in range(5)], seconds=0.3) == set()
        assert time.monotonic() - began < 1.0


def test_offline_nothing_is_asked(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(probe.OFFLINE, "1")
    assert probe.answering([f"{server}/there"]) == set()
