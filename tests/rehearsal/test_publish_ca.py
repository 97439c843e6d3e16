"""The script that gives an authority's certificate to whoever must trust it, run as its Job runs it, against a real API server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from components import otlp_tls
from rehearsal.control_plane import ControlPlane

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
RULES = [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [otlp_tls.AUTHORITY], "verbs": ["get", "patch"]}]
ACCOUNT = "publisher"


@pytest.fixture(scope="module")
def home(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace with the ConfigMap and the right to fill it, as the layers make them."""
    api, name = control_plane.api, "publish-ca"
    metadata: dict[str, Any] = {"name": otlp_tls.AUTHORITY, "namespace": name}
    api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    api.create(f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": {"name": ACCOUNT}})
    api.create(f"/api/v1/namespaces/{name}/configmaps", {"metadata": metadata})
    api.create(f"/api/v1/namespaces/{name}/configmaps", {"metadata": {"name": "another"}})
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{name}"
    api.create(f"{rbac}/roles", {"metadata": metadata, "rules": RULES})
    subjects = [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": name}]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": otlp_tls.AUTHORITY}
    api.create(f"{rbac}/rolebindings", {"metadata": metadata, "subjects": subjects, "roleRef": role})
    yield name
    api.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="module")
def environment(control_plane: ControlPlane, home: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the pod has: its account's token and authority, the API server, and the certificate."""
    folder = tmp_path_factory.mktemp("account")
    path = f"/api/v1/namespaces/{home}/serviceaccounts/{ACCOUNT}/token"
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    (folder / "token").write_text(control_plane.api.request("POST", path, asked)["status"]["token"])
    (folder / "ca.crt").write_text((control_plane.directory / "control-plane" / "certificates" / "ca.crt").read_text())
    (folder / "authority.crt").write_text(CERTIFICATE)
    server = urlsplit(control_plane.server)
    return {
        "ACCOUNT": str(folder),
        "AUTHORITY": str(folder / "authority.crt"),
        "CONFIG_MAP": otlp_tls.AUTHORITY,
        "NAMESPACES": home,
        "KUBERNETES_SERVICE_HOST": str(server.hostname),
        "KUBERNETES_SERVICE_PORT": str(server.port),
    }


def run(environment: dict[str, str], **changes: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(otlp_tls.SCRIPT)],
        env={"PATH": os.environ["PATH"], **environment, **changes},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr.strip() or done.stdout.strip()


def test_the_certificate_is_written_and_written_again(
    control_plane: ControlPlane, home: str, environment: dict[str, str], tmp_path: Path
) -> None:
    assert run(environment) == (0, f"ConfigMap {home}/otlp-ca holds the authority's certificate")
    path = f"/api/v1/namespaces/{home}/configmaps/otlp-ca"
    assert control_plane.api.request("GET", path)["data"] == {"ca.crt": CERTIFICATE}
    renewed = tmp_path / "renewed.crt"
    renewed.write_text(CERTIFICATE.replace("AAAA", "BBBB"))
    assert run(environment, AUTHORITY=str(renewed))[0] == 0
    assert "BBBB" in control_plane.api.request("GET", path)["data"]["ca.crt"]


def test_no_other_config_map_can_be_written(environment: dict[str, str]) -> None:
    code, said = run(environment, CONFIG_MAP="another")
    assert code == 1
    assert said.startswith("error: ConfigMap publish-ca/another: ")
    assert "forbidden" in said


def test_one_namespace_that_is_gone_does_not_keep_the_others_waiting(home: str, environment: dict[str, str]) -> None:
    code, said = run(environment, NAMESPACES=f"gone,{home}")
    assert code == 1
    assert said.startswith("error: ConfigMap gone/otlp-ca: ")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"AUTHORITY": "/nowhere/ca.crt"}, "error: the authority's certificate /nowhere/ca.crt: No such file or directory"),
        ({"AUTHORITY": "/etc/hostname"}, "error: the authority's certificate /etc/hostname: holds no certificate in PEM"),
        ({"ACCOUNT": "/nowhere"}, "error: the token /nowhere/token: No such file or directory"),
        ({"KUBERNETES_SERVICE_PORT": "9"}, "error: ConfigMap publish-ca/otlp-ca: [Errno 111] Connection refused"),
    ],
)
def test_what_is_missing_is_one_line(changes: dict[str, str], line: str, environment: dict[str, str]) -> None:
    assert run(environment, **changes) == (1, line)
