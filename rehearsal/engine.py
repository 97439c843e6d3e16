"""Runs the program with the real engine: an inline program of the Automation API, with state in a folder of the rehearsal."""

import json
import logging
import os
import secrets
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pulumi.automation import CommandResult, LocalWorkspace, OutputMap, Stack, UpdateSummary, fully_qualified_stack_name
from pulumi.automation._stack import StackInitMode  # not exported, though the constructor of Stack takes it
from pulumi.automation.errors import CommandError

from rehearsal import stack_files
from rehearsal.concealed import Concealed
from rehearsal.engine_command import Command
from rehearsal.errors import RehearsalError
from rehearsal.events import PROVIDERS, STACK, Operation, Recorder, errors, layer_of
from rehearsal.program import Program
from rehearsal.progress import Progress

RUN_VARIABLE = "ISTIO_STACK_RUN"
"""Environment variable of an engine and all that it starts: the folder of the state it works on."""
SECRET_MARK = "4dabf18193072939515e22adb298388d"
"""Key that marks a secret in the state, by the engine's protocol."""
_CREDENTIALS = "passphrase"
_PARALLEL = 64
"""How many operations may run at once: most of them only wait, so the engine's own measure, the number of cores, is the wrong one."""
# What the stream of events and the program's server say when their engine was killed; the outcome says it better.
warnings.filterwarnings("ignore", message="Error in event stream")
logging.getLogger("grpc._server").setLevel(logging.CRITICAL)


@dataclass
class Outcome:
    """How a run ended."""

    command: str
    succeeded: bool
    seconds: float
    changes: Mapping[str, int]
    operations: list[Operation]
    layers: Mapping[str, str]
    """Layer by URN."""
    errors: list[str] = field(default_factory=list)
    configuration_errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def changed(self) -> int:
        """How many resources the run changed."""
        return sum(count for op, count in self.changes.items() if op not in ("same", "read"))


