"""`make login STACK=prod BACKEND=azblob://… SECRETS=azurekeyvault://…`: where a stack's state is kept, and what encrypts its secrets.

State in a storage account is encrypted by a key in Azure Key Vault, state in Pulumi Cloud by Pulumi Cloud. A passphrase is a secret that
ends up in a file or a chat, and a secret that is plain text in a stack file is one for good: both are refused, in every stack but `local`.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import yaml

from components.charts import ROOT
from components.config import SECRET_KEYS
from components.merge import DuplicateKey, read_yaml

PROJECT = "istio-stack"
LOCAL = "local"
CLOUD = re.compile(r"https://(api|app)\.pulumi\.com/?")
BLOB = re.compile(r"azblob://[a-z0-9$-]{3,63}\?storage_account=[a-z0-9]{3,24}(&[\w=&.-]+)?")
VAULT = re.compile(
    r"azurekeyvault://[A-Za-z0-9-]{3,24}\.vault\.(azure\.net|usgovcloudapi\.net|azure\.cn)/keys/[A-Za-z0-9-]{1,127}(/[0-9a-f]{32})?"
)
SECONDS = 120


def refusals(stack: str, backend: str, secrets: str | None, file: Mapping[str, Any]) -> list[str]:
    """What speaks against keeping a stack so, one line each. `file` is the stack file's content."""
    if stack == LOCAL:
        return []
    lines = []
    if BLOB.fullmatch(backend):
        if secrets is None or not VAULT.fullmatch(secrets):
            lines.append(
                f"SECRETS is {secrets or 'not set'}: state in azblob:// takes azurekeyvault://<vault>.vault.azure.net/keys/<key>; "
                "a passphrase ends up in a file"
            )
    elif CLOUD.fullmatch(backend):
        if secrets is not None and secrets != "default" and not VAULT.fullmatch(secrets):
            lines.append(f"SECRETS is {secrets}: Pulumi Cloud takes none (its own encryption) or azurekeyvault://…")
    else:
        lines.append(f"BACKEND is {backend}: must be azblob://<container>?storage_account=<account> or https://api.pulumi.com")
    return lines + in_the_open(stack, file)


def in_the_open(stack: str, file: Mapping[str, Any]) -> list[str]:
    """Secrets of a stack file that are plain text, or encrypted by no more than a passphrase; one line each, without the secret."""
    name = f"Pulumi.{stack}.yaml"
    lines = []
    provider = file.get("secretsprovider")
    if provider == "passphrase" or (provider is None and "encryptionsalt" in file):
        lines.append(f"{name}: its secrets are encrypted by a passphrase; `pulumi stack change-secrets-provider azurekeyvault://…` first")
    for key in SECRET_KEYS:
        value = (file.get("config") or {}).get(f"{PROJECT}:{key}")
        if value is not None and not (isinstance(value, Mapping) and set(value) == {"secure"}):
            lines.append(f"{name}: {key} is plain text; change it where it is used, then `pulumi config set --secret {key} <value>`")
    return lines


def main(arguments: list[str]) -> int:
    """Refuses, or logs in and selects the stack; returns the exit code."""
    parser = argparse.ArgumentParser(prog="login", description="where a stack's state is kept, and what encrypts its secrets")
    parser.add_argument("--stack", required=True)
    parser.add_argument("--backend", required=True)
    parser.add_argument("--secrets")
    chosen = parser.parse_args(arguments)
    path = ROOT / f"Pulumi.{chosen.stack}.yaml"
    try:
        file = (read_yaml(path) if path.is_file() else None) or {}
    except (DuplicateKey, yaml.YAMLError) as error:
        return _refuse([f"{path.name}: {' '.join(str(error).split())}"])
    lines = refusals(chosen.stack, chosen.backend, chosen.secrets, file)
    if lines:
        return _refuse(lines)
    pulumi = shutil.which("pulumi")
    if pulumi is None:
        return _refuse(["there is no pulumi on PATH: https://www.pulumi.com/docs/install says how to get it"])
    return _run(pulumi, commands(chosen.stack, chosen.backend, chosen.secrets))


def commands(stack: str, backend: str, secrets: str | None) -> list[list[str]]:
    """What Pulumi is told, in order; the stack is made where it is not there yet."""
    provider = ["--secrets-provider", secrets] if secrets else []
    return [["login", backend], ["stack", "select", stack, "--create", *provider]]


def _run(pulumi: str, todo: list[list[str]]) -> int:
    for command in todo:
        try:
            done = subprocess.run([pulumi, "--non-interactive", *command], cwd=ROOT, env=os.environ, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return _refuse([f"pulumi {command[0]} does not answer within {SECONDS} s"])
        if done.returncode:
            return done.returncode
    return 0


def _refuse(lines: list[str]) -> int:
    for line in lines:
        print(f"error: {line}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
