"""The provider protocol: the engine's gRPC calls, answered by the provider, its errors as the engine knows them."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from rehearsal.doubles.kubernetes import VERSION, config
from rehearsal.doubles.kubernetes.check import Naming
from rehearsal.doubles.kubernetes.errors import ApiError, CheckFailed, NoMatch, Unreachable
from rehearsal.doubles.kubernetes.provider import Provider, ResourceDiff
from rehearsal.doubles.kubernetes.requests import Call
from rehearsal.doubles.kubernetes.values import decode, encode
from rehearsal.doubles.serving import answered, listen, type_of

_Answer = TypeVar("_Answer")
_Pb = provider_pb2


def serve(provider: Provider, cancelled: threading.Event) -> tuple[grpc.Server, int]:
    """A started server on a free loopback port, and that port."""
    return listen(Servicer(provider, cancelled))


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """pulumirpc.ResourceProvider."""

    def __init__(self, provider: Provider, cancelled: threading.Event) -> None:
        self._provider = provider
        self._cancelled = cancelled

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "method Handshake not implemented")

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=VERSION)

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> empty_pb2.Empty:
        self._cancelled.set()
        return empty_pb2.Empty()

    def CheckConfig(self, request: _Pb.CheckRequest, context: grpc.ServicerContext) -> _Pb.CheckResponse:
        is_default = request.urn.rpartition("::")[2].startswith("default")

        def answer() -> _Pb.CheckResponse:
            config.check(decode(request.news), is_default)
            return _Pb.CheckResponse(inputs=request.news)

        return _checked(context, answer)

    def DiffConfig(self, request: _Pb.DiffRequest, context: grpc.ServicerContext) -> _Pb.DiffResponse:
        def answer() -> _Pb.DiffResponse:
            found = config.diff(decode(request.olds), decode(request.news))
            kind = _Pb.DiffResponse.DIFF_SOME if found.changed else _Pb.DiffResponse.DIFF_NONE
            return _Pb.DiffResponse(changes=kind, diffs=found.changed, replaces=found.replaces)

        return _answered(context, answer)

    def Configure(self, request: _Pb.ConfigureRequest, context: grpc.ServicerContext) -> _Pb.ConfigureResponse:
        def answer() -> _Pb.ConfigureResponse:
            self._provider.configure(dict(request.variables))
            return _Pb.ConfigureResponse(acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True)

        return _answered(context, answer)

    def Check(self, request: _Pb.CheckRequest, context: grpc.ServicerContext) -> _Pb.CheckResponse:
        call = Call(urn=request.urn, type=type_of(request.urn), olds=decode(request.olds), news=decode(request.news))
        mode = _Pb.CheckRequest.AutonamingOptions.Mode.Name(request.autonaming.mode) if request.HasField("autonaming") else ""
        naming = Naming(call.name, request.randomSeed, mode, request.autonaming.proposed_name)
        return _checked(context, lambda: _Pb.CheckResponse(inputs=encode(self._provider.check(call, naming))))

    def Diff(self, request: _Pb.DiffRequest, context: grpc.ServicerContext) -> _Pb.DiffResponse:
        call = Call(
            urn=request.urn,
            type=type_of(request.urn),
            identifier=request.id,
            olds=decode(request.olds),
            news=decode(request.news),
            ignored=list(request.ignoreChanges),
        )
        return _answered(context, lambda: _diff_response(self._provider.diff(call)))

    def Create(self, request: _Pb.CreateRequest, context: grpc.ServicerContext) -> _Pb.CreateResponse:
        call = Call(
            urn=request.urn, type=type_of(request.urn), news=decode(request.properties), preview=request.preview, timeout=request.timeout
        )

        def answer() -> _Pb.CreateResponse:
            identifier, properties = self._provider.create(call)
            return _Pb.CreateResponse(id=identifier, properties=encode(properties))

        return _answered(context, answer)

    def Read(self, request: _Pb.ReadRequest, context: grpc.ServicerContext) -> _Pb.ReadResponse:
        call = Call(
            urn=request.urn,
            type=type_of(request.urn),
            identifier=request.id,
            olds=decode(request.properties),
            old_inputs=decode(request.inputs),
        )

        def answer() -> _Pb.ReadResponse:
            found = self._provider.read(call)
            if found is None:
                return _Pb.ReadResponse()
            identifier, properties, inputs = found
            return _Pb.ReadResponse(id=identifier, properties=encode(properties), inputs=encode(inputs))

        return _answered(context, answer)

    def Update(self, request: _Pb.UpdateRequest, context: grpc.ServicerContext) -> _Pb.UpdateResponse:
        call = Call(
            urn=request.urn,
            type=type_of(request.urn),
            identifier=request.id,
            olds=decode(request.olds),
            news=decode(request.news),
            preview=request.preview,
            timeout=request.timeout,
            ignored=list(request.ignoreChanges),
        )
        return _answered(context, lambda: _Pb.UpdateResponse(properties=encode(self._provider.update(call))))

    def Delete(self, request: _Pb.DeleteRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        call = Call(
            urn=request.urn, type=type_of(request.urn), identifier=request.id, olds=decode(request.properties), timeout=request.timeout
        )

        def answer() -> empty_pb2.Empty:
            self._provider.delete(call)
            return empty_pb2.Empty()

        return _answered(context, answer)

    def Construct(self, request: _Pb.ConstructRequest, context: grpc.ServicerContext) -> Any:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"the kubernetes double makes no components: {request.type}")

    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"the kubernetes double has no functions: {request.tok}")


def _diff_response(found: ResourceDiff) -> _Pb.DiffResponse:
    kinds = _Pb.PropertyDiff.Kind
    return _Pb.DiffResponse(
        changes=_Pb.DiffResponse.DIFF_SOME if found.has_changes else _Pb.DiffResponse.DIFF_NONE,
        replaces=found.replaces,
        deleteBeforeReplace=found.delete_first,
        diffs=found.arguments,
        detailedDiff={
            path: _Pb.PropertyDiff(kind=kinds.Value(change.kind), inputDiff=change.is_of_inputs) for path, change in found.changes.items()
        },
        hasDetailedDiff=found.is_detailed,
    )


def _checked(context: grpc.ServicerContext, answer: Callable[[], _Pb.CheckResponse]) -> _Pb.CheckResponse:
    try:
        return _answered(context, answer)
    except CheckFailed as error:
        failure = _Pb.CheckFailure(property=error.property_name, reason=str(error))
        return _Pb.CheckResponse(inputs=encode(error.inputs), failures=[failure])


def _answered(context: grpc.ServicerContext, answer: Callable[[], _Answer]) -> _Answer:
    return answered(context, answer, refused=(ApiError, NoMatch, Unreachable))
