"""The engine, as the double's host: where its messages to the user go."""

import sys
import threading

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

_SECONDS = 5.0


class Host:
    """Messages to the user through the engine; on standard error when there is no engine."""

    def __init__(self, channel: grpc.Channel | None) -> None:
        self._engine = engine_pb2_grpc.EngineStub(channel) if channel is not None else None
        self._said = set[str]()
        self._lock = threading.Lock()

    def info(self, message: str, urn: str = "") -> None:
        """A message that stays."""
        self._log(engine_pb2.INFO, message, urn)

    def warn(self, message: str, urn: str = "") -> None:
        """A warning."""
        self._log(engine_pb2.WARNING, message, urn)

    def status(self, message: str, urn: str) -> None:
        """What a resource waits for just now: shown beside it, not kept."""
        self._log(engine_pb2.INFO, message, urn, ephemeral=True)

    def warn_once(self, message: str) -> None:
        """A warning that is given once by this process."""
        with self._lock:
            if message in self._said:
                return
            self._said.add(message)
        self.warn(message)

    def _log(self, severity: int, message: str, urn: str, ephemeral: bool = False) -> None:
        if self._engine is None:
            if not ephemeral:
                print(message, file=sys.stderr)
            return
        request = engine_pb2.LogRequest(severity=severity, message=message, urn=urn, ephemeral=ephemeral)  # type: ignore[arg-type]
        try:
            self._engine.Log(request, timeout=_SECONDS)
        except grpc.RpcError:
            # An engine that ends does not take messages any more; what is under way must not fail for that.
            print(message, file=sys.stderr)
