"""The control plane runs workloads as a cluster would, and survives what happens to its processes and files."""

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rehearsal import processes, tools
from rehearsal.control_plane import PROGRAMS, ControlPlane
from rehearsal.errors import RehearsalError

ROOT = Path(__file__).parents[2]
WORKLOADS = Path(__file__).with_name("workloads.yaml")


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:8]}"
    control_plane.api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    control_plane.api.request("DELETE", f"/api/v1/namespaces/{name}")


def pod(**spec: Any) -> dict[str, Any]:
    spec = {"containers": [{"name": "main", "image": "example"}], "terminationGracePeriodSeconds": 1, **spec}
    return {"metadata": {"name": "pod"}, "spec": spec}


def conditions(thing: dict[str, Any]) -> dict[str, str]:
    return {condition["type"]: condition["status"] for condition in thing["status"].get("conditions", [])}


def wait_for_pod(plane: ControlPlane, namespace: str, wanted) -> dict[str, Any]:
    path = f"/api/v1/namespaces/{namespace}/pods/pod"
    assert processes.wait_until(lambda: wanted(plane.api.request("GET", path)), 60, every=0.05), plane.api.request("GET", path)["status"]
    return plane.api.request("GET", path)


def is_ready(thing: dict[str, Any]) -> bool:
    return conditions(thing).get("Ready") == "True"


def test_helm_waits_for_each_kind_of_workload_until_it_is_ready(control_plane: ControlPlane, namespace: str, tmp_path: Path):
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: workloads\nversion: 0.1.0\n")
    shutil.copy(WORKLOADS, tmp_path / "templates")
    helm = [tools.ensure("helm")["helm"], "--kubeconfig", control_plane.kubeconfig, "--namespace", namespace]

    subprocess.run([*helm, "install", "workloads", tmp_path, "--wait", "--wait-for-jobs", "--timeout", "60s"], check=True, timeout=90)

    def items(kind: str) -> list[dict[str, Any]]:
        return control_plane.api.request("GET", f"/api/v1/namespaces/{namespace}/{kind}")["items"]

    pods = {entry["metadata"]["name"].split("-")[0]: entry for entry in items("pods")}
    assert {name: entry["status"]["phase"] for name, entry in pods.items()} == {
        "web": "Running",
        "store": "Running",
        "agent": "Running",
        "job": "Succeeded",
        "hook": "Succeeded",
    }
    claims = {entry["metadata"]["name"]: entry for entry in items("persistentvolumeclaims")}
    assert {name: (claim["status"]["phase"], claim["status"]["capacity"]) for name, claim in claims.items()} == {
        "bare": ("Bound", {"storage": "1Gi"}),
        "data-store-0": ("Bound", {"storage": "10Gi"}),
        "data-store-1": ("Bound", {"storage": "10Gi"}),
    }
    addresses = {
        entry["status"]["loadBalancer"]["ingress"][0]["ip"] for entry in items("services") if entry["spec"]["type"] == "LoadBalancer"
    }
    assert len(addresses) == 2, "each load balancer has an address of its own"

    subprocess.run([*helm, "uninstall", "workloads", "--wait", "--timeout", "60s"], check=True, timeout=90)
    volumes = {claim["spec"]["volumeName"] for claim in claims.values()}
    for name in ("data-store-0", "data-store-1"):
        control_plane.api.request("DELETE", f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}")
    assert processes.wait_until(
        lambda: (
            not volumes & {entry["metadata"]["name"] for entry in control_plane.api.request("GET", "/api/v1/persistentvolumes")["items"]}
        ),
        20,
    )


def test_a_pod_is_ready_after_the_start_time_and_not_before(control_plane: ControlPlane, namespace: str):
    began = time.monotonic()
    control_plane.api.create(f"/api/v1/namespaces/{namespace}/pods", pod())
    wait_for_pod(control_plane, namespace, is_ready)
    assert 0.5 <= time.monotonic() - began < 5


