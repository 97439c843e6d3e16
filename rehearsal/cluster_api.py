"""A small client of the rehearsal's API server: JSON over HTTPS with its token, nothing else."""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rehearsal.errors import RehearsalError


class ApiError(RehearsalError):
    """The API server refused a request; `status` is the HTTP code (0 when it did not answer)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ClusterApi:
    """Requests to one API server."""

    def __init__(self, server: str, token: str, authority: Path) -> None:
        self._server = server
        self._token = token
        # No proxy: the server is on loopback, whatever the environment says.
        handlers = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(authority)))]
        self._opener = urllib.request.build_opener(*handlers)

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, seconds: float = 10.0) -> Any:
        """One request; the answer's JSON (text where it is none). ApiError when it is refused or nothing answers."""
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": kind, "Accept": "application/json"}
        request = urllib.request.Request(self._server + path, data=data, method=method, headers=headers)
        try:
            with self._opener.open(request, timeout=seconds) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as error:
            raise ApiError(error.code, _message(error.read().decode(errors="replace"))) from None
        except OSError as error:
            raise ApiError(0, f"{self._server} does not answer: {error}") from None
        return json.loads(text) if text.startswith(("{", "[")) else text

    def create(self, path: str, body: Mapping[str, Any]) -> None:
        """Creates an object, unless it is there already."""
        try:
            self.request("POST", path, body)
        except ApiError as error:
            if error.status != 409:
                raise

    def exists(self, path: str) -> bool:
        """Whether there is an object at this path."""
        try:
            self.request("GET", path)
        except ApiError as error:
            if error.status != 404:
                raise
            return False
        return True


def _message(answer: str) -> str:
    """What the API server says is wrong, as one line."""
    try:
        return str(json.loads(answer)["message"])
    except (ValueError, KeyError, TypeError):
        return " ".join(answer.split())[:400]