class Engine:
    """One stack of one project on one cluster."""

    def __init__(
        self,
        binary: Path,
        root: Path,
        directory: Path,
        stack: str,
        cluster_key: str,
        config: Mapping[str, Any],
        search_path: list[Path] | None = None,
        environment: Mapping[str, str] | None = None,
        secret_keys: Collection[str] = (),
    ) -> None:
        self.root = root
        self.state = state_folder(directory, cluster_key)
        self._directory = directory
        self._stack = stack
        self._config = {key: value for key, value in config.items() if key not in secret_keys}
        self._secrets = {key: str(value) for key, value in config.items() if key in secret_keys}
        self._command = Command(binary, search_path or [], environment or {}, directory / "logs")
        self.recorder = Recorder()
        self.on_failure: Callable[[Operation], None] = lambda operation: None

    @property
    def pid(self) -> int | None:
        """Process id of the engine while it runs."""
        return self._command.pid

    @property
    def state_file(self) -> Path:
        """Where the backend keeps this stack."""
        return state_file(self.state, stack_files.project_name(self.root), self._stack)

    def up(self, refresh: bool = False) -> Outcome:
        """Brings the stack up; with `refresh` it asks the cluster first what is really there."""
        return self._run("up", lambda stack, **common: stack.up(refresh=refresh, parallel=_PARALLEL, **common))

    def preview(self, refresh: bool = False) -> Outcome:
        """Says what `up` would do; with `refresh` it asks the cluster first what is really there, and writes nothing of it down."""
        return self._run("preview", lambda stack, **common: stack.preview(refresh=refresh, parallel=_PARALLEL, **common))

    def refresh(self) -> Outcome:
        """Takes what the cluster holds into the state."""
        return self._run("refresh", lambda stack, **common: stack.refresh(parallel=_PARALLEL, **common))

    def destroy(self) -> Outcome:
        """Removes the resources of the stack; those that are protected stay, and with them the stack."""
        keep = bool(self.protected())
        call = lambda stack, **common: stack.destroy(parallel=_PARALLEL, exclude_protected=keep, **common)  # noqa: E731
        return self._run("destroy", call, self._resources_by_layer())

    def protected(self) -> list[dict[str, Any]]:
        """The resources that `destroy` keeps."""
        return [resource for resource in self.checkpoint().get("resources") or [] if resource.get("protect")]

    def release(self) -> None:
        """Takes the protection from everything, so that the next `destroy` removes it, with the data in it."""
        deployment = self.export()
        for resource in deployment.get("resources") or []:
            resource.pop("protect", None)
            resource.pop("retainOnDelete", None)
        self.import_deployment(deployment)

    def checkpoint(self) -> dict[str, Any]:
        """The state as the backend wrote it last, secrets encrypted; empty where there is none. Read without starting the engine."""
        try:
            return json.loads(self.state_file.read_text())["checkpoint"].get("latest") or {}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())
            raise RehearsalError(f"the state {self.state_file} cannot be read: {reason}; the one before is {self.state_file}.bak") from None

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets masked."""
        stacks = [resource for resource in self.checkpoint().get("resources", []) if resource["type"] == STACK]
        return {key: _masked(value) for stack in stacks for key, value in (stack.get("outputs") or {}).items()}

    def export(self) -> dict[str, Any]:
        """The state in the form that `import_deployment` takes, secrets encrypted."""
        return json.loads(self._cli(["stack", "export", "--stack", self._name]).stdout).get("deployment") or {}

    def import_deployment(self, deployment: Mapping[str, Any]) -> None:
        """Replaces the state, dropping pending operations."""
        file = self.state / "import.json"
        file.touch(mode=0o600)
        try:
            file.write_text(json.dumps({"version": 3, "deployment": dict(deployment)}))
            self._cli(["stack", "import", "--stack", self._name, "--file", str(file)])
        finally:
            file.unlink()

    def forget(self) -> None:
        """Removes the stack itself from the backend, after `destroy`, with all that is kept beside its state."""
        self._cli(["stack", "rm", self._name, "--yes", "--preserve-config"])
        for file in self.state.glob(f"{self._stack}.*"):
            file.unlink()

    @property
    def _name(self) -> str:
        return fully_qualified_stack_name("organization", stack_files.project_name(self.root), self._stack)

    def _resources_by_layer(self) -> dict[str, int]:
        resources = self.checkpoint().get("resources", [])
        parents = {resource["urn"]: resource.get("parent", "") for resource in resources}
        return Counter(
            layer_of(resource["urn"], parents)
            for resource in resources
            if resource.get("custom") and not resource["type"].startswith(PROVIDERS) and not resource.get("protect")
        )

    def _workspace(self, program: Callable[[], None] | None = None) -> LocalWorkspace:
        work = self.state / "project"
        self.state.mkdir(parents=True, exist_ok=True)
        stack_files.write_copy(self.root, work, self._stack, self._config, list(self._secrets))
        variables = {
            "PULUMI_HOME": str(self._directory / "pulumi"),
            "PULUMI_BACKEND_URL": self.state.absolute().as_uri(),
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(_passphrase(self._directory)),
            RUN_VARIABLE: str(self.state.absolute()),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "NO_COLOR": "1",
        }
        return _Workspace(work_dir=str(work), program=program, env_vars=variables, pulumi_command=self._command)

    def _cli(self, arguments: list[str]) -> CommandResult:
        workspace = self._workspace()
        return self._command.run(arguments, workspace.work_dir, workspace.env_vars)

    def _conceal(self, workspace: LocalWorkspace) -> None:
        """Has the engine encrypt the secrets that its copy of the stack file lacks or holds an older value of."""
        passphrase = _passphrase(self._directory).read_text()
        concealed = Concealed(self.state / f"{self._stack}.secrets.json", passphrase, self._secrets)
        lacking = stack_files.write_copy(self.root, Path(workspace.work_dir), self._stack, self._config, list(self._secrets))
        for key, value in self._secrets.items():
            if key in lacking or not concealed.is_kept(key):
                arguments = ["config", "set", "--secret", "--stack", self._name, key]
                self._command.run(arguments, workspace.work_dir, workspace.env_vars, said_to_it=value)
        concealed.note()

    def _run(self, command: str, call: Callable[..., Any], expected: dict[str, int] | None = None) -> Outcome:
        recorder = self.recorder = Recorder()
        recorder.on_failure = self.on_failure
        program = Program(self.root, self._directory / "logs" / "program.log", expected)
        workspace = self._workspace(program)
        mode = StackInitMode.SELECT if self.state_file.exists() else StackInitMode.CREATE
        failure = None
        with self._command.logged(command), Progress(recorder, command, program.expected), program.at_home():
            if command in ("up", "preview"):
                program.import_ahead()
            try:
                stack = _Stack(self._name, workspace, mode)
                self._conceal(workspace)
                call(stack, on_event=recorder.on_event, color="never", suppress_outputs=True)
            except CommandError as error:
                failure = error
        found = list(errors(recorder)) if failure and not program.configuration_errors else []
        if failure and not found and not program.configuration_errors:
            killed = self._command.killed_by
            found = [f"the engine was killed by signal {killed}" if killed else said_last(str(failure))]
        operations = recorder.operations()
        return Outcome(
            command=command,
            succeeded=failure is None,
            seconds=recorder.elapsed(),
            changes=recorder.changes,
            operations=operations,
            layers={operation.urn: recorder.layer(operation.urn) for operation in operations},
            errors=found,
            configuration_errors=program.configuration_errors,
            warnings=list(
                dict.fromkeys(said.message for said in recorder.diagnostics if said.severity == "warning" and not _known(said.message))
            ),
        )


def state_folder(directory: Path, cluster_key: str) -> Path:
    """Where the states of the stacks on one cluster are kept."""
    return directory / "state" / cluster_key


def state_file(folder: Path, project: str, stack: str) -> Path:
    """Where the backend keeps a stack."""
    return folder / ".pulumi" / "stacks" / project / f"{stack}.json"


class _Workspace(LocalWorkspace):
    """A workspace that starts the engine less often: each command names its stack, and outputs are read from the state."""

    def select_stack(self, stack_name: str) -> None:
        pass

    def stack_outputs(self, stack_name: str) -> OutputMap:
        return {}


class _Stack(Stack):
    """A stack that does not start the engine once more, after each command, to ask it for its history: the events told it all."""

    def info(self, show_secrets: bool | None = None) -> UpdateSummary:
        return UpdateSummary("update", datetime.now(UTC), "", {}, {}, "succeeded")


def _masked(value: Any) -> Any:
    """A value of the state without what is secret in it."""
    if isinstance(value, Mapping):
        return "[secret]" if SECRET_MARK in value else {key: _masked(part) for key, part in value.items()}
    return [_masked(part) for part in value] if isinstance(value, list) else value


def _passphrase(directory: Path) -> Path:
    """The passphrase of this rehearsal's states, made on first use."""
    file = directory / _CREDENTIALS
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(24))
    return file.absolute()


def _known(warning: str) -> bool:
    """Warnings about the plugin, which the run itself has spoken of before."""
    return warning.startswith(("using pulumi-resource-kubernetes from", "kubernetes double: stands in"))


def said_last(text: str) -> str:
    """What a command of the engine said last, as one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith(("code:", "stdout:"))]
    meaningful = [line.removeprefix("stderr:").strip() for line in lines if line.startswith(("error:", "stderr:"))]
    return (meaningful or lines or ["the engine failed without a word"])[-1].removeprefix("error: ")


def require_disk(directory: Path, bytes_needed: int) -> None:
    """RehearsalError where the disk has no room for a run."""
    directory.mkdir(parents=True, exist_ok=True)
    free = os.statvfs(directory).f_bavail * os.statvfs(directory).f_frsize
    if free < bytes_needed:
        raise RehearsalError(f"{directory}: {free // 2**20} MB are free on its disk, a run needs {bytes_needed // 2**20} MB")
