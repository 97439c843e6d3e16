"""The API server beside the path: it knows its pods, and lets the collector see them and no more."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from rehearsal.cluster_api import ApiError, ClusterApi
from signals import api_server, pods
from signals.rendering import Rendered, read_stack


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[api_server.ApiServer]:
    stack = read_stack("local")
    folder = tmp_path_factory.mktemp("api-server")
    with api_server.starting(folder, stack.topology.collector_account) as found:
        found.fill(pods.every(stack, Rendered(stack, folder / "mirror")))
        yield found


@pytest.fixture
def collector(server: api_server.ApiServer) -> ClusterApi:
    """A client with the token that the collector gets."""
    said = json.loads(server.kubeconfig.read_text())
    return ClusterApi(server.server, said["users"][0]["user"]["token"], server.folder / "certificates" / "ca.crt")


def test_the_collector_sees_pods_by_their_addresses_and_nothing_else(collector: ClusterApi) -> None:
    found = collector.request("GET", "/api/v1/pods")["items"]
    assert {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in found} == {
        "istio-ingressgateway-0": pods.ADDRESSES["gateway"],
        "rolldice-0": pods.ADDRESSES["sidecar"],
    }
    assert collector.request("GET", "/api/v1/namespaces")["items"]
    for path in ("/api/v1/secrets", "/api/v1/nodes", "/apis/apps/v1/replicasets"):
        with pytest.raises(ApiError, match="forbidden"):
            collector.request("GET", path)


def test_without_its_role_the_collector_sees_nothing(server: api_server.ApiServer, collector: ClusterApi) -> None:
    server.forbid()
    with pytest.raises(ApiError, match="cannot list resource"):
        collector.request("GET", "/api/v1/pods")
    server.allow()
    assert collector.request("GET", "/api/v1/pods")["items"]
