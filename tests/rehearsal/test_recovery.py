"""After a killed run: what is mended, what is left alone, case by case. The kills themselves are in test_faults."""

import json
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rehearsal import recovery
from rehearsal.cluster import Cluster
from rehearsal.doubles.azure_native.catalogue import BY_TOKEN, GROUP
from rehearsal.doubles.azure_native.resource_manager import ResourceManager
from rehearsal.doubles.azure_native.settings import STATE, settings
from rehearsal.engine import RUN_VARIABLE, Engine
from rehearsal.errors import RehearsalError
from rehearsal.helm import Helm, HelmRelease
from rehearsal.ledger import Ledger
from rehearsal.plugins import Plugin
from rehearsal.recovery import recover
from rehearsal.subscription import Subscription

BEGAN = datetime.now(UTC) - timedelta(minutes=1)
BEFORE, SINCE = BEGAN - timedelta(hours=1), BEGAN + timedelta(seconds=10)
KINDS = [("Namespace", "namespaces", False), ("ConfigMap", "configmaps", True), ("PersistentVolumeClaim", "persistentvolumeclaims", True)]


class Api:
    """An API server of paths."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {"/api/v1": {"resources": [{"kind": k, "name": n, "namespaced": s} for k, n, s in KINDS]}}
        self.deleted: list[str] = []

    def put(self, path: str, kind: str, created: datetime, manager: str = "pulumi-kubernetes", **metadata: Any) -> None:
        """An object at a path."""
        name, namespace = path.rpartition("/")[2], path.split("/")[4] if path.count("/") > 4 else None
        stamp = created.isoformat(timespec="seconds")
        base = {"name": name, "namespace": namespace, "creationTimestamp": stamp, "managedFields": [{"manager": manager}]}
        self.objects[path] = {"kind": kind, "metadata": base | metadata}

    def find(self, path: str) -> Any | None:
        return self.objects.get(path.partition("?")[0])

    def request(self, method: str, path: str, body: Any) -> None:
        assert (method, body["propagationPolicy"]) == ("DELETE", "Foreground")
        self.deleted.append(path)
        del self.objects[path]


class FakeHelm:
    """Helm with one release, or none."""

    def __init__(self, release: HelmRelease | None = None) -> None:
        self.release = release
        self.done: list[str] = []

    def status(self, namespace: str, name: str) -> HelmRelease | None:
        return self.release

    def uninstall(self, namespace: str, name: str) -> None:
        self.done.append(f"uninstall {namespace}/{name}")

    def roll_back(self, namespace: str, name: str) -> None:
        self.done.append(f"roll back {namespace}/{name}")


class FakeEngine:
    """An engine that has nothing but a state."""

    def __init__(self, folder: Path, pending: list[dict[str, Any]], resources: list[dict[str, Any]] | None = None) -> None:
        self.state = folder
        self.deployment: dict[str, Any] = {"manifest": {}, "resources": resources or [], "pending_operations": pending}
        self.imported: dict[str, Any] | None = None

    def checkpoint(self) -> dict[str, Any]:
        return self.deployment

    def export(self) -> dict[str, Any]:
        return json.loads(json.dumps(self.deployment))

    def import_deployment(self, deployment: dict[str, Any]) -> None:
        self.imported = deployment


class Case:
    """One recovery with all that it touches."""

    def __init__(self, folder: Path, *pending: tuple[str, dict[str, Any]], release: HelmRelease | None = None) -> None:
        self.api, self.helm = Api(), FakeHelm(release)
        self.engine = FakeEngine(folder, [{"type": operation, "resource": resource} for operation, resource in pending])
        file = folder / "ledger.json"
        file.write_text(json.dumps({"began": BEGAN.isoformat(), "failed": []}))
        self.ledger = Ledger(file)
        self.azure: Subscription | None = None

    def run(self) -> recovery.Recovery:
        cluster = cast(Cluster, SimpleNamespace(api=self.api))
        return recover(cast(Engine, self.engine), cluster, cast(Helm, self.helm), self.ledger, self.azure)


def plain(kind: str, name: str, namespace: str | None = "place") -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    inputs = {"apiVersion": "v1", "kind": kind, "metadata": metadata}
    return {"urn": f"urn:{name}", "custom": True, "type": f"kubernetes:core/v1:{kind}", "inputs": inputs}


RELEASE = {"urn": "urn:release", "custom": True, "type": recovery.RELEASE, "inputs": {"name": "tempo", "namespace": "traces"}}
MAP, SPACE, CLAIM = "/api/v1/namespaces/place/configmaps/a", "/api/v1/namespaces/place", "/api/v1/namespaces/place/persistentvolumeclaims/a"


def test_without_an_unfinished_run_nothing_is_asked(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.ledger.end()
    assert case.run() == recovery.Recovery([], refresh=False)
    assert case.engine.imported is None


def test_an_object_that_was_made_and_not_recorded_is_removed_to_be_made_again(tmp_path: Path) -> None:
    case = Case(tmp_path, ("creating", plain("ConfigMap", "a")))
    case.api.put(MAP, "ConfigMap", SINCE)
    assert case.run().notes == ["ConfigMap place/a: made and not recorded: removed, to be made again"]
    assert case.api.deleted == [MAP]
    assert case.engine.imported == {"manifest": {}, "resources": []}


def test_an_object_that_was_never_made_needs_nothing(tmp_path: Path) -> None:
    case = Case(tmp_path, ("creating", plain("ConfigMap", "a")))
    assert case.run().notes == []
    assert case.engine.imported == {"manifest": {}, "resources": []}


@pytest.mark.parametrize(("created", "manager"), [(BEFORE, "pulumi-kubernetes"), (SINCE, "kubectl-create")])
def test_what_others_made_under_the_same_name_is_left_alone(tmp_path: Path, created: datetime, manager: str) -> None:
    case = Case(tmp_path, ("creating", plain("ConfigMap", "a")))
    case.api.put(MAP, "ConfigMap", created, manager)
    assert case.run().notes == [] and case.api.deleted == []


def test_a_namespace_in_which_others_have_begun_to_work_is_taken_into_the_state(tmp_path: Path) -> None:
    case = Case(tmp_path, ("creating", plain("Namespace", "place", None)))
    case.api.put(SPACE, "Namespace", SINCE)
    case.api.objects[f"{SPACE}/configmaps"] = {"items": [{"metadata": {"name": "kube-root-ca.crt"}}, {"metadata": {"name": "theirs"}}]}
    assert case.run().notes == ["Namespace place: made and not recorded, in use by now: taken into the state"]
    assert case.engine.imported is not None
    adopted = case.engine.imported["resources"][0]
    assert (adopted["id"], adopted["outputs"], case.api.deleted) == ("place", adopted["inputs"], [])


def test_a_namespace_that_holds_nothing_but_what_kubernetes_puts_there_is_made_again(tmp_path: Path) -> None:
    case = Case(tmp_path, ("creating", plain("Namespace", "place", None)))
    case.api.put(SPACE, "Namespace", SINCE)
    case.api.objects[f"{SPACE}/configmaps"] = {"items": [{"metadata": {"name": "kube-root-ca.crt"}}]}
    case.run()
    assert case.api.deleted == [SPACE]


def test_a_volume_that_a_pod_mounts_is_never_removed(tmp_path: Path) -> None:
    case = Case(tmp_path, ("creating", plain("PersistentVolumeClaim", "a")))
    case.api.put(CLAIM, "PersistentVolumeClaim", SINCE)
    volume = {"persistentVolumeClaim": {"claimName": "a"}}
    case.api.objects[f"{SPACE}/pods"] = {"items": [{"metadata": {"name": "pod"}, "spec": {"volumes": [{}, volume]}}]}
    assert "taken into the state" in case.run().notes[0]
    assert case.api.deleted == []


def test_a_patch_of_somebody_elses_object_never_removes_it(tmp_path: Path) -> None:
    patch = plain("ConfigMap", "a") | {"type": "kubernetes:core/v1:ConfigMapPatch"}
    case = Case(tmp_path, ("creating", patch))
    case.api.put(MAP, "ConfigMap", SINCE)
    case.run()
    assert case.api.deleted == []


@pytest.mark.parametrize("status", ["pending-install", "failed", "deployed", "uninstalling"])
def test_a_release_begun_and_not_recorded_is_uninstalled(tmp_path: Path, status: str) -> None:
    case = Case(tmp_path, ("creating", RELEASE), release=HelmRelease(status, SINCE))
    assert case.run().notes == [f"release traces/tempo ({status}): begun and not recorded: uninstalled, to be installed again"]
    assert case.helm.done == ["uninstall traces/tempo"]


def test_a_release_that_was_there_before_the_run_is_left_alone(tmp_path: Path) -> None:
    case = Case(tmp_path, ("creating", RELEASE), release=HelmRelease("deployed", BEFORE))
    case.run()
    assert case.helm.done == []


@pytest.mark.parametrize(
    ("operation", "status", "done"),
    [
        ("updating", "pending-upgrade", ["roll back traces/tempo"]),
        ("updating", "pending-rollback", ["roll back traces/tempo"]),
        ("updating", "deployed", []),
        ("deleting", "uninstalling", ["uninstall traces/tempo"]),
        ("deleting", "deployed", []),
    ],
)
def test_a_release_cut_short_is_brought_to_where_a_run_can_go_on(tmp_path: Path, operation: str, status: str, done: list[str]) -> None:
    case = Case(tmp_path, (operation, RELEASE), release=HelmRelease(status, BEFORE))
    case.run()
    assert case.helm.done == done


def test_a_deletion_under_way_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "GONE_SECONDS", 0.3)
    case = Case(tmp_path, ("deleting", plain("ConfigMap", "a")))
    case.api.put(MAP, "ConfigMap", BEFORE, deletionTimestamp="now", finalizers=["theirs/hold"])
    with pytest.raises(RehearsalError, match=r"^ConfigMap place/a is being removed for more than 0\.3 s; .* \['theirs/hold'\]$"):
        case.run()


def test_what_a_run_was_told_had_failed_is_looked_for_too(tmp_path: Path) -> None:
    case = Case(tmp_path)
    lost = {key: value for key, value in plain("ConfigMap", "a").items() if key != "custom"}
    (tmp_path / "ledger.json").write_text(json.dumps({"began": BEGAN.isoformat(), "failed": [lost]}))
    case.ledger = Ledger(tmp_path / "ledger.json")
    case.api.put(MAP, "ConfigMap", SINCE)
    case.run()
    assert case.api.deleted == [MAP]
    assert case.engine.imported is None  # nothing was pending


def test_what_failed_and_is_in_the_state_all_the_same_belongs_to_the_engine(tmp_path: Path) -> None:
    case = Case(tmp_path)
    lost = plain("ConfigMap", "a")
    case.engine.deployment["resources"] = [lost]
    (tmp_path / "ledger.json").write_text(json.dumps({"began": BEGAN.isoformat(), "failed": [lost]}))
    case.ledger = Ledger(tmp_path / "ledger.json")
    case.api.put(MAP, "ConfigMap", SINCE)
    assert case.run().refresh
    assert case.api.deleted == []


def lock(folder: Path, pid: int, hostname: str) -> Path:
    file = folder / ".pulumi" / "locks" / "organization" / "small" / "local" / "one.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"pid": pid, "username": "me", "hostname": hostname, "timestamp": "2026-01-01T00:00:00Z"}))
    return file


def ended_process() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_lock_of_a_process_that_is_gone_is_removed(tmp_path: Path) -> None:
    case = Case(tmp_path)
    file = lock(tmp_path, ended_process(), socket.gethostname())
    assert case.run().notes[0].endswith("which is gone: removed")
    assert not file.exists()


def test_the_lock_of_an_id_that_another_program_has_by_now_is_removed(tmp_path: Path) -> None:
    case = Case(tmp_path)
    file = lock(tmp_path, os.getppid(), socket.gethostname())
    case.run()
    assert not file.exists()


def test_a_lock_from_another_machine_stays_and_names_its_owner(tmp_path: Path) -> None:
    case = Case(tmp_path)
    file = lock(tmp_path, 4711, "elsewhere")
    with pytest.raises(RehearsalError, match=r"^the state is held by process 4711 on elsewhere since 2026-01-01T00:00:00Z$"):
        case.run()
    assert file.exists()


def test_what_a_killed_engine_left_running_is_ended_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "LEFTOVERS_SECONDS", 0.2)
    case = Case(tmp_path)
    environment = {**os.environ, RUN_VARIABLE: str(tmp_path)}
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env=environment)
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env={**environment, RUN_VARIABLE: f"{tmp_path}-other"})
    try:
        assert case.run().notes == [f"process {left.pid} of the run before did not end: killed"]
        assert left.wait(5) == -9 and other.poll() is None
    finally:
        for process in (left, other):
            process.kill()
            process.wait()


def test_what_was_made_in_azure_and_not_recorded_is_taken_into_the_state_and_never_made_again(tmp_path: Path) -> None:
    manager = ResourceManager(settings({}, {STATE: str(tmp_path / "azure.json")}))
    inputs = {"resourceGroupName": "telemetry", "location": "westeurope"}
    made, _ = manager.create(BY_TOKEN[GROUP.token], inputs)
    group = {"urn": "urn:group", "custom": True, "type": GROUP.token, "inputs": inputs, "protect": True}
    other = {**group, "urn": "urn:other", "inputs": {**inputs, "resourceGroupName": "never-made"}}
    case = Case(tmp_path, ("creating", group), ("creating", other))
    case.azure = Subscription(Plugin(tmp_path, True, "double", {}), "double", (), manager)
    assert case.run().notes == ["ResourceGroup telemetry: made and not recorded: taken into the state"]
    assert case.engine.imported is not None
    (adopted,) = case.engine.imported["resources"]
    assert (adopted["id"], adopted["outputs"]["location"], adopted["protect"]) == (made, "westeurope", True)
