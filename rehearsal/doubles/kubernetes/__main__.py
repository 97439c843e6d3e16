"""Starts the kubernetes double: `python -m rehearsal.doubles.kubernetes <engine address>`."""

import os
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
    ended, cancelled = threading.Event(), threading.Event()
    # The engine ends its plugins by an interrupt, and kills them five seconds later. A user's interrupt reaches the engine
    # alone, as each plugin has a process group of its own: that one arrives as Cancel.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    channel = grpc.insecure_channel(arguments[0]) if arguments else None
    if channel is not None:
        _end_with_engine(channel, ended)
    provider = Provider(Host(channel), cancelled)
    server, port = serve(provider, cancelled)
    print(port, flush=True)
    parent = os.getppid()
    while not ended.wait(_LOOK_SECONDS) and os.getppid() == parent:
        pass
    cancelled.set()
    provider.close()
    server.stop(grace=None)
    # Threads that still wait for something must not keep the process.
    os._exit(0)


def _end_with_engine(channel: grpc.Channel, ended: threading.Event) -> None:
    """Ends when the connection to the engine breaks and it does not take a new one."""
    was_connected = threading.Event()

    def noted(state: grpc.ChannelConnectivity) -> None:
        if state is grpc.ChannelConnectivity.READY:
            was_connected.set()
        elif state is grpc.ChannelConnectivity.TRANSIENT_FAILURE and was_connected.is_set():
            ended.set()

    channel.subscribe(noted, try_to_connect=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
