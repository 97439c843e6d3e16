"""The API server: requests over kept connections, its refusals as errors, its kinds by discovery."""

import http.client
import json
import select
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from rehearsal.doubles.kubernetes.errors import ApiError, NoMatch, Unreachable
from rehearsal.doubles.kubernetes.kubeconfig import Endpoint

APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_SECONDS = 32.0
_IDLE_SECONDS = 60.0
_BUSY_RETRIES = 10


@dataclass(frozen=True)
class Resource:
    """A kind as the API server knows it."""

    base: str
    plural: str
    namespaced: bool

    def path(self, namespace: str = "", name: str = "") -> str:
        """The path of an object, or of the collection without a name. Without a namespace it is "default", as everywhere."""
        scope = f"/namespaces/{quote(namespace or 'default', safe='')}" if self.namespaced else ""
        return f"{self.base}{scope}/{self.plural}" + (f"/{quote(name, safe='')}" if name else "")


class Api:
    """One API server, for any number of threads."""

    def __init__(self, endpoint: Endpoint, cancelled: threading.Event) -> None:
        self._endpoint = endpoint
        self._cancelled = cancelled
        url = urlsplit(endpoint.server)
        self._host, self._port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
        self._prefix = url.path
        self._lock = threading.Lock()
        self._idle: list[tuple[http.client.HTTPConnection, float]] = []
        self._resources: dict[str, dict[str, Resource]] = {}

    def get(self, path: str, query: dict[str, str] | None = None, *, accept: str = "application/json") -> dict[str, Any]:
        """An object or a list."""
        return self.request("GET", path, query, accept=accept)

    def request(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: Any = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> dict[str, Any]:
        """One request. ApiError when it is refused, Unreachable when nothing answers; a server that is busy gets asked again."""
        target = self._prefix + path + (f"?{urlencode(query)}" if query else "")
        headers = {**self._endpoint.headers, "Accept": accept, "Content-Type": content_type, "User-Agent": "pulumi-kubernetes-double"}
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        retries = _BUSY_RETRIES
        status, wait, answer = self._exchange(method, target, data, headers)
        while wait and retries and not self._cancelled.wait(wait):
            retries -= 1
            status, wait, answer = self._exchange(method, target, data, headers)
        if status >= 400:
            raise _api_error(status, answer)
        return json.loads(answer) if answer else {}

    def resource(self, api_version: str, kind: str) -> Resource:
        """The kind by discovery, kept once found. NoMatch when the server does not know it."""
        found = self._resources.get(api_version, {}).get(kind)
        if found is None:
            found = self._discover(api_version).get(kind)
        if found is None:
            raise NoMatch(api_version, kind)
        return found

    def forget_kinds(self) -> None:
        """Forgets what discovery said, after a CRD came or went."""
        self._resources = {}

    def _discover(self, api_version: str) -> dict[str, Resource]:
        base = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        try:
            listed = self.get(base)
        except ApiError as error:
            if error.status != 404:
                raise
            return {}
        kinds = {
            entry["kind"]: Resource(base, entry["name"], entry["namespaced"])
            for entry in listed.get("resources", [])
            if "/" not in entry["name"]
        }
        self._resources[api_version] = kinds
        return kinds

    def _exchange(self, method: str, target: str, data: bytes | None, headers: dict[str, str]) -> tuple[int, float, bytes]:
        """Status, the seconds the server asks us to wait before we try again (0: it does not), and the body."""
        connection = self._take()
        try:
            connection.request(method, target, data, headers)
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Unreachable(self._reason(method, target, connection, error)) from None
        self._keep(connection, response)
        busy = response.status == 429 or (response.status >= 500 and response.headers.get("Retry-After"))
        return response.status, float(response.headers.get("Retry-After") or 1) if busy else 0.0, answer

    def _reason(self, method: str, target: str, connection: http.client.HTTPConnection, error: Exception) -> str:
        """What went wrong, in the words of the real plugin's client."""
        word = method.capitalize()
        text = str(getattr(error, "strerror", None) or error or type(error).__name__).lower()
        if connection.sock is None and isinstance(error, OSError):
            text = f"dial tcp {self._host}:{self._port}: connect: {text}"
        return f'{word} "{self._endpoint.server}{target.removeprefix(self._prefix)}": {text}'

    def _take(self) -> http.client.HTTPConnection:
        with self._lock:
            while self._idle:
                connection, since = self._idle.pop()
                # A socket with something to read was closed by a server that restarted.
                if time.monotonic() - since < _IDLE_SECONDS and not select.select([connection.sock], [], [], 0)[0]:
                    return connection
                connection.close()
        if self._endpoint.tls is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=_SECONDS)
        return http.client.HTTPSConnection(self._host, self._port, timeout=_SECONDS, context=self._endpoint.tls)

    def _keep(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        if response.will_close:
            connection.close()
            return
        with self._lock:
            self._idle.append((connection, time.monotonic()))


def _api_error(status: int, answer: bytes) -> ApiError:
    try:
        said = json.loads(answer)
        details = said.get("details") or {}
        causes = tuple(cause.get("message", "") for cause in details.get("causes") or [])
        return ApiError(status, said.get("message") or said.get("reason", ""), said.get("reason", ""), details.get("kind", ""), causes)
    except (ValueError, AttributeError):
        return ApiError(status, answer.decode(errors="replace").strip()[:2000] or f"HTTP status {status}")
