"""The provider protocol: the engine's gRPC calls, answered by the provider, its errors as the engine knows them."""

from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from rehearsal.doubles.azure_native import VERSION, diff
from rehearsal.doubles.azure_native.check import Naming
from rehearsal.doubles.azure_native.provider import Provider
from rehearsal.doubles.kubernetes.requests import Call
from rehearsal.doubles.kubernetes.values import decode, encode
from rehearsal.doubles.serving import answered, listen, type_of

_Pb = provider_pb2


def serve(provider: Provider) -> tuple[grpc.Server, int]:
    """A started server on a free loopback port, and that port."""
    return listen(Servicer(provider))


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """pulumirpc.ResourceProvider."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "method Handshake not implemented")

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=VERSION)

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

        return answered(context, answer)

    def Check(self, request: _Pb.CheckRequest, context: grpc.ServicerContext) -> _Pb.CheckResponse:
        call = Call(urn=request.urn, type=type_of(request.urn), olds=decode(request.olds), news=decode(request.news))
        mode = _Pb.CheckRequest.AutonamingOptions.Mode.Name(request.autonaming.mode) if request.HasField("autonaming") else ""
        naming = Naming(call.name, request.randomSeed, mode, request.autonaming.proposed_name)

        def answer() -> _Pb.CheckResponse:
            inputs, failures = self._provider.check(call, naming)
            return _Pb.CheckResponse(inputs=encode(inputs), failures=[_Pb.CheckFailure(reason=reason) for reason in failures])

        return answered(context, answer)

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

        return answered(context, answer)

    def Create(self, request: _Pb.CreateRequest, context: grpc.ServicerContext) -> _Pb.CreateResponse:
        call = Call(urn=request.urn, type=type_of(request.urn), news=decode(request.properties), preview=request.preview)

        def answer() -> _Pb.CreateResponse:
            identifier, outputs = self._provider.create(call)
            return _Pb.CreateResponse(id=identifier, properties=encode(outputs))

        return answered(context, answer)

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
            identifier, outputs, inputs = found
            return _Pb.ReadResponse(id=identifier, properties=encode(outputs), inputs=encode(inputs))

        return answered(context, answer)

    def Update(self, request: _Pb.UpdateRequest, context: grpc.ServicerContext) -> _Pb.UpdateResponse:
        call = Call(
            urn=request.urn,
            type=type_of(request.urn),
            identifier=request.id,
            olds=decode(request.olds),
            old_inputs=decode(request.old_inputs),
            news=decode(request.news),
            preview=request.preview,
        )
        return answered(context, lambda: _Pb.UpdateResponse(properties=encode(self._provider.update(call))))

    def Delete(self, request: _Pb.DeleteRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        call = Call(urn=request.urn, type=type_of(request.urn), identifier=request.id, olds=decode(request.properties))

        def answer() -> empty_pb2.Empty:
            self._provider.delete(call)
            return empty_pb2.Empty()

        return answered(context, answer)

    def Construct(self, request: _Pb.ConstructRequest, context: grpc.ServicerContext) -> Any:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"the azure-native double makes no components: {request.type}")

    def Invoke(self, request: _Pb.InvokeRequest, context: grpc.ServicerContext) -> _Pb.InvokeResponse:
        def answer() -> _Pb.InvokeResponse:
            response = _Pb.InvokeResponse()
            getattr(response, "return").CopyFrom(encode(self._provider.invoke(request.tok, decode(request.args))))
            return response

        return answered(context, answer)
