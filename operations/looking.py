"""Grafana in the browser: `python -m operations.looking --stack dev` says where to look, and how to get in.

Where Grafana has a public host, that is there; else, and with `--forward`, a port of this machine leads there through kubectl.
"""

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
from components.settings import Settings
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
    """Says where Grafana is, or forwards until it is interrupted, or the way ends by itself (1); 2 where there is none."""
    parser = argparse.ArgumentParser(prog="python -m operations.looking", description="Where Grafana is, and how to get in.")
    parser.add_argument("--stack", default="local", help="the stack, by its Pulumi.<stack>.yaml (default: local)")
    parser.add_argument("--context", help="context of the kubeconfig (default: the current one)")
    parser.add_argument("--forward", action="store_true", help="through kubectl, also where Grafana has a public host")
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        stack = read_stack(chosen.stack)
        if stack.topology.entrance is not None and not chosen.forward:
            show(stack.settings, stack.topology)
            return 0
        with tempfile.TemporaryDirectory() as folder, Kubectl(chosen.context, Path(folder)).forward(stack.topology.grafana, port()) as here:
            show(stack.settings, stack.topology, here)
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


def show(settings: Settings, topology: Topology, here: str | None = None) -> None:
    """What there is to see, and the ways in; `here` is what leads to Grafana on this machine until the command ends."""
    admin = topology.grafana_admin
    screen = Console(highlight=False, soft_wrap=True)
    for name, url in links.outputs(topology).items():
        screen.print(f"{name:18} {url.replace(topology.grafana_url, here or topology.grafana_url)}")
    if settings.grafana.entra_id is not None and here is None:
        screen.print("sign in with Microsoft Entra ID; where that does not work, by password:")
    password = f"kubectl -n {admin.namespace} get secret {admin.name} -o jsonpath='{{.data.{admin.key}}}' | base64 -d"
    screen.print(f"user {settings.grafana.admin_user}, password: {password}", markup=False)
    if here is not None:
        screen.print("Ctrl-C ends it")


if __name__ == "__main__":
    sys.exit(main())
