"""The provider's configuration: its arguments, the environment behind them, and when a change replaces what was made with it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rehearsal.doubles.kubernetes import kubeconfig
from rehearsal.doubles.kubernetes.errors import CheckFailed, Refusal
from rehearsal.doubles.kubernetes.values import UNKNOWN, revealed

_PREFIX = "kubernetes:config:"
_FLAGS = {
    "deleteUnreachable": "PULUMI_K8S_DELETE_UNREACHABLE",
    "skipUpdateUnreachable": "PULUMI_K8S_SKIP_UPDATE_UNREACHABLE",
    "enablePatchForce": "PULUMI_K8S_ENABLE_PATCH_FORCE",
    "upsertExistingObjects": "PULUMI_K8S_UPSERT_EXISTING_OBJECTS",
    "enableConfigMapMutable": "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE",
    "enableSecretMutable": "PULUMI_K8S_ENABLE_SECRET_MUTABLE",
}


@dataclass(frozen=True)
class Settings:
    """What Configure was told."""

    kubeconfig: str
    context: str
    namespace: str
    flags: frozenset[str]

    def has(self, flag: str) -> bool:
        """Whether a flag, by its argument's name, is on."""
        return flag in self.flags


def settings(variables: Mapping[str, str]) -> Settings:
    """The settings from the engine's variables, the environment where an argument is missing. Refuses what the double cannot do."""
    if variables.get(f"{_PREFIX}renderYamlToDirectory"):
        raise Refusal("the kubernetes double renders no YAML: renderYamlToDirectory has to be empty")
    if _is_on(variables, "enableServerSideApply", "PULUMI_K8S_ENABLE_SERVER_SIDE_APPLY", "true") is False:
        raise Refusal("the kubernetes double applies server-side alone: enableServerSideApply has to be true")
    if variables.get(f"{_PREFIX}cluster"):
        raise Refusal("the kubernetes double takes the cluster of the context: cluster has to be empty")
    return Settings(
        kubeconfig=variables.get(f"{_PREFIX}kubeconfig", ""),
        context=variables.get(f"{_PREFIX}context", ""),
        namespace=variables.get(f"{_PREFIX}namespace", ""),
        flags=frozenset(flag for flag, variable in _FLAGS.items() if _is_on(variables, flag, variable, "")),
    )


def _is_on(variables: Mapping[str, str], flag: str, environment: str, default: str) -> bool:
    return variables.get(_PREFIX + flag, os.environ.get(environment, default)) == "true"


def check(news: dict[str, Any], is_default_provider: bool) -> None:
    """CheckConfig: strict mode wants kubeconfig and context, and no default provider."""
    if revealed(news.get("strictMode")) not in ("true", True):
        return
    if is_default_provider:
        raise CheckFailed("", "strict mode prohibits default provider", news)
    for key in ("kubeconfig", "context"):
        if not news.get(key):
            raise CheckFailed(key, f'strict mode requires Provider "{key}" argument', news)


@dataclass(frozen=True)
class ConfigDiff:
    """The keys that changed, and those of them that replace everything made with the provider."""

    changed: list[str]
    replaces: list[str]


def diff(olds: dict[str, Any], news: dict[str, Any]) -> ConfigDiff:
    """DiffConfig: another cluster replaces, unless clusterIdentifier says that it is the same one."""
    olds, news = revealed(olds), revealed(news)
    changed = sorted(key for key in olds.keys() | news.keys() if olds.get(key) != news.get(key))
    identifier, before = news.get("clusterIdentifier"), olds.get("clusterIdentifier")
    is_same_cluster = identifier is not None and identifier == before
    replaces = ["clusterIdentifier"] if identifier is not None and before is not None and identifier != before else []
    unknown = [key for key in ("kubeconfig", "context", "cluster") if news.get(key) is UNKNOWN]
    if unknown:
        return ConfigDiff(unknown[:1], [] if is_same_cluster else [*replaces, unknown[0]])
    if not is_same_cluster and changed and _active(olds) is not None and _active(news) is not None and _active(olds) != _active(news):
        replaces += [key for key in ("kubeconfig", "context", "cluster") if key in changed]
    return ConfigDiff(changed, replaces)


def _active(arguments: dict[str, Any]) -> dict[str, Any] | None:
    text = arguments.get("kubeconfig")
    if not isinstance(text, str) or not text:
        return None
    return kubeconfig.active_cluster(kubeconfig.parse(text), arguments.get("context") or "", arguments.get("cluster") or "")
