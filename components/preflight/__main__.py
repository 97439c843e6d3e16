"""`python -m components.preflight --stack dev [--context aks-dev]`: names what the cluster lacks or has in the way; changes nothing.

Exit code 0 where `up` may go ahead, 1 where it would fail, 2 where the question could not be asked.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

from components import config
from components.charts import ROOT
from components.errors import ConfigurationError
from components.merge import DuplicateKey, read_yaml
from components.preflight.facts import Facts, collect
from components.preflight.judgement import judge
from components.settings import Settings
from components.topology import plan

PROJECT = "istio-stack"


def main(arguments: list[str]) -> int:
    """Asks, judges, prints; returns the exit code."""
    parser = argparse.ArgumentParser(prog="preflight", description="what a cluster lacks for a stack, or has in its way")
    parser.add_argument("--stack", required=True)
    parser.add_argument("--context", help="context of the kubeconfig; default is the stack's own, or the AKS cluster's name")
    chosen = parser.parse_args(arguments)
    try:
        settings = stack_settings(ROOT, chosen.stack)
        facts = ask(settings, chosen.context)
    except ConfigurationError as error:
        for line in error.lines:
            print(f"error: {line}", file=sys.stderr)
        return 2
    findings = judge(facts, settings, plan(settings, PROJECT, chosen.stack))
    for finding in findings:
        print(f"{'blocks' if finding.blocks else 'note  '}  {finding}")
    blocking = sum(finding.blocks for finding in findings)
    print(f"{blocking} in the way of stack {chosen.stack}, {len(findings) - blocking} to note" if findings else "nothing in the way")
    return 1 if blocking else 0


def stack_settings(root: Path, stack: str) -> Settings:
    """Settings of a stack's file, as they would be when it runs; encrypted values are not needed. Raises ConfigurationError."""
    path = root / f"Pulumi.{stack}.yaml"
    try:
        document: Any = read_yaml(path) or {}
    except FileNotFoundError:
        raise ConfigurationError(f"stack is {stack}: there is no {path.name}") from None
    except (DuplicateKey, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path.name}: {' '.join(str(error).split())}") from None
    prefix = f"{PROJECT}:"
    own = {key.removeprefix(prefix): value for key, value in (document.get("config") or {}).items() if key.startswith(prefix)}
    secrets = dict.fromkeys(config.needed_secrets(own), "not needed here")
    return config.parse({**own, **secrets})


def ask(settings: Settings, context: str | None) -> Facts:
    """Facts of the cluster that settings name. Raises ConfigurationError where it does not answer."""
    import urllib3
    from kubernetes import client
    from kubernetes import config as kubeconfig
    from kubernetes.client.exceptions import ApiException

    aks = settings.cluster.aks
    chosen = context or settings.cluster.context or (aks.name if aks else None)  # what `az aks get-credentials` calls the context
    where = f"context {chosen}" if chosen else "the current context"
    try:
        configuration = client.Configuration()
        configuration.retries = False
        kubeconfig.load_kube_config(settings.cluster.kubeconfig, chosen, client_configuration=configuration)
        with client.ApiClient(configuration) as api:
            return collect(api)
    except kubeconfig.ConfigException as error:
        hint = f"; `az aks get-credentials -g {aks.resource_group} -n {aks.name}` brings it" if aks else ""
        raise ConfigurationError(f"{where} cannot be used: {' '.join(str(error).split())}{hint}") from None
    except ApiException as error:
        raise ConfigurationError(f"the cluster of {where} refuses to answer: {error.status} {error.reason}") from None
    except (OSError, urllib3.exceptions.HTTPError) as error:
        raise ConfigurationError(f"the cluster of {where} does not answer: {' '.join(str(error).split())}") from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
