"""The preflight against a real API server."""

from __future__ import annotations

from components.config import parse
from components.preflight.__main__ import ask
from components.preflight.judgement import judge
from components.topology import plan
from rehearsal.control_plane import ControlPlane
from tests.azure_stacks import KEYLESS


def test_a_real_api_server_answers_every_question(control_plane: ControlPlane) -> None:
    config = {
        "grafanaAdminPassword": "x",
        "cluster": {"kubeconfig": str(control_plane.kubeconfig), "oidcIssuer": "https://issuer.example.com"},
    }
    settings = parse({**config, "storage": KEYLESS["storage"], "azure": KEYLESS["azure"]})
    facts = ask(settings, None)
    assert facts.version == (1, 36)
    assert len(facts.default_storage_classes) == 1
    assert facts.issuer
    blocking = [finding.what for finding in judge(facts, settings, plan(settings)) if finding.blocks]
    assert "there is no workload identity webhook" in blocking
    assert any(facts.issuer in what or "cluster.oidcIssuer" in what for what in blocking)
