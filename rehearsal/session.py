"""All that a run of the engine needs, put together: cluster, plugin, charts, configuration, recovery."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rehearsal import cluster as clusters
from rehearsal import console, mirror, plugins, probe, recovery, stack_files, subscription, tools
from rehearsal.cluster import Cluster
from rehearsal.control_plane import ControlPlane
from rehearsal.engine import Engine, Outcome, state_file, state_folder
from rehearsal.errors import RehearsalError
from rehearsal.helm import Helm
from rehearsal.ledger import Ledger
from rehearsal.mirror import Source, Wishes
from rehearsal.plugins import Plugin
from rehearsal.subscription import Subscription

ClusterChoice = Literal["rehearsal", "current", "configured"]
POD_START_SECONDS = 3.0
PLACEHOLDER_IMAGE = "placeholder.invalid/rolldice:rehearsal"
"""What the sample application runs where pods are simulated and its stack names no image."""
OWN_CLUSTER = "own-cluster"
"""File in the state folder of the control plane that lives and dies with this directory."""


class BadSettings(Exception):
    """The stack's configuration is wrong; the message holds a line for each mistake."""


@dataclass(frozen=True)
class Options:
    """What the user asked for."""

    stack: str = "local"
    cluster: ClusterChoice = "rehearsal"
    directory: Path = tools.ROOT / ".rehearsal"
    root: Path = tools.ROOT
    pod_start_seconds: float | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Configuration keys, without the project's prefix, that take another value than the stack file gives them."""


@dataclass
class Session:
    """One stack on one cluster, ready to run."""

    options: Options
    cluster: Cluster
    plugin: Plugin
    source: Source | None
    """Where the charts come from; None where the run needs none."""
    config: Mapping[str, Any]
    """The stack's configuration as the program gets it, by full key."""
    engine: Engine
    ledger: Ledger
    helm: Helm
    azure: Subscription | None = None
    """What stands for Azure; None where the stack has nothing there."""
    placeholders: list[str] = field(default_factory=list)
    """What was put in the place of something the stack lacks, or that cannot be read here."""

    def unlock(self) -> None:
        """Removes locks whose owner is gone, before a run that changes nothing."""
        for line in [*recovery.remove_stale_locks(self.engine), *recovery.remove_torn_attributes(self.engine)]:
            console.note(f"recovery: {line}")

    def recover(self) -> bool:
        """Mends what unfinished runs left; whether the next one should refresh."""
        with console.step("recover what the last run left", quiet_for=0.5):
            result = recovery.recover(self.engine, self.cluster, self.helm, self.ledger, self.azure)
        for line in result.notes:
            console.note(f"recovery: {line}")
        return result.refresh

    @contextlib.contextmanager
    def unfinished(self) -> Iterator[None]:
        """Around a run that changes things: whatever ends the block without `settle` leaves it marked as unfinished."""
        self.ledger.begin()
        self.engine.on_failure = self.ledger.note_failure
        yield

    def settle(self, outcome: Outcome) -> None:
        """After a run: nothing is open where it ended well."""
        if outcome.succeeded:
            self.ledger.end()


def prepare(options: Options, needs_charts: bool = True) -> Session:
    """Brings up or finds what the run needs. RehearsalError with one clear line where something cannot be had."""
    root, directory = options.root, options.directory
    project = stack_files.project_name(root)
    changes = {f"{project}:{key}": value for key, value in options.changes.items()}
    written = stack_files.read_config(root, options.stack) | changes
    _refuse_azure_itself(options, written, project)
    missing = _missing_secrets(options, written, project)
    written |= {f"{project}:{key}": stack_files.placeholder(key) for key in missing}
    if needs_charts:
        _check_settings(root, written, project)
    wishes = Wishes.of(root, written, project)
    asked = [*(wishes.addresses() if needs_charts else []), *([] if plugins.installed() else [plugins.address()])]
    with ThreadPoolExecutor(1) as pool:
        probing = pool.submit(probe.answering, asked)
        tools.ensure("pulumi", "helm")
        config, cluster = _on_cluster(options, written, project)
        answering = probing.result()
    placeholders = [*(f"{key} (missing)" for key in missing), *_placeholders(config, written, project, cluster)]
    plugin = plugins.choose(directory, answering)
    if plugin.stands_in:
        console.warning(f"kubernetes plugin: {plugin.description}")
    source = mirror.decide(wishes, answering, directory, cluster.simulated) if needs_charts else None
    if source and source.kind == "bundles":
        console.warning(f"charts: bundles of ours stand in ({source.why})")
    config |= {f"{project}:{key}": value for key, value in (source.settings if source else {}).items()}
    azure = None
    state = state_folder(directory, cluster.key)
    if subscription.is_wanted(config, project, state_file(state, project, options.stack)):
        azure = subscription.prepare(root, directory, state, options.stack, config, project, directory / "kubeconfig")
        console.warning(f"azure-native plugin: {azure.description}")
    engine = Engine(
        tools.ensure("pulumi")["pulumi"], root, directory, options.stack, cluster.key, config,
        search_path=[*([azure.plugin.folder] if azure else []), plugin.folder, tools.ensure("helm")["helm"].parent],
        environment={**plugin.environment, **(azure.plugin.environment if azure else {}), **_kubeconfig_variable()},
        secret_keys=_secret_keys(root, project),
    )  # fmt: skip
    if options.cluster == "rehearsal":
        engine.state.mkdir(parents=True, exist_ok=True)
        (engine.state / OWN_CLUSTER).touch()
    ledger = Ledger(engine.state / f"{options.stack}.unfinished.json")
    helm = Helm(tools.ensure("helm")["helm"], cluster.kubeconfig, cluster.context)
    return Session(options, cluster, plugin, source, config, engine, ledger, helm, azure, placeholders)


