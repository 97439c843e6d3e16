"""Every custom resource of the program, put to an API server that holds the complete definitions of the real charts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rehearsal.cluster import KubeconfigApi
from rehearsal.cluster_api import ApiError
from rehearsal.control_plane import ControlPlane
from rehearsal.processes import wait_until
from tests import reference
from tests.recorder import Registered, Run
from tests.stacks import VARIANTS
from tests.test_graph import BUILT_IN

pytestmark = pytest.mark.xdist_group("complete-definitions")

CHARTS_WITH_DEFINITIONS = ("base", "cert-manager", "prometheus-operator-crds", "opentelemetry-operator", "alloy")
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class Strict:
    """An API server that holds the complete definitions and says no to any field it does not know."""

    def __init__(self, api: KubeconfigApi) -> None:
        self.api = api
        self.plurals: dict[tuple[str, str], tuple[str, bool]] = {}
        names = []
        for chart in CHARTS_WITH_DEFINITIONS:
            for definition in reference.definitions(chart):
                spec = definition["spec"]
                self.plurals[spec["group"], spec["names"]["kind"]] = (spec["names"]["plural"], spec["scope"] == "Namespaced")
                api.request("POST", DEFINITIONS, definition)
                names.append(definition["metadata"]["name"])
        assert len(names) > 30
        assert wait_until(lambda: self._established() >= set(names), 60, every=0.5)

    def _established(self) -> set[str]:
        items = self.api.request("GET", DEFINITIONS)["items"]
        return {
            i["metadata"]["name"]
            for i in items
            if {"type": "Established", "status": "True"}.items() <= _condition(i, "Established").items()
        }

    def judge(self, resource: Registered, changed: dict[str, Any] | None = None) -> None:
        """Creates the resource as a dry run. ApiError where the API server refuses it."""
        api_version, kind = resource.inputs["apiVersion"], resource.inputs["kind"]
        plural, namespaced = self.plurals[api_version.split("/")[0], kind]
        metadata = {**resource.inputs["metadata"]}
        where = ""
        if namespaced:
            # the namespaces of the stack are not there: a dry run needs one that is
            metadata["namespace"] = "default"
            where = "namespaces/default/"
        body = {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": changed or resource.inputs["spec"]}
        self.api.request("POST", f"/apis/{api_version}/{where}{plural}?dryRun=All&fieldValidation=Strict", body)


def _condition(item: dict[str, Any], kind: str) -> dict[str, Any]:
    return next((c for c in item["status"].get("conditions") or [] if c["type"] == kind), {})


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Strict]:
    """A control plane of its own, as these definitions would be in the way of the bundles' on a shared one."""
    plane = ControlPlane.start(tmp_path_factory.mktemp("definitions"), die_with_parent=True)
    try:
        yield Strict(KubeconfigApi(str(plane.kubeconfig), None))
    finally:
        plane.stop(remove=True)


def customs(run: Run) -> list[Registered]:
    return [r for r in run.resources.values() if r.type.startswith("kubernetes:") and not BUILT_IN.match(r.type)]


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_api_server_takes_every_custom_resource(variant: str, strict: Strict, record: Callable[..., Run]) -> None:
    resources = [r for r in customs(record(VARIANTS[variant])) if not r.type.startswith("kubernetes:gateway.networking.k8s.io")]
    assert len(resources) >= 7
    refused = []
    for resource in resources:
        try:
            strict.judge(resource)
        except ApiError as error:
            refused.append(f"{resource.urn}: {error}")
    assert refused == []


def test_a_misspelt_field_is_refused(strict: Strict, record: Callable[..., Run]) -> None:
    monitor = record({}).named("PodMonitor", "envoy-stats-monitor")
    with pytest.raises(ApiError, match="podMetricsEndpoint"):
        strict.judge(monitor, {**monitor.inputs["spec"], "podMetricsEndpoint": []})
