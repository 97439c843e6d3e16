"""The few calls of GitHub's REST API that workflows need: read a list, send one object."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SECONDS = 30
PAGE = 100
"""How many entries of a list GitHub gives at once, at most."""
MOST_PAGES = 100
API = "https://api.github.com"
LONGEST = 65_536
"""Characters that the body of a comment or an issue may have."""


class GitHubError(Exception):
    """GitHub refused or did not answer; the message is one line."""


@dataclass(frozen=True)
class GitHub:
    """One repository, with the right to write there."""

    repository: str
    token: str
    api: str = API
    robot: bool = False
    """Whether a workflow acts, and not a person."""

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ) -> GitHub | None:
        """What a workflow's variables say, or a person's who has a token; None without one."""
        token = environment.get("GITHUB_TOKEN", "")
        if not token:
            return None
        repository = environment.get("GITHUB_REPOSITORY", "")
        if repository.count("/") != 1:
            raise GitHubError(f"GITHUB_REPOSITORY is {repository or 'not set'}: must be <owner>/<name>")
        api = environment.get("GITHUB_API_URL") or API
        return cls(repository, token, api.rstrip("/"), environment.get("GITHUB_ACTIONS") == "true")

    def listed(self, path: str, **parameters: str) -> Iterator[dict[str, Any]]:
        """Every entry of a list of the repository, page by page."""
        query = "".join(f"{key}={value}&" for key, value in parameters.items())
        for number in range(1, MOST_PAGES + 1):
            page = self._call("GET", f"/repos/{self.repository}/{path}?{query}per_page={PAGE}&page={number}")
            yield from page
            if len(page) < PAGE:
                return

    def send(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Makes (POST) or changes (PATCH) something of the repository."""
        return self._call(method, f"/repos/{self.repository}/{path}", body)

    def is_mine(self, written: Mapping[str, Any]) -> bool:
        """Whether a comment or an issue is by whoever this token acts for; anybody can copy a marker into one of their own."""
        author = written["user"]
        return author["type"] == "Bot" if self.robot else author["login"] == self._call("GET", "/user")["login"]

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.api}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as response:
                return json.loads(response.read())
        except urllib.error.HTTPError as error:
            raise GitHubError(f"GitHub answers {error.code} to {method} {path}: {_reason(error)}") from None
        except (OSError, ValueError) as error:
            raise GitHubError(f"GitHub does not answer {method} {path}: {getattr(error, 'reason', error)}") from None


def _reason(error: urllib.error.HTTPError) -> str:
    """What GitHub says of a refusal."""
    try:
        return json.loads(error.read())["message"]
    except (OSError, ValueError, KeyError, TypeError):
        return error.reason
