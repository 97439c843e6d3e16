"""The life of a double as a process: it prints its port, serves, and ends when the engine ends it, or ends."""

import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import NamedTuple, NoReturn

import grpc

from rehearsal.doubles.kubernetes.host import Host

_LOOK_SECONDS = 0.5


class Serving(NamedTuple):
    """A double at work."""

    server: grpc.Server
    port: int
    close: Callable[[], None]
    """Puts in order what it leaves."""


def run(arguments: list[str], start: Callable[[Host, threading.Event], Serving]) -> NoReturn:
    """Serves until the engine interrupts this process, or is gone. The event says that a call under way may give up."""
    interrupted, interrupt = os.pipe()
    os.set_blocking(interrupt, False)
    # The engine interrupts its plugins when it is done with them; a user's interrupt comes by Cancel.
    signal.set_wakeup_fd(interrupt)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    parent, cancelled = os.getppid(), threading.Event()
    # Flags for logs may come before the address.
    address = arguments[-1] if arguments else ""
    serving = start(Host(grpc.insecure_channel(address) if address else None), cancelled)
    print(serving.port, flush=True)
    _wait_for_the_end(interrupted, parent, address)
    cancelled.set()
    serving.server.stop(grace=None)
    serving.close()
    sys.stdout.flush()
    # Threads that still wait for something must not keep the process, and what it started ends with them.
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
