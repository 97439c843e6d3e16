"""Starts the kubernetes double: `python -m rehearsal.doubles.kubernetes <engine address>`."""

import contextlib
import os
import select
import signal
import sys
import threading

import grpc

from rehearsal.doubles.kubernetes.host import Host
from rehearsal.doubles.kubernetes.protocol import serve
from rehearsal.doubles.kubernetes.provider import Provider

_LOOK_SECONDS = 0.5


def main(arguments: list[str]) -> int:
    """Serves until the engine ends it, or ends."""
    ended, end = os.pipe()
    os.set_blocking(end, False)
    # The engine interrupts its plugins when it is done with them; a user's interrupt comes by Cancel.
    signal.set_wakeup_fd(end)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    parent, cancelled = os.getppid(), threading.Event()
    # Flags for logs may come before the address.
    channel = grpc.insecure_channel(arguments[-1]) if arguments else None
    if channel is not None:
        _end_with_engine(channel, end)
    provider = Provider(Host(channel), cancelled)
    server, port = serve(provider, cancelled)
    print(port, flush=True)
    while not select.select([ended], [], [], _LOOK_SECONDS)[0] and os.getppid() == parent:
        pass
    cancelled.set()
    server.stop(grace=None)
    provider.close()
    sys.stdout.flush()
    # Threads that still wait for something must not keep the process, and Helm ends with them.
    os._exit(0)


def _end_with_engine(channel: grpc.Channel, end: int) -> None:
    """Ends when the connection to the engine breaks and it takes no new one."""
    was_connected = threading.Event()

    def noted(state: grpc.ChannelConnectivity) -> None:
        if state is grpc.ChannelConnectivity.READY:
            was_connected.set()
        elif state is grpc.ChannelConnectivity.TRANSIENT_FAILURE and was_connected.is_set():
            with contextlib.suppress(OSError):
                os.write(end, b"x")

    channel.subscribe(noted, try_to_connect=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
