"""Chart repositories: their index, and archives, over HTTP."""

from __future__ import annotations

import io
import tarfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import yaml

from components.charts import TIMEOUT_SECONDS
from supply.errors import SupplyError

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""An index has up to twenty megabytes."""


@dataclass(frozen=True)
class Published:
    """What an index says of one version of a chart."""

    url: str
    digest: str | None


def fetch(url: str) -> bytes:
    """What is at an address. SupplyError where it does not answer."""
    request = urllib.request.Request(url, headers={"User-Agent": "istio-stack"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        raise SupplyError(f"{url} cannot be had: {error.code} {error.reason}") from None
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise SupplyError(f"{url} cannot be reached: {getattr(error, 'reason', error)}") from None


def index(repository: str) -> Mapping[str, Any]:
    """The entries of a repository's index by chart. SupplyError where it cannot be had or read."""
    url = f"{repository.rstrip('/')}/index.yaml"
    try:
        entries = yaml.load(fetch(url), _Loader)["entries"]
    except (yaml.YAMLError, KeyError, TypeError):
        entries = None
    if not isinstance(entries, dict):
        raise SupplyError(f"{url} is not the index of a chart repository")
    return entries


def published(entries: Mapping[str, Any], repository: str, chart: str, version: str) -> Published:
    """One version of a chart by its index. SupplyError where it is not in it."""
    versions = entries.get(chart) or []
    for found in versions:
        if found["version"] == version and found.get("urls"):
            return Published(urljoin(f"{repository.rstrip('/')}/", found["urls"][0]), found.get("digest"))
    newest = ", ".join(found["version"] for found in versions[:3])
    raise SupplyError(f"{repository} publishes no {chart} {version}" + (f"; its newest are {newest}" if newest else " and no other either"))


def about(archive: bytes, chart: str) -> Mapping[str, Any]:
    """The Chart.yaml of an archive. SupplyError for what is no archive of that chart."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            file = tar.extractfile(f"{chart}/Chart.yaml")
            assert file is not None
            found = yaml.load(file.read(), _Loader)
    except (tarfile.TarError, KeyError, AssertionError, yaml.YAMLError, OSError, EOFError):
        raise SupplyError(f"what came as chart {chart} is no archive of it: it holds no {chart}/Chart.yaml") from None
    return found
