"""The provider protocol: the engine's gRPC calls, answered by the provider, its errors as the engine knows them."""

import threading
from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2

from rehearsal.doubles import serving
from rehearsal.doubles.kubernetes import VERSION, config
from rehearsal.doubles.kubernetes.check import Naming
from rehearsal.doubles.kubernetes.errors import ApiError, CheckFailed, NoMatch, Unreachable
from rehearsal.doubles.kubernetes.provider import Provider, ResourceDiff
from rehearsal.doubles.kubernetes.requests import Call
from rehearsal.doubles.kubernetes.values import decode, encode
from rehearsal.doubles.serving import listen, type_of

_Pb = provider_pb2


def serve(provider: Provider, cancelled: threading.Event) -> tuple[grpc.Server, int]:
    """A started server on a free loopback port, and that port."""
    return listen(Servicer(provider, cancelled))


class Servicer(serving.Servicer):
    """pulumirpc.ResourceProvider."""

    def __init__(self, provider: Provider, cancelled: threading.Event) -> None:
        super().__init__(provider, "kubernetes", VERSION, (ApiError, NoMatch, Unreachable))
        self._provider = provider
        self._cancelled = cancelled

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> empty_pb2.Empty:
        self._cancelled.set()
        return empty_pb2.Empty()

    def CheckConfig(self, request: _Pb.CheckRequest, context: grpc.ServicerContext) -> _Pb.CheckResponse:
        is_default = request.urn.rpartition("::")[2].startswith("default")

        def answer() -> _Pb.CheckResponse:
            config.check(decode(request.news), is_default)
            return _Pb.CheckResponse(inputs=request.news)

        return self._checked(context, answer)

    def DiffConfig(self, request: _Pb.DiffRequest, context: grpc.ServicerContext) -> _Pb.DiffResponse:
        def answer() -> _Pb.DiffResponse:
            found = config.diff(decode(request.olds), decode(request.news))
            kind = _Pb.DiffResponse.DIFF_SOME if found.changed else _Pb.DiffResponse.DIFF_NONE
            return _Pb.DiffResponse(changes=kind, diffs=found.changed, replaces=found.replaces)

        return self._answered(context, answer)

    def Configure(self, request: _Pb.ConfigureRequest, context: grpc.ServicerContext) -> _Pb.ConfigureResponse:
        def answer() -> _Pb.ConfigureResponse:
            self._provider.configure(dict(request.variables))
            return _Pb.ConfigureResponse(acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True)

        return self._answered(context, answer)

    def Check(self, request: _Pb.CheckRequest, context: grpc.ServicerContext) -> _Pb.CheckResponse:
        call = Call(urn=request.urn, type=type_of(request.urn), olds=decode(request.olds), news=decode(request.news))
        mode = _Pb.CheckRequest.AutonamingOptions.Mode.Name(request.autonaming.mode) if request.HasField("autonaming") else ""
        naming = Naming(call.name, request.randomSeed, mode, request.autonaming.proposed_name)
        return self._checked(context, lambda: _Pb.CheckResponse(inputs=encode(self._provider.check(call, naming))))

    def Diff(self, request: _Pb.DiffRequest, context: grpc.ServicerContext) -> _Pb.DiffResponse:
        call = Call(
            urn=request.urn,
            type=type_of(request.urn),
            identifier=request.id,
            olds=decode(request.olds),
            news=decode(request.news),
            ignored=list(request.ignoreChanges),
        )
        return self._answered(context, lambda: _diff_response(self._provider.diff(call)))

    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"the kubernetes double has no functions: {request.tok}")

    def _checked(self, context: grpc.ServicerContext, answer: Callable[[], _Pb.CheckResponse]) -> _Pb.CheckResponse:
        try:
            return self._answered(context, answer)
        except CheckFailed as error:
            failure = _Pb.CheckFailure(property=error.property_name, reason=str(error))
            return _Pb.CheckResponse(inputs=encode(error.inputs), failures=[failure])


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
