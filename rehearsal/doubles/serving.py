"""What the doubles' gRPC services share: a server on a free port, and answers whose errors are as the engine knows them."""

from collections.abc import Callable
from concurrent import futures
from typing import TypeVar

import grpc
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from rehearsal.doubles.kubernetes.errors import InitializationFailed, Refusal
from rehearsal.doubles.kubernetes.values import encode

# Each call that waits holds a thread, and a run waits for many things at once.
WORKERS = 128
_MESSAGE_BYTES = 400 * 1024 * 1024
_OPTIONS = [("grpc.max_receive_message_length", _MESSAGE_BYTES), ("grpc.max_send_message_length", _MESSAGE_BYTES)]
_Answer = TypeVar("_Answer")


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
