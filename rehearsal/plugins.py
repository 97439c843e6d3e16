"""Decides which plugins a run uses: for Kubernetes the real one where there is one, else the double, which says so; for Azure the double.

A rehearsal never asks the real Azure plugin, installed or not: it would make, change and pay for what it was only told to try.
"""

import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from rehearsal import console, tools

PROGRAM = "pulumi-resource-kubernetes"
DOUBLE = "rehearsal.doubles.kubernetes"
AZURE_PROGRAM = "pulumi-resource-azure-native"
AZURE_DOUBLE = "rehearsal.doubles.azure_native"
_DOWNLOAD_SECONDS = 120


@dataclass(frozen=True)
class Plugin:
    """The plugin of a run: the folder that goes on the engine's PATH, and what it is."""

    folder: Path
    stands_in: bool
    description: str
    environment: Mapping[str, str] = field(default_factory=dict)


def wanted_version() -> str:
    """The version of the plugin that belongs to the installed SDK."""
    return version("pulumi_kubernetes")


def address() -> str:
    """Where the real plugin can be downloaded."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return f"https://get.pulumi.com/releases/plugins/{PROGRAM}-v{wanted_version()}-{sys.platform}-{machine}.tar.gz"


def installed(search_path: str | None = None) -> Path | None:
    """The real plugin that is on this machine already: on PATH, among the user's plugins, or among those downloaded before."""
    for candidate in _candidates(search_path):
        if os.access(candidate, os.X_OK) and not _is_double(candidate):
            return candidate
    return None


def choose(directory: Path, answering: Set[str]) -> Plugin:
    """The plugin for a run. `answering` holds `address()` if it answered; a download that fails is not tried twice in a run."""
    real = installed()
    if real is None and address() in answering:
        real = _download()
    if real:
        return Plugin(real.parent, False, f"real plugin {_version_in(real) or ''}".strip())
    return _double(directory)


def azure_double(directory: Path, environment: Mapping[str, str]) -> Plugin:
    """The plugin that stands in for Azure's, told by its environment what there is."""
    folder = _wrapper(directory, AZURE_PROGRAM, AZURE_DOUBLE)
    return Plugin(folder, True, f"double (stands in for the real plugin {version('pulumi_azure_native')})", environment)


def _double(directory: Path) -> Plugin:
    environment = {"REHEARSAL_HELM": str(tools.ensure("helm")["helm"])}
    return Plugin(_wrapper(directory, PROGRAM, DOUBLE), True, f"double (stands in for the real plugin {wanted_version()})", environment)


def _wrapper(directory: Path, program: str, double: str) -> Path:
    """The folder in which a program of the plugin's name starts the double."""
    folder = directory.absolute() / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    wrapper = folder / program
    partial = wrapper.with_suffix(".new")
    # -P keeps the program's folder, where the engine starts plugins, out of the double's imports.
    partial.write_text(
        f"#!/bin/sh\n# {double}: stands in for the real plugin\n"
        f'PYTHONPATH={shlex.quote(str(tools.ROOT))}${{PYTHONPATH:+":$PYTHONPATH"}} exec {shlex.quote(sys.executable)} -P -m {double} "$@"\n'
    )
    partial.chmod(0o755)
    partial.replace(wrapper)
    return folder


def _candidates(search_path: str | None) -> Iterator[Path]:
    on_path = shutil.which(PROGRAM, path=search_path)
    if on_path:
        yield Path(on_path)
    homes = [Path(os.environ.get("PULUMI_HOME") or "~/.pulumi").expanduser(), _downloads()]
    found = [path for home in homes for path in home.glob(f"plugins/resource-kubernetes-v*/{PROGRAM}")]
    wanted = _numbers(wanted_version())
    # The one that belongs to the SDK first, else the newest that is not older and of the same major.
    yield from sorted(
        (path for path in found if wanted[0] == _numbers(_version_in(path))[0] and wanted <= _numbers(_version_in(path))),
        key=lambda path: (_numbers(_version_in(path)) != wanted, [-part for part in _numbers(_version_in(path))]),
    )


def _downloads() -> Path:
    """Where downloaded plugins go: with the tools, so that they outlive a rehearsal."""
    return tools.cache() / "pulumi-home"


def _download() -> Path | None:
    pulumi = tools.ensure("pulumi")["pulumi"]
    environment = {**os.environ, "PULUMI_HOME": str(_downloads()), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    command = [pulumi, "plugin", "install", "resource", "kubernetes", wanted_version(), "--non-interactive"]
    with console.step(f"download the kubernetes plugin {wanted_version()}"):
        try:
            result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS, check=False)
            said = "" if result.returncode == 0 else (result.stderr.strip() or result.stdout.strip())
        except subprocess.TimeoutExpired:
            said = f"not done after {_DOWNLOAD_SECONDS} s"
    if said:
        console.warning(f"the kubernetes plugin {wanted_version()} cannot be downloaded: {' '.join(said.split())[:200]}")
    return installed()


def _is_double(path: Path) -> bool:
    """Whether it is a wrapper that an earlier rehearsal left on PATH."""
    return path.stat().st_size < 4096 and DOUBLE.encode() in path.read_bytes()


def _version_in(path: Path) -> str:
    match = re.search(r"resource-kubernetes-v(\d+\.\d+\.\d+)", str(path))
    return match.group(1) if match else ""


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")) if text else (0,)
