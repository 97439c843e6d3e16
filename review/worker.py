"""Runs the program of one checkout for several stacks, in a process of its own: `python -m review.worker REQUEST ANSWER`, two JSON files.

The recorder comes from this checkout and the program from the one asked for, which may be older than the recorder.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from review import recorder


def record(root: Path, stack: str, config: Mapping[str, str], secret_keys: list[str]) -> dict[str, Any]:
    """What one stack registers, its signals and what it costs; or `errors`, one line each, where the program refuses its configuration."""
    from components.errors import ConfigurationError

    try:
        answer = {"signals": _signals(stack, config, secret_keys), "cost": _cost(root, stack)}
        run = recorder.run(config, stack=stack, root=root, secret_keys=secret_keys)
    except ConfigurationError as error:
        return {"errors": str(error).splitlines()}
    resources = [
        {
            "urn": r.urn,
            "type": r.type,
            "name": r.name,
            "custom": r.custom,
            "parent": r.parent,
            "inputs": r.inputs,
            "dependencies": r.dependencies,
        }
        for r in run.resources.values()
    ]
    return {**answer, "resources": resources}


def _signals(stack: str, config: Mapping[str, str], secret_keys: list[str]) -> list[str] | None:
    """Each way of a signal as a line; None where the checkout knows no signal graph. ConfigurationError for a broken one."""
    try:
        from components import signals
    except ImportError:
        return None
    from components import topology
    from components.config import parse

    settings = parse({key: "not needed here" if key in secret_keys else _decoded(value) for key, value in config.items()})
    names = topology.plan(settings, "istio-stack", stack)
    signals.require(settings, names)
    graph = signals.graph(settings, names)
    edges = {f"{e.edge.signal}: {e.edge.source} to {e.target} at {e.at} ({e.edge.protocol})" for e in graph.edges}
    scrapes = {f"scrape: {m.target} port {m.port} ({m.kind} {m.namespace}/{m.name})" for m in graph.monitors}
    links = {f"link: {link.name}, {link.source} to {link.to}" for link in graph.links}
    return sorted(edges | scrapes | links)


def _decoded(value: str) -> Any:
    """A configuration value as the stack file has it: Pulumi hands all but text over as JSON."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def _cost(root: Path, stack: str) -> dict[str, Any] | None:
    """The bill of a month; None where nobody said what load the stack carries, or the checkout cannot tell."""
    try:
        from sizing.data import environments, prices
        from sizing.plan import plan
    except ImportError:
        return None
    known = environments()
    if stack not in known:
        return None
    costs = prices(root / "prices.yaml")
    lines = plan(known[stack], costs).costs
    return {"currency": costs.currency, "lines": {line.what: round(line.amount, 2) for line in lines}}


def main(request_file: str, answer_file: str) -> int:
    """Answers one request; 0 whenever there is an answer."""
    gc.set_threshold(200_000)  # it lives for seconds, and most of what it makes lives as long
    request = json.loads(Path(request_file).read_text())
    root = Path(request["root"])
    # From here on whatever is not imported yet comes from the checkout that is rendered.
    sys.path[:] = [str(root), *(entry for entry in sys.path if Path(entry or ".").resolve() != recorder.ROOT)]
    answers = {name: record(root, name, stack["config"], stack["secretKeys"]) for name, stack in request["stacks"].items()}
    Path(answer_file).write_text(json.dumps(answers))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
