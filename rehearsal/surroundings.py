"""What the closing report says about a run beside its layers: what stood in for what, the proof of order, what nobody made."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rehearsal import console, kept_azurite, order, stack_files, tools
from rehearsal.bundles import coverage
from rehearsal.cluster_api import ApiError
from rehearsal.control_plane import ControlPlane
from rehearsal.errors import RehearsalError
from rehearsal.order import Proof
from rehearsal.report import RELEASE, Surroundings
from rehearsal.session import Options, Session


def prove_order(session: Session) -> Proof | None:
    """Proves the order of what was made since the last proof. None on a real cluster, whose API server enforces it itself."""
    if not session.cluster.simulated:
        return None
    file = session.engine.state / f"{session.options.stack}.proven"
    since = datetime.fromisoformat(file.read_text()) if file.exists() else None
    now = datetime.now(UTC)
    with console.step("prove the order", quiet_for=1.0):
        try:
            proof = order.prove(session.cluster.api, since)
        except ApiError as error:
            raise RehearsalError(f"the order cannot be proven: {error}") from None
    if not proof.violations:
        file.write_text(now.isoformat())
    return proof


def describe(session: Session, proof: Proof | None) -> Surroundings:
    """What to say below the table."""
    source = session.source
    facts = [("Cluster", _cluster(session)), ("Plugin", session.plugin.description)]
    if session.azure:
        facts.append(("Azure", session.azure.description))
    if source:
        facts.append(("Charts", f"{source.kind}: {source.where} ({source.why})"))
    if session.placeholders:
        facts.append(("Placeholders", ", ".join(session.placeholders)))
    if source and source.kind == "bundles":
        facts.append(("Bundles", _coverage(session.engine.checkpoint().get("resources") or [])))
    if made := list(_operator_services(session)):
        facts.append(("Operators", "\n".join(made)))
    if proof:
        facts.append(("Order", proof.summary()))
    stands_in = source is not None and source.kind == "bundles"
    return Surroundings(facts, stands_in, session.azure is not None, session.engine.outputs())


def _cluster(session: Session) -> str:
    version = (session.cluster.api.find("/version") or {}).get("gitVersion", "of unknown version")
    nodes = "nodes and pods are simulated: nothing runs in them" if session.cluster.simulated else "real"
    return f"{session.cluster.context}: API server {version} at {session.cluster.api.server}; {nodes}"


def _coverage(resources: Sequence[Mapping[str, Any]]) -> str:
    """How many of the values that the releases set the bundles turn into objects."""
    modelled = missed = 0
    for release in (resource for resource in resources if resource["type"] == RELEASE):
        inputs = release.get("inputs") or {}
        chart = Path(inputs.get("chart", "")).stem.removesuffix(f"-{inputs.get('version')}")
        counts = coverage.coverage(chart, inputs.get("values") or {})
        modelled, missed = modelled + counts.modelled, missed + counts.not_modelled
    return f"model {modelled} of the {modelled + missed} values set; why not the other {missed}: rehearsal/bundles/not_modelled.yaml"


def _operator_services(session: Session) -> Iterator[str]:
    """What operators make from custom resources, which nobody does where pods are simulated. Known to the program's own plan."""
    if not session.cluster.simulated or session.options.root != tools.ROOT:
        return
    from components import config, topology

    prefix = f"{stack_files.project_name(session.options.root)}:"
    own = {key.removeprefix(prefix): value for key, value in session.config.items() if key.startswith(prefix)}
    by_maker: dict[str, list[str]] = {}
    for made in topology.plan(config.parse(own), stack=session.options.stack).operator_services:
        by_maker.setdefault(made.made_from, []).append(f"{made.service.namespace}/{made.service.name}:{made.service.port}")
    for maker, services in by_maker.items():
        yield f"would have made from {maker}: Service {', '.join(services)}"


def status(options: Options) -> Iterator[str]:
    """What is up, one line each."""
    plane = ControlPlane.attach(options.directory)
    if plane:
        yield f"control plane: up at {plane.server} ({', '.join(f'{name} {pid}' for name, pid in plane.pids.items())})"
        yield f"kubeconfig: {plane.kubeconfig}"
    else:
        yield f"control plane: not up in {options.directory}"
    azurite = kept_azurite.attach(options.directory)
    if azurite:
        yield f"azurite: up at {azurite.address} (node {azurite.pid})"
    for file in sorted((options.directory / "state").glob("*/.pulumi/stacks/*/*.json")):
        yield f"stack {file.stem} on {file.relative_to(options.directory / 'state').parts[0]}: {_resources(file)} resources"
    missing = [name for name in tools.names() if tools.find(name) is None]
    yield f"tools: {'all there' if not missing else 'missing ' + ', '.join(missing)} in {tools.cache()}"


def _resources(file: Path) -> int:
    try:
        return len((json.loads(file.read_text())["checkpoint"].get("latest") or {}).get("resources") or [])
    except (OSError, ValueError, KeyError):
        return 0