def _refuse_azure_itself(options: Options, written: Mapping[str, Any], project: str) -> None:
    """A stack in Azure goes there by `pulumi up`, with the state and the secrets of its team; here it is rehearsed."""
    if options.cluster != "rehearsal" and written.get(f"{project}:azure"):
        raise RehearsalError(
            f"stack {options.stack} is in Azure: `pulumi up` brings it up there (docs/operations.md); "
            f"`make up STACK={options.stack} REHEARSE=1` rehearses it here"
        )


def _missing_secrets(options: Options, written: Mapping[str, Any], project: str) -> list[str]:
    """Secrets that the stack lacks, where nothing real runs that could need them."""
    if options.cluster != "rehearsal":
        return []
    if options.root != tools.ROOT:
        return []
    from components.config import needed_secrets

    own = {key.removeprefix(f"{project}:"): value for key, value in written.items()}
    return [key for key in needed_secrets(own) if not own.get(key)]


def _secret_keys(root: Path, project: str) -> list[str]:
    """The keys whose values are secret, which only the program knows; of another program, none."""
    if root != tools.ROOT:
        return []
    from components.config import SECRET_KEYS

    return [f"{project}:{key}" for key in SECRET_KEYS]


def _check_settings(root: Path, written: Mapping[str, Any], project: str) -> None:
    """Says what is wrong with a stack file before anything is built or started for it. The program checks it again."""
    if root != tools.ROOT:
        return
    from components import config
    from components.errors import ConfigurationError

    opened = stack_files.with_placeholders(written)
    try:
        config.parse({key.removeprefix(f"{project}:"): value for key, value in opened.items() if key.startswith(f"{project}:")})
    except ConfigurationError as error:
        raise BadSettings(str(error)) from None


def _on_cluster(options: Options, written: Mapping[str, Any], project: str) -> tuple[dict[str, Any], Cluster]:
    """The stack's configuration with its secrets opened or replaced, pointed at the cluster, and the cluster."""
    config = stack_files.with_placeholders(written)
    key = f"{project}:cluster"
    wanted = subscription.opened(config.get(key))
    if options.cluster == "rehearsal":
        plane = _control_plane(options)
        cluster = clusters.connect(str(plane.kubeconfig), "rehearsal", plane.api)
        # An AKS cluster stays in the settings: the double answers for it with this cluster's kubeconfig.
        if not wanted.get("aks"):
            issuer = {"oidcIssuer": wanted["oidcIssuer"]} if "oidcIssuer" in wanted else {}
            config[key] = {"kubeconfig": os.path.relpath(plane.kubeconfig, options.root), "context": "rehearsal", **issuer}
    elif options.cluster == "current":
        cluster = clusters.connect()
        config[key] = {"context": cluster.context}
    else:
        kubeconfig = wanted.get("kubeconfig")
        cluster = clusters.connect(str(options.root / kubeconfig) if kubeconfig else None, wanted.get("context"))
    return config, cluster


def _control_plane(options: Options) -> ControlPlane:
    running = ControlPlane.attach(options.directory)
    if running and options.pod_start_seconds is None:
        return running
    with console.step("control plane", quiet_for=1.0 if running else 0.0):
        return ControlPlane.start(options.directory, options.pod_start_seconds or POD_START_SECONDS)


def _placeholders(config: dict[str, Any], written: Mapping[str, Any], project: str, cluster: Cluster) -> list[str]:
    """Puts placeholders in where nothing real runs. RehearsalError where something does and a secret cannot be read."""
    encrypted = [key.removeprefix(f"{project}:") for key in stack_files.encrypted_keys(written)]
    if not cluster.simulated:
        if encrypted:
            raise RehearsalError(
                f"{', '.join(encrypted)}: encrypted in the stack file, and {cluster.context} is a real cluster: "
                "only `pulumi up` with the stack's own backend can read it"
            )
        return []
    made = [f"{key} (encrypted)" for key in encrypted]
    sample = config.get(f"{project}:sampleApp") or {}
    if isinstance(sample, Mapping) and not sample.get("image"):
        config[f"{project}:sampleApp"] = {**sample, "image": PLACEHOLDER_IMAGE}
        made.append(f"sampleApp.image ({PLACEHOLDER_IMAGE})")
    return made


def _kubeconfig_variable() -> dict[str, str]:
    """KUBECONFIG with absolute paths, as plugins run in the project's folder."""
    value = os.environ.get("KUBECONFIG")
    return {"KUBECONFIG": os.pathsep.join(str(Path(part).absolute()) for part in value.split(os.pathsep) if part)} if value else {}