def test_init_containers_have_ended_and_sidecars_run_on(control_plane: ControlPlane, namespace: str):
    init = [{"name": "init", "image": "example"}, {"name": "sidecar", "image": "example", "restartPolicy": "Always"}]
    control_plane.api.create(f"/api/v1/namespaces/{namespace}/pods", pod(initContainers=init))
    status = wait_for_pod(control_plane, namespace, is_ready)["status"]
    assert {entry["name"]: list(entry["state"]) for entry in status["initContainerStatuses"]} == {
        "init": ["terminated"],
        "sidecar": ["running"],
    }


def test_a_pod_that_does_not_restart_succeeds(control_plane: ControlPlane, namespace: str):
    control_plane.api.create(f"/api/v1/namespaces/{namespace}/pods", pod(restartPolicy="Never"))
    ended = wait_for_pod(control_plane, namespace, lambda thing: thing["status"]["phase"] == "Succeeded")
    assert conditions(ended)["Ready"] == "False"
    assert ended["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 0


def test_a_pod_that_fits_no_node_stays_pending(control_plane: ControlPlane, namespace: str):
    control_plane.api.create(f"/api/v1/namespaces/{namespace}/pods", pod(nodeSelector={"no": "such-node"}))
    refused = wait_for_pod(control_plane, namespace, lambda thing: conditions(thing).get("PodScheduled") == "False")
    assert refused["status"]["phase"] == "Pending"


def test_a_webhook_that_nothing_serves_stops_no_request(control_plane: ControlPlane, namespace: str):
    webhook = {
        "metadata": {"name": namespace},
        "webhooks": [
            {
                "name": "nothing.serves.it",
                "clientConfig": {"service": {"namespace": namespace, "name": "missing"}},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }
    path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    control_plane.api.request("POST", path, webhook)
    try:
        made = control_plane.api.request("POST", f"/api/v1/namespaces/{namespace}/configmaps", {"metadata": {"name": "made"}})
        assert made["metadata"]["uid"]
    finally:
        control_plane.api.request("DELETE", f"{path}/{namespace}")


def test_a_deleted_namespace_goes_with_its_pods(control_plane: ControlPlane):
    path = f"/api/v1/namespaces/test-{uuid.uuid4().hex[:8]}"
    control_plane.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": path.rpartition("/")[2]}})
    control_plane.api.create(f"{path}/pods", pod())
    wait_for_pod(control_plane, path.rpartition("/")[2], is_ready)
    control_plane.api.request("DELETE", path)
    assert processes.wait_until(lambda: not control_plane.api.exists(path), 60, every=0.1)


# What happens to a control plane of its own, in one directory; each test finds it running.


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("own")
    yield directory
    plane = ControlPlane.attach(directory)
    if plane:
        plane.stop(remove=True)


@pytest.fixture
def plane(directory: Path) -> ControlPlane:
    return ControlPlane.start(directory, pod_start_seconds=0.1, die_with_parent=True)


def keep_something(plane: ControlPlane) -> str:
    name = f"keep-{uuid.uuid4().hex[:8]}"
    plane.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    return f"/api/v1/namespaces/{name}"


def assert_pods_start(plane: ControlPlane) -> None:
    path = keep_something(plane)
    assert processes.wait_until(lambda: plane.api.exists(f"{path}/serviceaccounts/default"), 60)
    plane.api.create(f"{path}/pods", pod())
    wait_for_pod(plane, path.rpartition("/")[2], is_ready)


def test_started_twice_it_is_the_same(plane: ControlPlane, directory: Path):
    assert ControlPlane.start(directory, pod_start_seconds=0.1).pids == plane.pids
    attached = ControlPlane.attach(directory)
    assert attached is not None
    assert (attached.pids, attached.server) == (plane.pids, plane.server)


def test_another_pod_start_time_restarts_only_kwok(plane: ControlPlane, directory: Path):
    slower = ControlPlane.start(directory, pod_start_seconds=0.2, die_with_parent=True)
    assert {name for name in PROGRAMS if slower.pids[name] != plane.pids[name]} == {"kwok"}
    assert_pods_start(slower)


def test_a_restarted_api_server_has_the_same_address_and_the_controllers_go_on(plane: ControlPlane):
    kept, before, kubeconfig = keep_something(plane), plane.pids, plane.kubeconfig.read_text()
    plane.restart_api_server()
    assert plane.api.exists(kept)
    assert {name for name in PROGRAMS if plane.pids[name] != before[name]} == {"kube-apiserver"}
    assert plane.kubeconfig.read_text() == kubeconfig
    assert_pods_start(plane)


def test_stopped_and_started_it_keeps_objects_and_kubeconfig(plane: ControlPlane, directory: Path):
    kept, kubeconfig = keep_something(plane), plane.kubeconfig.read_text()
    plane.stop()
    assert ControlPlane.attach(directory) is None
    again = ControlPlane.start(directory, pod_start_seconds=0.1, die_with_parent=True)
    assert again.api.exists(kept)
    assert again.kubeconfig.read_text() == kubeconfig
    assert_pods_start(again)


def test_a_killed_program_is_noticed_and_the_next_start_repairs_it(plane: ControlPlane, directory: Path):
    kept = keep_something(plane)
    os.kill(plane.pids["etcd"], signal.SIGKILL)
    assert processes.wait_until(lambda: ControlPlane.attach(directory) is None, 60)
    again = ControlPlane.start(directory, pod_start_seconds=0.1, die_with_parent=True)
    assert again.api.exists(kept)
    assert_pods_start(again)


def test_a_port_taken_meanwhile_is_avoided(plane: ControlPlane, directory: Path):
    kept, old = keep_something(plane), plane.server
    plane.stop()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", int(old.rpartition(":")[2])))
        other.listen()
        again = ControlPlane.start(directory, pod_start_seconds=0.1, die_with_parent=True)
    assert again.server != old
    assert again.api.exists(kept)
    assert again.server in again.kubeconfig.read_text()


def test_spoilt_data_gives_way_to_an_empty_cluster_with_a_warning(plane: ControlPlane, directory: Path, capsys: pytest.CaptureFixture[str]):
    kept = keep_something(plane)
    plane.stop()
    for file in (directory / "control-plane" / "etcd").rglob("db"):
        file.write_bytes(b"spoilt")
    again = ControlPlane.start(directory, pod_start_seconds=0.1, die_with_parent=True)
    assert not again.api.exists(kept)
    assert "an empty one takes its place" in capsys.readouterr().err


def test_programs_whose_files_were_removed_are_ended_by_the_next_start(plane: ControlPlane, directory: Path):
    left = [processes.Process(pid, processes.start_time(pid) or "") for pid in plane.pids.values()]
    processes.remove(directory)
    again = ControlPlane.start(directory, pod_start_seconds=0.1, die_with_parent=True)
    assert not any(process.is_running() for process in left)
    assert again.api.exists("/api/v1/nodes/node-1")


def test_removed_it_leaves_no_process_no_port_and_no_file(plane: ControlPlane, directory: Path):
    alive = [processes.Process(pid, processes.start_time(pid) or "") for pid in plane.pids.values()]
    port = int(plane.server.rpartition(":")[2])
    plane.stop(remove=True)
    assert not any(process.is_running() for process in alive)
    assert processes.port_is_free(port)
    assert list(directory.iterdir()) == []


STARTER = "import sys, time; from pathlib import Path; from rehearsal.control_plane import ControlPlane; {}"


def start_elsewhere(code: str, *arguments: object) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-c", STARTER.format(code), *map(str, arguments)]
    return subprocess.Popen(words, env={**os.environ, "PYTHONPATH": str(ROOT)})


def test_a_start_killed_half_way_is_cleared_away_by_the_next(tmp_path: Path):
    with start_elsewhere("ControlPlane.start(Path(sys.argv[1]))", tmp_path) as starter:
        state = tmp_path / "control-plane" / "state.json"
        assert processes.wait_until(lambda: state.exists() and "kube-apiserver" in state.read_text(), 60)
        starter.kill()
    assert ControlPlane.attach(tmp_path) is None
    left = [processes.Process(*entry) for entry in json.loads(state.read_text())["processes"].values()]
    plane = ControlPlane.start(tmp_path, die_with_parent=True)
    try:
        assert not any(process.is_running() for process in left)
        assert plane.api.exists("/api/v1/nodes/node-1")
    finally:
        plane.stop(remove=True)


def test_tied_to_its_parent_it_ends_when_that_is_killed(tmp_path: Path):
    with start_elsewhere("ControlPlane.start(Path(sys.argv[1]), die_with_parent=True); time.sleep(60)", tmp_path) as starter:
        assert processes.wait_until(lambda: ControlPlane.attach(tmp_path) is not None, 60, every=0.1)
        plane = ControlPlane.attach(tmp_path)
        assert plane is not None
        alive = [processes.Process(pid, processes.start_time(pid) or "") for pid in plane.pids.values()]
        starter.kill()
    assert processes.wait_until(lambda: not any(process.is_running() for process in alive), 60)


def test_pids_that_belong_to_others_by_now_are_left_alone(tmp_path: Path):
    state = {"whole": True, "podStartSeconds": 1, "ports": {"etcd": 1, "peer": 2, "api": 3}}
    state["processes"] = {name: [os.getpid(), "another time"] for name in PROGRAMS}
    (tmp_path / "control-plane").mkdir()
    (tmp_path / "control-plane" / "state.json").write_text(json.dumps(state))
    assert ControlPlane.attach(tmp_path) is None
    ControlPlane(tmp_path).stop(remove=True)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(RehearsalError, match=r"file/below cannot be used as a folder: Not a directory"):
        ControlPlane.start(tmp_path / "file" / "below")


def test_a_definition_that_a_dead_api_server_had_not_established_is_established_by_the_next(
    own_control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
):
    """It would wait five minutes for it. What the dead one left is written as it would have, past the API server."""
    plane, name = own_control_plane, "things.example.com"
    versions = [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}]
    spec = {"group": "example.com", "names": {"kind": "Thing", "plural": "things"}, "scope": "Cluster", "versions": versions}
    definitions, key = (
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        f"/registry/apiextensions.k8s.io/customresourcedefinitions/{name}",
    )
    plane.api.create(definitions, {"metadata": {"name": name}, "spec": spec})

    def established() -> str | None:
        return conditions(plane.api.request("GET", f"{definitions}/{name}")).get("Established")

    def without_established(program: str) -> None:
        (entry,) = etcd(plane, "range", key=key)["kvs"]
        stored = json.loads(base64.b64decode(entry["value"]))
        stored["status"]["conditions"] = [c for c in stored["status"]["conditions"] if c["type"] != "Established"]
        etcd(plane, "put", key=key, value=json.dumps(stored))
        run(program)

    assert processes.wait_until(lambda: established() == "True", 60)
    run = plane._run
    monkeypatch.setattr(plane, "_run", without_established)
    plane.restart_api_server()
    assert processes.wait_until(lambda: established() == "True", 60)
    assert "annotations" not in plane.api.request("GET", f"{definitions}/{name}")["metadata"]


def etcd(plane: ControlPlane, call: str, **body: str) -> dict[str, Any]:
    """One call of etcd's own API."""
    encoded = json.dumps({name: base64.b64encode(text.encode()).decode() for name, text in body.items()}).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{plane._ports['etcd']}/v3/kv/{call}", encoded, timeout=10) as answer:
        return json.loads(answer.read())
