"""Starts the azure-native double: `python -m rehearsal.doubles.azure_native <engine address>`."""

import sys
import threading

from rehearsal.doubles import lifecycle
from rehearsal.doubles.azure_native.protocol import serve
from rehearsal.doubles.azure_native.provider import Provider
from rehearsal.doubles.kubernetes.host import Host


def _start(host: Host, cancelled: threading.Event) -> lifecycle.Serving:
    server, port = serve(Provider(host))
    return lifecycle.Serving(server, port, lambda: None)


if __name__ == "__main__":
    lifecycle.run(sys.argv[1:], _start)
