"""The control plane: real etcd, API server, controller manager and scheduler on loopback; kwok simulates nodes and pods."""

import contextlib
import json
import os
import secrets
import time
from pathlib import Path
from typing import Any

from rehearsal import cluster_objects, commands, console, processes, tools
from rehearsal.certificates import write_certificates
from rehearsal.cluster_api import ApiError, ClusterApi
from rehearsal.errors import RehearsalError
from rehearsal.processes import Process

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
NODES = 3
_STAGES = Path(__file__).parent / "kwok"
_PORTS = ("etcd", "peer", "api", "kwok")
_MADE_BY_CONTROLLERS = "/api/v1/namespaces/kube-node-lease/serviceaccounts/default"
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class ControlPlane:
    """A control plane in a directory: `kubeconfig` there, everything else under `control-plane/`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.kubeconfig = directory / "kubeconfig"
        self._data = directory / "control-plane"
        self._ports: dict[str, int] = {}
        self._processes: dict[str, Process] = {}
        self._pod_start_seconds = 0.0
        self._whole = False
        self._tied = False

    @classmethod
    def start(cls, directory: Path, pod_start_seconds: float = 3.0, die_with_parent: bool = False) -> "ControlPlane":
        """The control plane of this directory: the one that runs there, or its data brought up again, or a new one.

        Pods get ready `pod_start_seconds` after they are scheduled. With `die_with_parent` it ends with the calling thread.
        """
        directory = directory.absolute()
        tools.ensure(*PROGRAMS)
        with processes.locked(directory):
            plane = cls._load(directory)
            if plane._serves():
                plane._set_pod_start(pod_start_seconds)
                return plane
            plane._terminate()
            plane._tied = die_with_parent
            plane._pod_start_seconds = pod_start_seconds
            try:
                if not (plane._whole and plane._starts_again()):
                    plane._start_anew()
            except OSError as error:
                plane._terminate(grace_seconds=0)
                raise RehearsalError(f"the control plane cannot keep its data in {plane._data}: {error.strerror or error}") from None
            except BaseException:
                plane._terminate(grace_seconds=0)
                raise
            return plane

    @classmethod
    def attach(cls, directory: Path) -> "ControlPlane | None":
        """The control plane that runs in this directory, if one does."""
        plane = cls._load(directory.absolute())
        return plane if plane._serves() else None

    @property
    def pids(self) -> dict[str, int]:
        """The process ids by program."""
        return {name: process.pid for name, process in self._processes.items()}

    @property
    def server(self) -> str:
        """The API server's address."""
        return f"https://127.0.0.1:{self._ports['api']}"

    @property
    def api(self) -> ClusterApi:
        """A client of the API server."""
        return ClusterApi(self.server, self._token(), self._data / "certificates" / "ca.crt")

    def stop(self, remove: bool = False) -> None:
        """Ends all processes and waits for their ports; `remove` takes the data and the kubeconfig away too."""
        if not self.directory.is_dir():
            return
        with processes.locked(self.directory):
            current = self._load(self.directory)
            current._terminate(grace_seconds=0 if remove else 5)
            self._processes = {}
            if remove:
                processes.remove(self.kubeconfig)
                processes.remove(self._data)
            elif current._data.is_dir():
                current._save()

    def restart_api_server(self) -> None:
        """Kills the API server and starts it again on the same port, as a fault; returns when it is ready."""
        self._processes["kube-apiserver"].stop(grace_seconds=0)
        processes.wait_for_free_ports([self._ports["api"]])
        self._run("kube-apiserver")
        self._wait_for("kube-apiserver", self._answers)
        self._go_on_with_definitions()

    @classmethod
    def _load(cls, directory: Path) -> "ControlPlane":
        """What the state file says; a plane that is not whole when it says nothing, or not all."""
        plane = cls(directory)
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            state = json.loads((plane._data / "state.json").read_text())
            plane._processes = {name: Process(*process) for name, process in state["processes"].items()}
            plane._pod_start_seconds = float(state["podStartSeconds"])
            plane._ports = {name: int(state["ports"][name]) for name in _PORTS}
            plane._whole = bool(state["whole"])
        return plane

    def _save(self) -> None:
        state: dict[str, Any] = {
            "whole": self._whole,
            "podStartSeconds": self._pod_start_seconds,
            "ports": self._ports,
            "processes": {name: [process.pid, process.started] for name, process in self._processes.items()},
        }
        _write(self._data / "state.json", json.dumps(state, indent=2))

    def _serves(self) -> bool:
        running = all(name in self._processes and self._processes[name].is_running() for name in PROGRAMS)
        return running and self._whole and self._answers()

    def _terminate(self, grace_seconds: float = 5.0, wait_for_ports: bool = True) -> None:
        # Only etcd has data to put in order.
        graces = [(self._processes[name], grace_seconds if name == "etcd" else 0) for name in reversed(PROGRAMS) if name in self._processes]
        ran = [process.stop(grace) for process, grace in graces]
        self._processes = {}
        # Those that no file names any more, as somebody removed the directory or killed us between a start and its record.
        for stray in processes.with_argument(f"={self._data}/", programs=PROGRAMS):
            stray.stop(grace_seconds=0)
        # Where none ran, what listens there is not ours to wait for.
        if wait_for_ports and any(ran):
            processes.wait_for_free_ports(list(self._ports.values()))

    def _starts_again(self) -> bool:
        """Brings the data of a stopped control plane up again, on its old ports where they are free; False if it cannot."""
        try:
            self._bring_up_on_free_ports()
        except (RehearsalError, OSError) as error:
            console.warning(f"the cluster kept in {self._data} does not come up again, an empty one takes its place ({error})")
            return False
        return True

    def _start_anew(self) -> None:
        processes.remove(self._data)
        self._data.mkdir()
        self._whole = False
        self._ports = _free_ports()
        write_certificates(self._data / "certificates")
        _write(self._data / "tokens.csv", f"{secrets.token_hex(24)},rehearsal,rehearsal,system:masters\n")
        self._bring_up_on_free_ports()

    def _bring_up_on_free_ports(self) -> None:
        """Brings it up; on other ports if another program takes one between our look and a server's bind."""
        for attempts_left in (2, 1, 0):
            if not self._ports_are_free():
                self._ports = _free_ports()
            try:
                self._bring_up()
            except RehearsalError:
                self._terminate(grace_seconds=0, wait_for_ports=False)
                if attempts_left == 0 or self._ports_are_free():
                    raise
            else:
                return

    def _ports_are_free(self) -> bool:
        return all(processes.port_is_free(port) for port in self._ports.values())

    def _bring_up(self) -> None:
        self._write_kubeconfigs()
        self._run("etcd")
        self._run("kube-apiserver")
        self._wait_for("kube-apiserver", self._answers)
        self._go_on_with_definitions()
        self._make_objects()
        for name in ("kube-controller-manager", "kube-scheduler", "kwok"):
            self._run(name)
        self._wait_for("kube-controller-manager", self._is_ready)
        self._wait_for("kwok", self._simulates)
        self._whole = True
        self._save()

    def _run(self, name: str) -> None:
        binary = tools.ensure(name)[name]
        command = {
            "etcd": lambda: commands.etcd(binary, self._data, self._ports),
            "kube-apiserver": lambda: commands.api_server(binary, self._data, self._ports),
            "kube-controller-manager": lambda: commands.controller_manager(binary, self._data),
            "kube-scheduler": lambda: commands.scheduler(binary, self._data),
            "kwok": lambda: commands.kwok(binary, self._data, self._ports, _STAGES, self._pod_start_seconds),
        }[name]()
        environment = {**os.environ, "KWOK_WORKDIR": str(self._data / "kwok")}
        self._processes[name] = processes.start(command, self._log(name), die_with_parent=self._tied, env=environment, cwd=self._data)
        self._save()

    def _log(self, name: str) -> Path:
        return self._data / "logs" / f"{name}.log"

    def _wait_for(self, name: str, condition) -> None:
        deadline = time.monotonic() + processes.START_SECONDS
        while not condition():
            for program, process in self._processes.items():
                if not process.is_running():
                    raise RehearsalError(f"{program} ended while it started: {self._last_words(program)}")
            if time.monotonic() > deadline:
                raise RehearsalError(f"{name} is not ready after {processes.START_SECONDS:g} s: {self._last_words(name)}")
            time.sleep(0.05)

    def _last_words(self, name: str) -> str:
        return f"{processes.last_line(self._log(name))} (log: {self._log(name)})"

    def _answers(self) -> bool:
        try:
            return self.api.request("GET", "/readyz", seconds=5) == "ok"
        except (ApiError, OSError):
            return False

    def _go_on_with_definitions(self) -> None:
        """Touches definitions whose names the API server before this one accepted, and which it did not live to establish.

        A new one establishes them when it sees them change, or else when it lists all again, after five minutes. Source:
        apiextensions-apiserver 0.36 pkg/apiserver/customresource_handler.go, updateCustomResourceDefinition.
        """
        for found in self.api.request("GET", _DEFINITIONS)["items"]:
            conditions = {condition["type"]: condition["status"] for condition in found.get("status", {}).get("conditions", [])}
            if conditions.get("NamesAccepted") == "True" and conditions.get("Established") != "True":
                for value in ("now", None):  # and takes the trace of it away again
                    annotations = {"metadata": {"annotations": {"rehearsal/touched": value}}}
                    self.api.request("PATCH", f"{_DEFINITIONS}/{found['metadata']['name']}", annotations)

    def _is_ready(self) -> bool:
        """Whether pods can be made and placed: nodes ready without a taint, and the controller manager at work."""
        try:
            nodes = self.api.request("GET", "/api/v1/nodes")["items"]
            placed = all(
                not node["spec"].get("taints")
                and any(
                    condition["type"] == "Ready" and condition["status"] == "True" for condition in node["status"].get("conditions", [])
                )
                for node in nodes
            )
            return (
                placed and self.api.exists(_MADE_BY_CONTROLLERS) and self.api.exists("/api/v1/namespaces/default/serviceaccounts/default")
            )
        except ApiError:
            return False

    def _simulates(self) -> bool:
        """Whether kwok's controllers run."""
        return not processes.port_is_free(self._ports["kwok"])

    def _set_pod_start(self, seconds: float) -> None:
        """Gives a running control plane another pod start time."""
        if seconds != self._pod_start_seconds:
            self._pod_start_seconds = seconds
            self._processes.pop("kwok").stop(grace_seconds=0)
            self._run("kwok")
            self._wait_for("kwok", self._simulates)

    def _make_objects(self) -> None:
        with contextlib.suppress(ApiError):
            self.api.request("DELETE", _MADE_BY_CONTROLLERS)  # of an earlier start, so that it says something about this one
        for number in range(1, NODES + 1):
            self.api.create("/api/v1/nodes", cluster_objects.node(number))
        self.api.create("/apis/storage.k8s.io/v1/storageclasses", cluster_objects.STORAGE_CLASS)

    def _token(self) -> str:
        return (self._data / "tokens.csv").read_text().partition(",")[0]

    def _write_kubeconfigs(self) -> None:
        """The user's kubeconfig, and the same for our own programs, which they keep if the user's is removed."""
        authority = (self._data / "certificates" / "ca.crt").read_bytes()
        content = cluster_objects.kubeconfig(self.server, self._token(), authority)
        for path in (self.kubeconfig, self._data / "kubeconfig"):
            _write(path, json.dumps(content, indent=2))


def _free_ports() -> dict[str, int]:
    return dict(zip(_PORTS, processes.free_ports(len(_PORTS)), strict=True))


def _write(path: Path, text: str) -> None:
    """Writes a file at once, for its owner only: a reader sees the old or the new text, never half of it."""
    temporary = path.with_name(f"{path.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode=0o600)
    temporary.write_text(text)
    temporary.replace(path)
