"""Grafana in the browser, through kubectl: `python -m operations.looking --stack dev` forwards a port and says where to look."""

from __future__ import annotations

import argparse
import contextlib
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from components.dashboards import links
from components.topology import Topology
from rehearsal import console, processes
from rehearsal.errors import RehearsalError
from signals.rendering import read_stack
from verify.kubectl import Kubectl

PORT = 3000
"""Where Grafana is looked for by habit; another one where it is taken."""
CHECK_SECONDS = 1.0
FAILED, BAD_INPUT = 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Forwards until it is interrupted, or the way ends by itself (1); 2 where there is none."""
    parser = argparse.ArgumentParser(prog="python -m operations.looking", description="Grafana on a port of this machine.")
    parser.add_argument("--stack", default="local", help="the stack, by its Pulumi.<stack>.yaml (default: local)")
    parser.add_argument("--context", help="context of the kubeconfig (default: the current one)")
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        stack = read_stack(chosen.stack)
        with tempfile.TemporaryDirectory() as folder, Kubectl(chosen.context, Path(folder)).forward(stack.topology.grafana, port()) as here:
            show(stack.topology, here, stack.settings.grafana.admin_user)
            processes.wait_until(lambda: not answers(here), float("inf"), every=CHECK_SECONDS)
            console.error(f"{stack.topology.grafana.url} is no longer forwarded: its pod went away; `make open` again")
            return FAILED
    except RehearsalError as error:
        console.error(str(error))
        return BAD_INPUT
    except KeyboardInterrupt:
        return 0


def port() -> int:
    """The usual port, or any other where somebody has it."""
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.bind(("127.0.0.1", PORT))
        return PORT
    return processes.free_ports(1)[0]


def answers(url: str) -> bool:
    """Whether somebody listens there."""
    host, _, number = url.removeprefix("http://").partition(":")
    with socket.socket() as probe:
        probe.settimeout(CHECK_SECONDS)
        return probe.connect_ex((host, int(number))) == 0


def show(topology: Topology, here: str, user: str) -> None:
    """What there is to see, and the way in."""
    admin = topology.grafana_admin
    screen = Console(highlight=False, soft_wrap=True)
    for name, url in links.outputs(topology).items():
        screen.print(f"{name:18} {url.replace(topology.grafana.url, here)}")
    password = f"kubectl -n {admin.namespace} get secret {admin.name} -o jsonpath='{{.data.{admin.key}}}' | base64 -d"
    screen.print(f"user {user}, password: {password}\nCtrl-C ends it", markup=False)


if __name__ == "__main__":
    sys.exit(main())
