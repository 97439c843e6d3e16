"""Starts the kubernetes double: `python -m rehearsal.doubles.kubernetes <engine address>`."""

import sys
import threading

from rehearsal.doubles import lifecycle
from rehearsal.doubles.kubernetes.host import Host
from rehearsal.doubles.kubernetes.protocol import serve
from rehearsal.doubles.kubernetes.provider import Provider


def _start(host: Host, cancelled: threading.Event) -> lifecycle.Serving:
    provider = Provider(host, cancelled)
    return lifecycle.Serving(*serve(provider, cancelled), provider.close)


if __name__ == "__main__":
    lifecycle.run(sys.argv[1:], _start)
