"""The provider protocol: the engine's gRPC calls, answered by the provider, its errors as the engine knows them."""

from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2

from rehearsal.doubles import serving
from rehearsal.doubles.azure_native import VERSION, diff
from rehearsal.doubles.azure_native.check import Naming
from rehearsal.doubles.azure_native.provider import Provider
from rehearsal.doubles.kubernetes.requests import Call
from rehearsal.doubles.kubernetes.values import decode, encode
from rehearsal.doubles.serving import listen, type_of

_Pb = provider_pb2


def serve(provider: Provider) -> tuple[grpc.Server, int]:
    """A started server on a free loopback port, and that port."""
    return listen(Servicer(provider))


class Servicer(serving.Servicer):
    """pulumirpc.ResourceProvider."""

    def __init__(self, provider: Provider) -> None:
        super().__init__(provider, "azure-native", VERSION)
        self._provider = provider

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> empty_pb2.Empty:
        # Nothing here takes long: what is under way ends by itself.
        return empty_pb2.Empty()

    def CheckConfig(self, request: _Pb.CheckRequest, context: grpc.ServicerContext) -> _Pb.CheckResponse:
        return _Pb.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: _Pb.DiffRequest, context: grpc.ServicerContext) -> _Pb.DiffResponse:
        # The real plugin says nothing here, either: the engine compares for itself, and no change replaces.
        return _Pb.DiffResponse()

    def Configure(self, request: _Pb.ConfigureRequest, context: grpc.ServicerContext) -> _Pb.ConfigureResponse:
        def answer() -> _Pb.ConfigureResponse:
            self._provider.configure(dict(request.variables))
            # Secrets are not accepted, so that the engine itself marks the outputs that come from secret inputs.
            return _Pb.ConfigureResponse(supportsPreview=True, supports_autonaming_configuration=True)

        return self._answered(context, answer)

    def Check(self, request: _Pb.CheckRequest, context: grpc.ServicerContext) -> _Pb.CheckResponse:
        call = Call(urn=request.urn, type=type_of(request.urn), olds=decode(request.olds), news=decode(request.news))
        mode = _Pb.CheckRequest.AutonamingOptions.Mode.Name(request.autonaming.mode) if request.HasField("autonaming") else ""
        naming = Naming(call.name, request.randomSeed, mode, request.autonaming.proposed_name)

        def answer() -> _Pb.CheckResponse:
            inputs, failures = self._provider.check(call, naming)
            return _Pb.CheckResponse(inputs=encode(inputs), failures=[_Pb.CheckFailure(reason=reason) for reason in failures])

        return self._answered(context, answer)

    def Diff(self, request: _Pb.DiffRequest, context: grpc.ServicerContext) -> _Pb.DiffResponse:
        call = Call(
            urn=request.urn,
            type=type_of(request.urn),
            identifier=request.id,
            olds=decode(request.olds),
            old_inputs=decode(request.old_inputs),
            news=decode(request.news),
        )

        def answer() -> _Pb.DiffResponse:
            found, deletes_first = self._provider.diff(call)
            kinds = _Pb.PropertyDiff.Kind
            return _Pb.DiffResponse(
                changes=_Pb.DiffResponse.DIFF_SOME if found else _Pb.DiffResponse.DIFF_NONE,
                replaces=diff.replaces(found),
                deleteBeforeReplace=deletes_first,
                diffs=sorted({path.partition(".")[0] for path in found}),
                detailedDiff={path: _Pb.PropertyDiff(kind=kinds.Value(change), inputDiff=True) for path, change in found.items()},
                hasDetailedDiff=bool(found),
            )

        return self._answered(context, answer)

    def Invoke(self, request: _Pb.InvokeRequest, context: grpc.ServicerContext) -> _Pb.InvokeResponse:
        def answer() -> _Pb.InvokeResponse:
            response = _Pb.InvokeResponse()
            getattr(response, "return").CopyFrom(encode(self._provider.invoke(request.tok, decode(request.args))))
            return response

        return self._answered(context, answer)
