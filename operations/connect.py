"""`make connect STACK=dev`: kubectl's context of the AKS cluster that a stack is on, named as the cluster is, by the login of `az`.

Exit code 0, that of `az` or `kubelogin` where one fails, 2 where the question makes no sense.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence

from components.charts import ROOT
from components.errors import ConfigurationError
from components.preflight.__main__ import stack_settings
from components.settings import Settings
from rehearsal import console

BAD_INPUT = 2
SECONDS = 120


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetches the kubeconfig; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m operations.connect", description="kubectl's context of a stack's AKS cluster.")
    parser.add_argument("--stack", required=True, help="the stack, by its Pulumi.<stack>.yaml")
    chosen = parser.parse_args(arguments)
    try:
        todo = commands(stack_settings(ROOT, chosen.stack), chosen.stack)
    except ConfigurationError as error:
        for line in error.lines:
            console.error(line)
        return BAD_INPUT
    for command in todo:
        program = shutil.which(command[0])
        if program is None and command[0] == "kubelogin":
            console.note("there is no kubelogin on PATH: a cluster that asks for Entra ID needs it")
            continue
        if program is None:
            console.error(f"there is no {command[0]} on PATH: install the Azure CLI")
            return BAD_INPUT
        try:
            code = subprocess.run([program, *command[1:]], timeout=SECONDS, check=False).returncode
        except subprocess.TimeoutExpired:
            console.error(f"{command[0]} does not answer within {SECONDS} s")
            return BAD_INPUT
        if code:
            return code
    return 0


def commands(settings: Settings, stack: str) -> list[list[str]]:
    """What is run, in order: the kubeconfig, then the way of signing in that needs no browser. ConfigurationError where there is no AKS."""
    aks, azure = settings.cluster.aks, settings.azure
    if aks is None or azure is None:
        raise ConfigurationError(f"stack {stack} has no cluster.aks: its cluster is what kubectl uses, or what cluster.kubeconfig names")
    where = ["--subscription", azure.subscription_id, "--resource-group", aks.resource_group, "--name", aks.name]
    return [
        ["az", "aks", "get-credentials", *where, "--overwrite-existing"],
        ["kubelogin", "convert-kubeconfig", "--login", "azurecli", "--context", aks.name],
    ]


if __name__ == "__main__":
    sys.exit(main())
