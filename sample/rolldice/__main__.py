"""Serves rolldice: `python -m rolldice`, on port 8080 or the one in PORT, until SIGTERM."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys

from waitress.server import create_server

from .app import create_app, log

DRAIN_SECONDS = 3
"""How long requests are still answered after SIGTERM: Kubernetes takes a pod out of its Service while it stops, not before."""
LONGEST_BODY = 1024
"""In bytes. No route reads a body, and a large one would go to a temporary file, which a read-only file system has no place for."""


def main() -> int:
    """Serves until it is told to stop; returns the exit code."""
    port = os.environ.get("PORT", "8080")
    if not (re.fullmatch("[0-9]{1,5}", port) and 1 <= int(port) <= 65535):
        return _fail(f"PORT is {port!r}: must be a number from 1 to 65535")
    log_to_stdout()
    try:
        # One process with threads: instrumentation that comes with the interpreter gives a process one identity before a
        # server forks, so that the counters of several workers would arrive as one series and overwrite each other.
        server = create_server(
            create_app(), host="0.0.0.0", port=int(port), server_name="rolldice", ident=None, max_request_body_size=LONGEST_BODY
        )
    except OSError as error:
        return _fail(f"cannot listen on port {port}: {error.strerror}")
    # Without a handler, process 1 of a container ignores SIGTERM. The end comes as an exception and not from the signal, so
    # that exit hooks run: instrumentation sends its last signals in one.
    signal.signal(signal.SIGTERM, lambda *_: signal.alarm(DRAIN_SECONDS))
    signal.signal(signal.SIGALRM, lambda *_: sys.exit(0))
    log.info("listening on port %s", port)
    server.run()
    return 0


def log_to_stdout() -> None:
    """Sends to stdout what is logged, one line per record.

    Adds a handler by hand: instrumentation has put one of its own on the root logger by now, where `basicConfig` would do
    nothing, and `dictConfig` would take that handler away.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)


def _fail(reason: str) -> int:
    print(f"error: {reason}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
