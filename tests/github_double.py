"""A double of the calls of GitHub's REST API that we make, on loopback: lists in pages, one comment or issue made or changed.

It is not GitHub. It takes what GitHub documents of these calls and refuses what GitHub refuses there: no token, no right, a body that is
too long. Everything else is a 404, so that a call of another kind is a failing test.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "sentinel-token"
REPOSITORY = "acme/stack"
LONGEST = 65_536
BOT = {"login": "github-actions[bot]", "type": "Bot"}


@dataclass
class GitHubDouble:
    """What the repository holds, and what was asked."""

    url: str = ""
    me: dict[str, str] = field(default_factory=lambda: dict(BOT))
    comments: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    forbidden: bool = False

    def environment(self, robot: bool = True) -> dict[str, str]:
        """The variables of a workflow."""
        return {
            "GITHUB_TOKEN": TOKEN,
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_API_URL": self.url,
            "GITHUB_ACTIONS": "true" if robot else "",
        }

    def add_comment(self, body: str, user: dict[str, str] | None = None) -> dict[str, Any]:
        number = len(self.comments) + 1
        comment = {"id": number, "body": body, "user": user or self.me, "html_url": f"https://github.example/c/{number}"}
        self.comments.append(comment)
        return comment

    def add_issue(self, made: dict[str, Any], user: dict[str, str] | None = None) -> dict[str, Any]:
        number = len(self.issues) + 1
        issue = {"state": "open", **made, "number": number, "user": user or self.me, "html_url": f"https://github.example/i/{number}"}
        self.issues.append(issue)
        return issue

    def answer(self, method: str, target: str, body: dict[str, Any]) -> tuple[int, Any]:
        """What GitHub documents as the answer to one call."""
        parts = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        self.asked.append(f"{method} {parts.path}")
        if self.forbidden and method != "GET":
            return 403, {"message": "Resource not accessible by integration"}
        if len(body.get("body", "")) > LONGEST:
            return 422, {"message": "Validation Failed"}
        path = parts.path.removeprefix(f"/repos/{REPOSITORY}/")
        if (method, parts.path) == ("GET", "/user"):
            return 200, self.me
        if re.fullmatch(r"issues/\d+/comments", path):
            return (200, page(self.comments, query)) if method == "GET" else (201, self.add_comment(body["body"]))
        if path == "issues":
            chosen = [i for i in self.issues if i["state"] == query.get("state") and query.get("labels") in i["labels"]]
            return (200, page(chosen, query)) if method == "GET" else (201, self.add_issue(body))
        changed = re.fullmatch(r"issues/(comments/)?(\d+)", path)
        there = (self.comments if changed[1] else self.issues)[int(changed[2]) - 1 :] if changed and method == "PATCH" else []
        for one in there[:1]:
            one.update(body)
            return 200, one
        return 404, {"message": "Not Found"}


def page(entries: list[Any], query: dict[str, str]) -> list[Any]:
    size, number = int(query["per_page"]), int(query["page"])
    return entries[(number - 1) * size : number * size]


@contextlib.contextmanager
def running() -> Iterator[GitHubDouble]:
    """The double on a port of its own, until the block ends."""
    double = GitHubDouble()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                status, answer = 401, {"message": "Bad credentials"}
            else:
                status, answer = double.answer(self.command, self.path, json.loads(content) if content else {})
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = _serve

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=lambda: server.serve_forever(0.01), daemon=True)
    thread.start()
    double.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
