"""The double as the engine's child: it says its port, says once what it is, and ends with the engine, Helm with it."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import engine_pb2_grpc, provider_pb2, provider_pb2_grpc

from rehearsal import processes
from rehearsal.control_plane import ControlPlane
from tests.rehearsal import double_client

_ROOT = Path(__file__).parent.parent.parent


class _Engine(engine_pb2_grpc.EngineServicer):
    def __init__(self) -> None:
        self.messages: queue.Queue[str] = queue.Queue()

    def Log(self, request: Any, context: Any) -> empty_pb2.Empty:
        self.messages.put(request.message)
        return empty_pb2.Empty()


@contextmanager
def _engine() -> Iterator[tuple[_Engine, grpc.Server, str]]:
    server, engine = grpc.server(futures.ThreadPoolExecutor(4)), _Engine()
    engine_pb2_grpc.add_EngineServicer_to_server(engine, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield engine, server, address
    server.stop(grace=None)


@contextmanager
def _started(*words: str, **environment: str) -> Iterator[tuple[subprocess.Popen[bytes], provider_pb2_grpc.ResourceProviderStub]]:
    command = [sys.executable, "-m", "rehearsal.doubles.kubernetes", *words]
    env = {**os.environ, "PYTHONPATH": str(_ROOT), **environment}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield process, provider_pb2_grpc.ResourceProviderStub(channel)
        finally:
            process.kill()


def _struct(data: dict[str, Any]) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    struct.update(data)
    return struct


def test_it_serves_on_the_port_it_prints_and_says_once_what_it_is() -> None:
    with _engine() as (engine, _, address), _started("--logtostderr", address) as (_, stub):
        assert stub.GetPluginInfo(empty_pb2.Empty()).version == "4.34.2"
        for _ in range(2):
            stub.Configure(provider_pb2.ConfigureRequest(variables={"kubernetes:config:kubeconfig": "{}"}))
        assert engine.messages.get(timeout=5) == "kubernetes double: stands in for the real plugin 4.34.2"
        assert engine.messages.empty()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_once_when_the_engine_interrupts_it(number: signal.Signals) -> None:
    with _started() as (process, _):
        process.send_signal(number)
        assert process.wait(timeout=2) == 0


def test_it_ends_when_the_engine_does() -> None:
    with _engine() as (engine, server, address), _started(address) as (process, stub):
        stub.Configure(provider_pb2.ConfigureRequest(variables={"kubernetes:config:kubeconfig": "{}"}))
        engine.messages.get(timeout=5)
        server.stop(grace=None).wait()
        assert process.wait(timeout=10) == 0


def test_helm_ends_with_a_killed_double(control_plane: ControlPlane, tmp_path: Path) -> None:
    helm = tmp_path / "helm"
    helm.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid.new && mv {tmp_path}/pid.new {tmp_path}/pid\nexec sleep 600\n")
    helm.chmod(0o755)
    with _started(REHEARSAL_HELM=str(helm)) as (process, stub):
        stub.Configure(provider_pb2.ConfigureRequest(variables={"kubernetes:config:kubeconfig": str(control_plane.kubeconfig)}))
        release = _struct({"name": "r", "namespace": "default", "chart": "c"})
        call = stub.Create.future(provider_pb2.CreateRequest(urn=double_client.urn(double_client.RELEASE), properties=release))
        assert processes.wait_until((tmp_path / "pid").exists, 60)
        pid = int((tmp_path / "pid").read_text())
        assert processes.start_time(pid) is not None
        process.kill()
        assert processes.wait_until(lambda: processes.start_time(pid) is None, 60)
        call.cancel()


def test_a_plugin_starts_in_well_under_a_second() -> None:
    before = os.times()
    with _started() as (process, _):
        process.send_signal(signal.SIGINT)
        process.wait(timeout=5)
    after = os.times()
    # processor time, as the machine may be busy with other tests
    assert after.children_user + after.children_system - before.children_user - before.children_system < 1.0
