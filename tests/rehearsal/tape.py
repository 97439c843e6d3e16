"""Replays a recorded conversation of the real kubernetes plugin against the double, and compares the answers by shape."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import json_format, message_factory
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from rehearsal.doubles.kubernetes.host import Host
from rehearsal.doubles.kubernetes.protocol import serve
from rehearsal.doubles.kubernetes.provider import Provider
from tests import reference

_STATE_KEYS = {"Diff": "olds", "Update": "olds", "Delete": "properties", "Read": "properties"}
_SERVICE = provider_pb2.DESCRIPTOR.services_by_name["ResourceProvider"]
# What differs from run to run, and what stands for it in a comparison.
_BY_SHAPE = (
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "<time>"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "<uid>"),
    (re.compile(r"\bpulumi-kubernetes-[0-9a-f]{8}\b"), "pulumi-kubernetes-<random>"),
    (re.compile(r"\b(web|db)-[0-9a-f]{8,10}\b"), r"\1-<hash>"),
    (re.compile(r"\b(127\.0\.0\.1:)\d+"), r"\1<port>"),
    (re.compile(r"\b(10\.\d+|192\.0|198\.18)\.\d+\.\d+\b"), "<address>"),
    # The real plugin loads the API's schema first, the double what is much smaller.
    (re.compile(r"/(openapi/v2|version)\?timeout"), "/<first request>?timeout"),
)
_VOLATILE = {"resourceVersion": "<version>", "nodePort": "<port>", "terminatingReplicas": "<count>", "randomSeed": "<seed>"}


@contextmanager
def running_double(host: Host | None = None) -> Iterator[provider_pb2_grpc.ResourceProviderStub]:
    """A double of its own process's life, spoken to over gRPC as by the engine."""
    cancelled = threading.Event()
    provider = Provider(host or Host(None), cancelled)
    server, port = serve(provider, cancelled)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield provider_pb2_grpc.ResourceProviderStub(channel)
    cancelled.set()
    server.stop(grace=None).wait()
    provider.close()


def read(name: str) -> list[dict[str, Any]]:
    """The lines of a tape, by the start of its file's name."""
    folder = reference.path("tapes")
    found = [path for path in sorted(folder.glob("*.jsonl")) if path.name.startswith(name)]
    assert len(found) == 1, f"{len(found)} tapes begin with {name} in {folder}"
    return [json.loads(line) for line in found[0].read_text().splitlines()]


def answer(stub: provider_pb2_grpc.ResourceProviderStub, method: str, request: dict[str, Any]) -> tuple[dict[str, Any] | None, str, Any]:
    """The double's answer as a tape has it, its error as the engine prints it, and what the error keeps in state."""
    kind = _SERVICE.methods_by_name[method].input_type
    message = json_format.ParseDict(request, message_factory.GetMessageClass(kind)(), ignore_unknown_fields=True)
    try:
        response = getattr(stub, method)(message, timeout=120)
    except grpc.RpcError as error:
        return None, f"rpc error: code = {_go_name(error.code())} desc = {error.details()}", _kept(error)
    return _whole(json_format.MessageToDict(response, preserving_proto_field_name=False)), "", None


def _go_name(code: grpc.StatusCode) -> str:
    return "".join(word.capitalize() for word in code.name.split("_"))


def _kept(error: Any) -> provider_pb2.ErrorResourceInitFailed | None:
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            detail = provider_pb2.ErrorResourceInitFailed()
            assert status_pb2.Status.FromString(value).details[0].Unpack(detail)
            return detail
    return None


def _whole(value: Any) -> Any:
    """Numbers without a fraction as whole ones, as in the tapes."""
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def shape(value: Any, key: str = "") -> Any:
    """The value with a placeholder for what differs from run to run."""
    if key == "managedFields":
        # By which managers, and how: what they own is up to the API server.
        return sorted(f"{shape(entry['manager'])} {entry['operation']} {entry.get('subresource', '')}" for entry in value)
    if key in _VOLATILE:
        return _VOLATILE[key]
    if key == "id" and not value:
        return value
    if isinstance(value, dict):
        return {shape(name): shape(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    if isinstance(value, str):
        for pattern, placeholder in _BY_SHAPE:
            value = pattern.sub(placeholder, value)
    return value


def differences(expected: Any, found: Any, path: str = "") -> list[str]:
    """Where two values differ, as lines for a reader."""
    if isinstance(expected, dict) and isinstance(found, dict):
        keys = sorted(expected.keys() | found.keys())
        return [line for key in keys for line in differences(expected.get(key), found.get(key), f"{path}.{key}")]
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        return [line for at in range(len(found)) for line in differences(expected[at], found[at], f"{path}[{at}]")]
    return [] if expected == found else [f"{path or '.'}: recorded {expected!r}, the double says {found!r}"]


@dataclass
class Replay:
    """Tapes replayed one after another: the state of a resource is what the double said of it, as the engine would keep it."""

    kubeconfig: str
    states: dict[str, Any] = field(default_factory=dict)
    mismatches: list[str] = field(default_factory=list)
    kept: dict[str, Any] = field(default_factory=dict)

    def play(self, name: str, before: Callable[[dict[str, Any]], None] = lambda line: None) -> None:
        """Plays one tape; `before` sees each line first, to change a request or to do something behind the double's back."""
        with running_double() as stub:
            for number, recorded in enumerate(read(name)):
                # Each line is compared as it was recorded, whatever `before` changes in the request.
                line = json.loads(json.dumps(recorded).replace("<kubeconfig>", json.dumps(self.kubeconfig)[1:-1]))
                before(line)
                self._play_line(stub, f"{name} line {number + 1} {line['method']} {line['request'].get('urn', '')}", line)

    def _play_line(self, stub: provider_pb2_grpc.ResourceProviderStub, where: str, line: dict[str, Any]) -> None:
        method, request = line["method"], line["request"]
        urn = request.get("urn", "")
        key = _STATE_KEYS.get(method)
        if key is not None:
            before = self.states[f"{urn} {request['id']}"]
            self._note(where + " state before", request[key], before)
            request = {**request, key: before}
        response, error, kept = answer(stub, method, request)
        self._note(where + " error", (line.get("errors") or [""])[0], error)
        self._note(where, line["response"] or None, response or None)
        if kept is not None:
            self.kept[urn] = kept
            self.states[f"{urn} {kept.id}"] = _whole(json_format.MessageToDict(kept.properties))
        elif method in ("Create", "Update", "Read") and response and not request.get("preview"):
            self.states[f"{urn} {response.get('id') or request['id']}"] = response["properties"]

    def _note(self, where: str, expected: Any, found: Any) -> None:
        self.mismatches += [f"{where}{line}" for line in differences(shape(expected), shape(found))]
