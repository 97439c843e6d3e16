"""A small client of an API server: JSON over HTTPS with a token, nothing else."""

import json
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import urllib3

from rehearsal.errors import RehearsalError

_COME_BACK = 429
_PAUSE_SECONDS = 0.2


class ApiError(RehearsalError):
    """The API server refused a request; `status` is the HTTP code (0 when it did not answer)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ClusterApi:
    """Requests to one API server, over connections that are kept. No proxy is asked."""

    def __init__(self, server: str, token: str, authority: Path) -> None:
        self.server = server
        self._token = token
        self._pool = urllib3.PoolManager(ssl_context=ssl.create_default_context(cafile=str(authority)))

    def authorization(self) -> str | None:
        """The header that says who asks, None where the connection itself does."""
        return f"Bearer {self._token}"

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, seconds: float = 30.0) -> Any:
        """One request; the answer's JSON (text where it is none). ApiError when it is refused or nothing answers."""
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Accept": "application/json", "Content-Type": kind}
        if authorization := self.authorization():
            headers["Authorization"] = authorization
        data = None if body is None else json.dumps(body).encode()
        deadline = time.monotonic() + seconds
        while True:
            try:
                answer = self._pool.request(method, self.server + path, headers=headers, body=data, timeout=seconds, retries=False)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise ApiError(0, f"{self.server} does not answer: {' '.join(str(error).split())[:300]}") from None
            # An API server that was given a new kind a moment ago answers so until it is ready for it.
            if answer.status != _COME_BACK or time.monotonic() >= deadline:
                break
            time.sleep(_PAUSE_SECONDS)
        text = answer.data.decode(errors="replace")
        if answer.status >= 400:
            raise ApiError(answer.status, _message(text))
        return json.loads(text) if text.startswith(("{", "[")) else text

    def find(self, path: str) -> Any | None:
        """The object at a path, None if there is none."""
        try:
            return self.request("GET", path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def exists(self, path: str) -> bool:
        """Whether there is an object at this path."""
        return self.find(path) is not None

    def create(self, path: str, body: Mapping[str, Any]) -> None:
        """Creates an object, unless it is there already."""
        try:
            self.request("POST", path, body)
        except ApiError as error:
            if error.status != 409:
                raise


def _message(answer: str) -> str:
    """What the API server says is wrong, as one line."""
    try:
        return str(json.loads(answer)["message"])
    except (ValueError, KeyError, TypeError):
        return " ".join(answer.split())[:400]
