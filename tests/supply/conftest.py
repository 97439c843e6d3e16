"""What the tests of the supply share: a chart repository on loopback that serves an index and bundles as archives."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from rehearsal.bundles import pack

LOCK = """\
# What this lock is for.
charts:
  tempo: # the trace store
    version: 2.2.4
    appVersion: 2.10.8
    repository: {url}
    url: {url}/tempo-2.2.4.tgz
    digest: null
    reason: no published digest was at hand
  # Not a chart.
  gateway-api:
    kind: manifest
    version: v1.5.1
    appVersion: v1.5.1
    repository: {url}
    url: {url}/v1.5.1/gateway-api.yaml
    digest: null
    reason: no published digest was at hand
"""


@dataclass
class Repository:
    """A folder that is served, and its index."""

    url: str
    folder: Path
    asked: list[str]
    entries: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def publish(self, chart: str, version: str, app_version: str, **said: Any) -> str:
        """Puts an archive there and into the index; returns its digest."""
        content = pack.archive(chart, version, app_version)
        (self.folder / f"{chart}-{version}.tgz").write_bytes(content)
        digest = sha256(content).hexdigest()
        entry = {"name": chart, "version": version, "appVersion": app_version, "urls": [f"{chart}-{version}.tgz"], "digest": digest, **said}
        self.entries.setdefault(chart, []).insert(0, entry)
        (self.folder / "index.yaml").write_text(yaml.safe_dump({"apiVersion": "v1", "entries": self.entries}))
        return digest

    def manifest(self, version: str) -> str:
        """Puts the manifest of a release there; returns its digest."""
        content = pack.archive("gateway-api", version, version) + f"# {version}\n".encode()
        (self.folder / version).mkdir()
        (self.folder / version / "gateway-api.yaml").write_bytes(content)
        return sha256(content).hexdigest()


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    folder = tmp_path / "repository"
    folder.mkdir()
    asked: list[str] = []

    class Listening(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            asked.append(self.path)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Listening, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield Repository(f"http://127.0.0.1:{server.server_address[1]}", folder, asked)
    server.shutdown()
    server.server_close()


@pytest.fixture
def lock(repository: Repository, tmp_path: Path) -> Path:
    """A lock of a chart and a manifest of that repository, both without a digest."""
    path = tmp_path / "charts.yaml"
    path.write_text(LOCK.format(url=repository.url))
    return path
