"""checkov and kube-score over rendered objects, cut off from the network; what they passed over in silence is a finding as well."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policies.waivers import Finding
from rehearsal import tools
from rehearsal.errors import RehearsalError
from review import documents
from review.helm import KUBE_VERSION
from review.objects import Object

SECONDS = 300
NOT_SEEN = "not-checked"
"""The check that stands for an object which a tool should have looked at and did not."""
WORKLOADS = frozenset({"Pod", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"})
CHECKOV_CHECKS = WORKLOADS | {"Service", "ServiceAccount", "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "Ingress"}
"""Kinds of which checkov judges every object; it has no check for the others."""
KUBE_SCORE_CHECKS = WORKLOADS | {"Service", "NetworkPolicy", "PodDisruptionBudget", "Ingress", "HorizontalPodAutoscaler"}
"""The same for kube-score."""
NOT_OF_BUNDLES = ("deployment-has-poddisruptionbudget", "statefulset-has-poddisruptionbudget")
"""Checks of kube-score on what bundles leave out (rehearsal/bundles/not_modelled.yaml): only real charts can be asked."""
_GROUPS = frozenset({"", "apps", "batch", "rbac.authorization.k8s.io", "networking.k8s.io", "policy", "autoscaling"})
_CHECKOV = ("--framework", "kubernetes", "--output", "json", "--compact", "--skip-download", "--skip-results-upload", "--soft-fail")
# What would go out in spite of that ends here, at once.
_CUT_OFF = {"CKV_SKIP_PACKAGE_UPDATE_CHECK": "true", "HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
_CRITICAL = 1


@dataclass(frozen=True)
class Scan:
    """What a tool says."""

    tool: str
    version: str
    given: int
    """How many objects it should have judged."""
    passed: int
    """How many checks passed."""
    findings: tuple[Finding, ...]


def distinct(stacks: Iterable[Iterable[Object]], kinds: Collection[str] = ()) -> list[Object]:
    """The objects of all stacks, the same one once; of these kinds of Kubernetes' own, where some are named."""
    found: dict[tuple[Any, str], Object] = {}
    for item in (item for objects in stacks for item in objects):
        if not kinds or (item.key.kind in kinds and item.key.group in _GROUPS):
            found.setdefault((item.key, json.dumps(item.body, sort_keys=True, default=str)), item)
    return list(found.values())


def checkov(objects: Sequence[Object]) -> Scan:
    """checkov's Kubernetes checks; policies of the network may be among the objects, as some checks follow them."""
    program = tools.ensure("checkov")["checkov"]
    with tempfile.TemporaryDirectory(prefix="istio-stack-checkov-") as temporary:
        home, folder = Path(temporary) / "home", Path(temporary) / "objects"
        home.mkdir()
        files = written(objects, folder)
        # by its Python: the script's first line names the folder that it was built in
        command = [str(program.parent / "python"), str(program), "--directory", str(folder), *_CHECKOV]
        said = answer("checkov", command, {"HOME": str(home), "PATH": "", **_CUT_OFF})
    results = said.get("results") or {"passed_checks": [], "failed_checks": []}
    seen = {Path(record["file_path"]).name for records in (results["passed_checks"], results["failed_checks"]) for record in records}
    failed = {
        Finding("checkov", record["check_id"], str(files[Path(record["file_path"]).name].key), "", record["check_name"])
        for record in results["failed_checks"]
    }
    given = {name: item for name, item in files.items() if item.key.kind in CHECKOV_CHECKS}
    missed = _missed("checkov", given, seen)
    version = said.get("summary", said).get("checkov_version", "")
    return Scan("checkov", version, len(given), len(results["passed_checks"]), tuple(sorted((*failed, *missed))))


def kube_score(stacks: Iterable[Sequence[Object]], without: Collection[str] = ()) -> Scan:
    """kube-score's critical findings, stack by stack, as it relates objects to each other; `without` these of its checks."""
    program = tools.ensure("kube-score")["kube-score"]
    found: set[Finding] = set()
    given = passed = 0
    for objects in stacks:
        with tempfile.TemporaryDirectory(prefix="istio-stack-kube-score-") as temporary:
            files = written(objects, Path(temporary) / "objects")
            version = ".".join(KUBE_VERSION.split(".")[:2])
            command = [str(program), "score", "--output-format", "json", "--kubernetes-version", f"v{version}"]
            command += [word for check in without for word in ("--ignore-test", check)]
            # it takes no folder; its exit code is 1 where something is critical
            command += [str(Path(temporary) / "objects" / name) for name in files]
            said = answer("kube-score", command, {"HOME": temporary, "PATH": ""}, fine=(0, 1))
        scored = {Path(entry["file_name"]).name: entry["checks"] or [] for entry in said}
        given += len(files)
        for name, checks in scored.items():
            for check in (check for check in checks if not check["skipped"]):
                passed += check["grade"] > _CRITICAL
                found.update(_critical(check, files[name]) if check["grade"] == _CRITICAL else ())
        found.update(_missed("kube-score", files, scored))
    return Scan("kube-score", version_of("kube-score"), given, passed, tuple(sorted(found)))


def _critical(check: Mapping[str, Any], item: Object) -> Iterator[Finding]:
    for comment in check["comments"] or [{"path": "", "summary": check["check"]["name"]}]:
        yield Finding("kube-score", check["check"]["id"], str(item.key), comment["path"], comment["summary"])


def _missed(tool: str, given: Mapping[str, Object], seen: Collection[str]) -> set[Finding]:
    missing = [item for name, item in given.items() if name not in seen]
    return {Finding(tool, NOT_SEEN, str(item.key), "", f"{tool} passed it over in silence") for item in missing}


def written(objects: Iterable[Object], folder: Path) -> dict[str, Object]:
    """Writes each object into a file of its own; returns them by the file's name."""
    folder.mkdir()
    files = {}
    for number, item in enumerate(objects):
        name = f"{number:04}-{item.key.kind}.yaml"
        (folder / name).write_text(documents.written(item.body))
        files[name] = item
    return files


def answer(tool: str, command: Sequence[str], environment: Mapping[str, str], fine: Collection[int] = (0,)) -> Any:
    """The JSON that a tool answers. RehearsalError where it does not end, ends with another code, or answers none."""
    try:
        done = subprocess.run(command, env=dict(environment), capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise RehearsalError(f"{tool} does not end within {SECONDS} s") from None
    if done.returncode not in fine:
        raise RehearsalError(f"{tool} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}")
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise RehearsalError(f"{tool} answers no JSON: {(done.stderr or done.stdout).strip()[-300:]}") from None


def version_of(tool: str) -> str:
    """The pinned version of a tool."""
    return next(entry.version for entry in tools.TOOLS if entry.name == tool)
