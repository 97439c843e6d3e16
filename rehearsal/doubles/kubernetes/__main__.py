"""Starts the kubernetes double: `python -m rehearsal.doubles.kubernetes <engine address>`."""

import os
import select
import signal
import socket
import sys
import threading

import grpc

from rehearsal.doubles.kubernetes.host import Host
from rehearsal.doubles.kubernetes.protocol import serve
from rehearsal.doubles.kubernetes.provider import Provider

_LOOK_SECONDS = 0.5


def main(arguments: list[str]) -> int:
    """Serves until the engine ends it, or ends."""
    interrupted, interrupt = os.pipe()
    os.set_blocking(interrupt, False)
    # The engine interrupts its plugins when it is done with them; a user's interrupt comes by Cancel.
    signal.set_wakeup_fd(interrupt)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    parent, cancelled = os.getppid(), threading.Event()
    # Flags for logs may come before the address.
    address = arguments[-1] if arguments else ""
    provider = Provider(Host(grpc.insecure_channel(address) if address else None), cancelled)
    server, port = serve(provider, cancelled)
    print(port, flush=True)
    _wait_for_the_end(interrupted, parent, address)
    cancelled.set()
    server.stop(grace=None)
    provider.close()
    sys.stdout.flush()
    # Threads that still wait for something must not keep the process, and Helm ends with them.
    os._exit(0)


def _wait_for_the_end(interrupted: int, parent: int, address: str) -> None:
    """Waits for an interrupt, or until the engine is gone: its process, or what listens on its address."""
    line = _connection(address) if address else None
    while os.getppid() == parent:
        readable, _, _ = select.select([interrupted, *([line] if line else [])], [], [], _LOOK_SECONDS)
        if interrupted in readable:
            return
        if line in readable and line is not None and not _received(line):
            # A live engine hangs up on a silent connection too, after minutes, but takes a new one.
            line.close()
            line = _connection(address)
            if line is None:
                return


def _connection(address: str) -> socket.socket | None:
    host, _, port = address.rpartition(":")
    try:
        return socket.create_connection((host, int(port)), timeout=5)
    except OSError:
        return None


def _received(line: socket.socket) -> bytes:
    try:
        return line.recv(4096)
    except OSError:
        return b""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
