"""What the doubles' gRPC services share: a server on a free port, and answers whose errors are as the engine knows them."""

from collections.abc import Callable
from concurrent import futures
from typing import Any, Protocol, TypeVar

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from rehearsal.doubles.kubernetes.errors import InitializationFailed, Refusal
from rehearsal.doubles.kubernetes.requests import Call
from rehearsal.doubles.kubernetes.values import decode, encode

# Each call that waits holds a thread, and a run waits for many things at once.
WORKERS = 128
_MESSAGE_BYTES = 400 * 1024 * 1024
_OPTIONS = [("grpc.max_receive_message_length", _MESSAGE_BYTES), ("grpc.max_send_message_length", _MESSAGE_BYTES)]
_Answer = TypeVar("_Answer")
_Pb = provider_pb2


class Provider(Protocol):
    """Who makes, reads, changes and removes resources."""

    def create(self, call: Call) -> tuple[str, dict[str, Any]]: ...

    def read(self, call: Call) -> tuple[str, dict[str, Any], dict[str, Any]] | None: ...

    def update(self, call: Call) -> dict[str, Any]: ...

    def delete(self, call: Call) -> None: ...


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """The part of pulumirpc.ResourceProvider in which doubles do not differ; `refused` are errors whose message goes to the user."""

    def __init__(self, provider: Provider, name: str, version: str, refused: tuple[type[Exception], ...] = ()) -> None:
        self._resources = provider
        self._name = name
        self._version = version
        self._refused = refused

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "method Handshake not implemented")

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=self._version)

    def Create(self, request: _Pb.CreateRequest, context: grpc.ServicerContext) -> _Pb.CreateResponse:
        call = Call(
            urn=request.urn, type=type_of(request.urn), news=decode(request.properties), preview=request.preview, timeout=request.timeout
        )

        def answer() -> _Pb.CreateResponse:
            identifier, outputs = self._resources.create(call)
            return _Pb.CreateResponse(id=identifier, properties=encode(outputs))

        return self._answered(context, answer)

    def Read(self, request: _Pb.ReadRequest, context: grpc.ServicerContext) -> _Pb.ReadResponse:
        call = Call(
            urn=request.urn,
            type=type_of(request.urn),
            identifier=request.id,
            olds=decode(request.properties),
            old_inputs=decode(request.inputs),
        )

        def answer() -> _Pb.ReadResponse:
            found = self._resources.read(call)
            if found is None:
                return _Pb.ReadResponse()
            identifier, outputs, inputs = found
            return _Pb.ReadResponse(id=identifier, properties=encode(outputs), inputs=encode(inputs))

        return self._answered(context, answer)

    def Update(self, request: _Pb.UpdateRequest, context: grpc.ServicerContext) -> _Pb.UpdateResponse:
        call = Call(
            urn=request.urn,
            type=type_of(request.urn),
            identifier=request.id,
            olds=decode(request.olds),
            old_inputs=decode(request.old_inputs),
            news=decode(request.news),
            preview=request.preview,
            timeout=request.timeout,
            ignored=list(request.ignoreChanges),
        )
        return self._answered(context, lambda: _Pb.UpdateResponse(properties=encode(self._resources.update(call))))

    def Delete(self, request: _Pb.DeleteRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        call = Call(
            urn=request.urn, type=type_of(request.urn), identifier=request.id, olds=decode(request.properties), timeout=request.timeout
        )

        def answer() -> empty_pb2.Empty:
            self._resources.delete(call)
            return empty_pb2.Empty()

        return self._answered(context, answer)

    def Construct(self, request: _Pb.ConstructRequest, context: grpc.ServicerContext) -> Any:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"the {self._name} double makes no components: {request.type}")

    def _answered(self, context: grpc.ServicerContext, answer: Callable[[], _Answer]) -> _Answer:
        return answered(context, answer, self._refused)


def listen(servicer: provider_pb2_grpc.ResourceProviderServicer) -> tuple[grpc.Server, int]:
    """A started server on a free loopback port, and that port."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=WORKERS), options=_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def type_of(urn: str) -> str:
    """The resource's type, of a URN that names its parents' types before it."""
    return urn.split("::")[2].rpartition("$")[2]


def answered(context: grpc.ServicerContext, answer: Callable[[], _Answer], refused: tuple[type[Exception], ...] = ()) -> _Answer:
    """The answer, or the call's end with the error as the engine knows it; `refused` are more errors whose message goes to the user."""
    try:
        return answer()
    except InitializationFailed as error:
        detail = provider_pb2.ErrorResourceInitFailed(
            id=error.identifier,
            properties=encode(error.properties),
            reasons=error.reasons,
            inputs=None if error.inputs is None else encode(error.inputs),
        )
        status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error))
        status.details.add().Pack(detail)
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        raise _aborted(context, grpc.StatusCode.UNKNOWN, error) from None
    except Refusal as error:
        code = grpc.StatusCode.UNKNOWN
        if error.deadline:
            code = grpc.StatusCode.DEADLINE_EXCEEDED
        elif error.cancelled:
            code = grpc.StatusCode.CANCELLED
        raise _aborted(context, code, error) from None
    except refused as error:
        raise _aborted(context, grpc.StatusCode.UNKNOWN, error) from None


def _aborted(context: grpc.ServicerContext, code: grpc.StatusCode, error: Exception) -> Exception:
    # Raises itself, what is returned is for the reader who cannot know that.
    context.abort(code, str(error))
    return error
