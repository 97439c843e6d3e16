"""The real kubernetes plugin where there is one, else the double, and nobody mistakes one for the other."""

import subprocess
from pathlib import Path

import pytest

from rehearsal import plugins

WANTED = plugins.wanted_version()


@pytest.fixture(autouse=True)
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without plugins: own home, own tools, a PATH with the shell alone."""
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(plugins, "_downloads", lambda: tmp_path / "downloads")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


def put(folder: Path, content: str = "#!/bin/sh\nexit 0\n") -> Path:
    """A program that passes for the plugin."""
    folder.mkdir(parents=True)
    program = folder / plugins.PROGRAM
    program.write_text(content)
    program.chmod(0o755)
    return program


def version_folder(home: Path, version: str) -> Path:
    return home / "plugins" / f"resource-kubernetes-v{version}"


def test_without_a_real_plugin_the_double_stands_in_and_says_for_what(tmp_path: Path) -> None:
    plugin = plugins.choose(tmp_path / "run", answering=set())
    assert plugin.stands_in and plugin.description == f"double (stands in for the real plugin {WANTED})"
    assert plugin.folder == tmp_path / "run" / "bin"
    assert Path(plugin.environment["REHEARSAL_HELM"]).is_file()


def test_the_doubles_wrapper_runs_the_double_from_any_folder(tmp_path: Path) -> None:
    plugin = plugins.choose(tmp_path / "a run", answering=set())
    command = (
        (plugin.folder / plugins.PROGRAM).read_text().replace(f"-m {plugins.DOUBLE}", f"-c 'import {plugins.DOUBLE}; print(\"there\")'")
    )
    assert subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True).stdout == "there\n"


def test_a_plugin_on_path_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = put(tmp_path / "path")
    monkeypatch.setenv("PATH", f"{real.parent}:/usr/bin:/bin")
    plugin = plugins.choose(tmp_path / "run", answering=set())
    assert (plugin.folder, plugin.stands_in) == (real.parent, False)


def test_a_wrapper_of_an_earlier_run_on_path_is_not_taken_for_the_real_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    earlier = plugins.choose(tmp_path / "earlier", answering=set())
    monkeypatch.setenv("PATH", f"{earlier.folder}:/usr/bin:/bin")
    assert plugins.installed() is None


def test_among_the_users_plugins_the_sdks_own_version_comes_first(tmp_path: Path) -> None:
    major = WANTED.split(".")[0]
    for version in ("4.0.1", f"{major}.999.0", WANTED, f"{int(major) + 1}.0.0"):
        put(version_folder(tmp_path / "home", version))
    found = plugins.installed()
    assert found is not None and found.parent.name == f"resource-kubernetes-v{WANTED}"


def test_an_older_plugin_and_one_of_another_major_do_not_serve(tmp_path: Path) -> None:
    for version in ("3.30.0", "4.0.1", f"{int(WANTED.split('.')[0]) + 1}.0.0"):
        put(version_folder(tmp_path / "home", version))
    assert plugins.installed() is None


def test_a_download_is_tried_only_where_its_address_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def download() -> Path:
        tried.append(1)
        return put(version_folder(tmp_path / "downloads", WANTED))

    monkeypatch.setattr(plugins, "_download", download)
    assert plugins.choose(tmp_path / "run", answering=set()).stands_in
    assert tried == []
    plugin = plugins.choose(tmp_path / "run", answering={plugins.address()})
    assert not plugin.stands_in and plugin.description == f"real plugin {WANTED}"


def test_a_download_that_fails_leaves_the_double(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = put(tmp_path / "engine", "#!/bin/sh\necho no such plugin >&2\nexit 1\n")
    helm = plugins.tools.ensure("helm")["helm"]
    monkeypatch.setattr(plugins.tools, "ensure", lambda name: {"pulumi": engine, "helm": helm})
    assert plugins.choose(tmp_path / "run", answering={plugins.address()}).stands_in
