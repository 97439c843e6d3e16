"""The way to a stack: URLs, kubectl's port-forwards, Grafana; and what the command says where there is none."""

from __future__ import annotations

import base64
import contextlib
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from components import grafana
from components.settings import Settings
from components.topology import plan
from rehearsal import processes
from rehearsal.errors import RehearsalError
from verify import __main__ as command
from verify import links, results
from verify.checks import verify
from verify.evidence import Subject
from verify.reaching import Given, reached
from verify.results import Result

TOPOLOGY = plan(Settings())
SUBJECT = Subject("rolldice", "/rolldice")


class Answers(BaseHTTPRequestHandler):
    """Answers what it is told by path, and remembers who asked."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append((path, self.headers.get("Authorization", "")))  # pyright: ignore[reportAttributeAccessIssue]
        body = self.server.answers.get(path)  # pyright: ignore[reportAttributeAccessIssue]
        content = json.dumps(body).encode()
        self.send_response(200 if body is not None else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None: ...


@contextlib.contextmanager
def answering(answers: dict[str, Any]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    [port] = processes.free_ports(1)
    server: Any = ThreadingHTTPServer(("127.0.0.1", port), Answers)
    server.answers, server.asked = answers, []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}", server.asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No kubectl on PATH, no way into a Grafana."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    for name in ("GRAFANA_TOKEN", "GRAFANA_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    return programs


def kubectl(folder: Path, code: str) -> None:
    path = folder / "kubectl"
    path.write_text(f"#!{sys.executable}\nimport sys, signal\nargs = sys.argv[1:]\n{code}\n")
    path.chmod(0o755)


URLS = {"gateway": "http://127.0.0.1:9", "tempo": "http://127.0.0.1:9", "loki": "http://127.0.0.1:9", "prometheus": "http://127.0.0.1:9"}


def given(grafana: str | None = None) -> Given:
    return Given(URLS["gateway"], URLS["tempo"], URLS["loki"], URLS["prometheus"], grafana)


def test_with_urls_of_the_stores_nothing_else_is_asked_for() -> None:
    with reached(Settings(), TOPOLOGY, given(), {}) as places:
        assert places.grafana is None
        assert places.reach(places.datasources[0]).url == "http://127.0.0.1:9"
        assert places.datasources == links.provisioned(grafana.datasources(TOPOLOGY))


def test_what_is_not_given_is_forwarded_by_kubectl_and_ends_with_the_block(nobody: Path, tmp_path: Path) -> None:
    log = tmp_path / "calls"
    kubectl(
        nobody,
        f"open({str(log)!r}, 'a').write(' '.join(args) + '\\n')\nprint('Forwarding from 127.0.0.1', flush=True)\nsignal.pause()",
    )
    with reached(Settings(), TOPOLOGY, Given(context="here", without_grafana=True), {}) as places:
        assert places.loki.url.startswith("http://127.0.0.1:")
    calls = log.read_text().splitlines()
    assert len(calls) == 4
    port = places.loki.url.rpartition(":")[2]
    wanted = f"--context here port-forward --address 127.0.0.1 --namespace loki service/loki-gateway {port}:80"
    assert wanted in calls
    assert processes.with_argument("service/loki-gateway", ["kubectl"]) == []


def test_without_kubectl_the_missing_url_is_named() -> None:
    with pytest.raises(RehearsalError, match=r"service istio-ingress/istio-ingressgateway cannot be reached: there is no kubectl on PATH"):
        reached(Settings(), TOPOLOGY, Given(), {}).__enter__()


def test_a_forward_that_fails_says_what_kubectl_said(nobody: Path) -> None:
    kubectl(nobody, "sys.exit('error: pod is not running')")
    with pytest.raises(RehearsalError, match=r"cannot be forwarded: error: pod is not running; give its URL, or name another CONTEXT"):
        reached(Settings(), TOPOLOGY, Given(), {}).__enter__()


def test_grafana_is_asked_for_its_own_datasources_health_and_queries(nobody: Path) -> None:
    kubectl(nobody, f"print({base64.b64encode(b'secret').decode()!r}, end='')")
    sources = links.provisioned(grafana.datasources(TOPOLOGY))
    answers: dict[str, Any] = {
        "/api/datasources": sources,
        "/api/health": {"database": "ok", "version": "13.2.0"},
        **{f"/api/datasources/uid/{s['uid']}/health": {"status": "OK", "message": "works"} for s in sources},
        "/api/datasources/uid/loki/health": {"status": "ERROR", "message": "no route to host"},
    }
    with answering(answers) as (url, asked), reached(Settings(), TOPOLOGY, given(url), {}) as places:
        assert places.reach(sources[1]).url == f"{url}/api/datasources/proxy/uid/tempo"
        found = {result.name: result for result in verify(places, SUBJECT, 1)}
    assert found["Grafana itself"].detail == "version 13.2.0, database ok"
    assert (found["Tempo"].state, found["Loki"].state, found["Loki"].detail) == ("passed", "failed", "no route to host")
    assert found["Loki"].hint == "Grafana cannot use http://loki-gateway.loki.svc.cluster.local"
    assert {way for _, way in asked} == {f"Basic {base64.b64encode(b'admin:secret').decode()}"}


def test_a_grafana_that_lets_nobody_in_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFANA_TOKEN", "wrong")
    with answering({}) as (url, _), pytest.raises(RehearsalError, match=r"Grafana does not list its datasources: .* set GRAFANA_TOKEN"):
        reached(Settings(), TOPOLOGY, given(url), {}).__enter__()


def test_without_a_request_what_follows_did_not_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "out" / "junit.xml"
    code = command.main([*(f"--{name}={url}" for name, url in URLS.items()), "--wait=1", f"--junit={file}"])
    assert code == 1
    shown = capsys.readouterr().out
    assert "FAILED" in shown and "there was no request to follow" in shown
    suite = ElementTree.parse(file).getroot()
    cases = {case.get("name"): [child.tag for child in case] for case in suite}
    assert cases["GET /rolldice through the gateway"] == ["failure"]
    assert cases["Grafana itself"] == ["skipped"]
    assert int(suite.get("failures", 0)) == sum(tags == ["failure"] for tags in cases.values())


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("--tempo=tempo:3200", "tempo:3200 is no URL: it must begin with http:// or https:// and name a host"),
        ("--path=rolldice", "rolldice is no path: it must begin with / and have no query"),
        ("--wait=90", "90 is not a number of seconds above 0 and up to 55"),
        ("--absent=logs=none", "logs=none is not WHAT=REASON with WHAT one of: mesh metrics, span metrics"),
    ],
)
def test_a_wrong_argument_is_named_with_the_rule(argument: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main([argument])
    assert ended.value.code == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_an_unknown_stack_is_one_line_and_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--stack=nowhere"]) == 2
    assert "error: stack nowhere is unknown" in capsys.readouterr().err


def test_what_did_not_run_is_neither_passed_nor_failed() -> None:
    rows = [Result("a", "x", "passed", "there"), Result("a", "y", "not run", "cannot")]
    assert (results.exit_code(rows), results.summary(rows)) == (0, "1 passed, 0 failed, 1 not run")
    assert results.exit_code(rows[1:]) == 1  # nothing was proven
    target = Console(width=100, record=True, highlight=False, quiet=False, file=None)
    with target.capture() as shown:
        results.show([*rows, Result("a", "z", "failed", "gone", "look there")], "signals", target)
    assert "a, z: look there" in shown.get()
    assert "1 passed, 1 failed, 1 not run" in shown.get()
