"""What Argo CD and Flux are told: which files are one application, and what it waits for. Pure.

Argo CD orders whole layers by waves of applications, and the steps of a layer by waves of its objects. Flux has a Kustomization for each
step, which names the steps it depends on. Sources: argoproj/argo-cd docs/operator-manual/application.yaml and user-guide/sync-waves.md,
fluxcd/kustomize-controller docs/spec/v1/kustomizations.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gitops.content import keeps
from gitops.order import Step, waves
from review.objects import Object

WAVE = "argocd.argoproj.io/sync-wave"
ARGO_OPTIONS = "argocd.argoproj.io/sync-options"
FLUX_PRUNE = "kustomize.toolkit.fluxcd.io/prune"
FLUX_FORCE = "kustomize.toolkit.fluxcd.io/force"


@dataclass(frozen=True)
class Repository:
    """Where the tool finds the files of an export."""

    url: str
    """Of the git repository; Flux has a GitRepository instead."""
    revision: str
    path: str
    """Folder of the export in the repository."""
    source: str = "flux-system"
    """Name of Flux' GitRepository."""


@dataclass(frozen=True)
class Tool:
    """One of the tools."""

    name: str
    folder: str
    """Of what the tool itself reads."""
    annotations: Callable[[Object, Step], dict[str, str]]
    units: Callable[[str, Sequence[Step], Repository], dict[str, dict[str, Any]]]
    """The tool's own objects, by the name of the file."""
    root: Callable[[str, Repository], dict[str, Any]]
    """What is applied by hand, once."""


def _argo_annotations(item: Object, step: Step) -> dict[str, str]:
    options = ["Prune=false", "Delete=false"] if keeps(item) else []
    if item.key.kind == "Job":
        options += ["Force=true", "Replace=true"]  # another template is another Job
    return {WAVE: str(step.number), **({ARGO_OPTIONS: ",".join(options)} if options else {})}


def _application(name: str, path: str, repository: Repository, annotations: Mapping[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {
            "name": name,
            "namespace": "argocd",
            **({"annotations": dict(annotations)} if annotations else {}),
            "finalizers": ["resources-finalizer.argocd.argoproj.io"],
        },
        "spec": {
            "project": "default",
            "source": {"repoURL": repository.url, "targetRevision": repository.revision, "path": path},
            "destination": {"server": "https://kubernetes.default.svc"},
            "syncPolicy": {
                "automated": {"prune": True, "selfHeal": True},
                # some definitions are larger than an annotation may be, so nothing is applied on the client's side
                "syncOptions": ["ServerSideApply=true"],
                "retry": {"limit": 10, "backoff": {"duration": "10s", "factor": 2, "maxDuration": "3m"}},
            },
        },
    }


def _applications(stack: str, steps: Sequence[Step], repository: Repository) -> dict[str, dict[str, Any]]:
    numbers = waves(steps)
    return {
        layer: _application(f"{stack}-{layer}", f"{repository.path}/{layer}", repository, {WAVE: str(number)})
        for layer, number in sorted(numbers.items())
    }


def _root_application(stack: str, repository: Repository) -> dict[str, Any]:
    return _application(stack, f"{repository.path}/applications", repository, {})


def _flux_annotations(item: Object, step: Step) -> dict[str, str]:
    return {
        **({FLUX_PRUNE: "disabled"} if keeps(item) else {}),
        **({FLUX_FORCE: "enabled"} if item.key.kind == "Job" else {}),
    }


def _kustomization(name: str, path: str, repository: Repository, after: Sequence[str], *, wait: bool) -> dict[str, Any]:
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": name, "namespace": "flux-system"},
        "spec": {
            **({"dependsOn": [{"name": other} for other in after]} if after else {}),
            "interval": "1h",
            "retryInterval": "1m",
            "timeout": "15m",
            "prune": True,
            "wait": wait,
            "path": f"./{path}",
            "sourceRef": {"kind": "GitRepository", "name": repository.source},
        },
    }


def _kustomizations(stack: str, steps: Sequence[Step], repository: Repository) -> dict[str, dict[str, Any]]:
    return {
        step.name: _kustomization(
            f"{stack}-{step.name}",
            f"{repository.path}/{step.layer}/{step.number}",
            repository,
            [f"{stack}-{name}" for name in step.after],
            wait=True,
        )
        for step in steps
    }


def _root_kustomization(stack: str, repository: Repository) -> dict[str, Any]:
    return _kustomization(stack, f"{repository.path}/kustomizations", repository, (), wait=False)


TOOLS = {
    "argocd": Tool("Argo CD", "applications", _argo_annotations, _applications, _root_application),
    "flux": Tool("Flux", "kustomizations", _flux_annotations, _kustomizations, _root_kustomization),
}
