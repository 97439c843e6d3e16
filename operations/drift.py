"""`make drift`: what is otherwise in the cluster and in Azure than the program says, as one issue; it never writes state.

`python -m operations.drift --stack dev` previews with a refresh, as `pulumi preview --refresh` does. A stack of a team is read from its
own backend (PULUMI_BACKEND_URL), one of the rehearsal from there. With GITHUB_TOKEN and GITHUB_REPOSITORY the one open issue is made,
changed or closed; without a token it is printed. Exit code 0 where the stacks could be read, 1 where one could not or GitHub refuses,
2 for bad input.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from components.charts import ROOT
from operations.github import GitHub, GitHubError
from rehearsal import console, run_lock, session, stack_files
from rehearsal.engine import said_last
from rehearsal.errors import RehearsalError
from rehearsal.events import Operation, Recorder, errors

FAILED, BAD_INPUT = 1, 2
ALL, LOCAL = "all", "local"
LABEL = "drift"
TITLE = "The clusters are not as the program says"
SHOWN, LINE_SHOWN, FIELDS_SHOWN = 150, 300, 5
"""How many resources an issue lists in all, how many characters of each, and how many of its fields: together less than an issue takes."""
_INTRODUCTION = """\
What `up` would change now, though nobody changed the program: somebody or something else changed it. Either it goes into the program,
or the next `up` takes it back. This issue is kept up to date, and closed when nothing differs."""


@dataclass(frozen=True)
class Found:
    """One stack: what differs, or why that could not be seen."""

    stack: str
    changes: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


def main(arguments: Sequence[str] | None = None) -> int:
    """Reads, reports; returns the exit code."""
    chosen = _parser().parse_args(arguments)
    known = stack_files.known_stacks(ROOT)
    stacks = [stack for stack in known if stack != LOCAL] if chosen.stack == ALL else [chosen.stack]
    if unknown := [stack for stack in stacks if stack not in known]:
        console.error(f"stack {unknown[0]} is unknown: there is no Pulumi.{unknown[0]}.yaml; known are {', '.join(known)}")
        return BAD_INPUT
    found = [_read(stack, chosen.cluster) for stack in stacks]
    for one in found:
        console.note("\n  ".join([_headline(one), *one.changes]))
        for line in one.errors:
            console.error(f"stack {one.stack}: {line}")
    try:
        repository = GitHub.of_environment()
        if repository is None:
            print(body(found, chosen.stack), end="")
            console.note("printed, not filed: an issue takes GITHUB_TOKEN and GITHUB_REPOSITORY")
        else:
            console.note(file(repository, found, chosen.stack))
    except GitHubError as error:
        console.error(str(error))
        return FAILED
    return FAILED if any(one.errors for one in found) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m operations.drift", description="What is otherwise than the program says.")
    parser.add_argument("--stack", default=ALL, help=f"a stack by its Pulumi.<stack>.yaml, or all but {LOCAL} (default)")
    parser.add_argument(
        "--cluster", choices=("rehearsal", "current", "configured"), default="configured",
        help="configured: where the stack's own backend says it is; rehearsal and current: what `make up` brought up (default: configured)",
    )  # fmt: skip
    return parser


def _read(stack: str, cluster: session.ClusterChoice) -> Found:
    try:
        return configured(stack) if cluster == "configured" else rehearsed(session.Options(stack, cluster))
    except (RehearsalError, session.BadSettings) as error:
        return Found(stack, errors=tuple(str(error).splitlines()))


def rehearsed(options: session.Options) -> Found:
    """A stack that `make up` brought up on this machine or on the cluster that kubectl uses."""
    with run_lock.held(options.directory):
        ready = session.prepare(options)
        ready.unlock()
        outcome = ready.engine.preview(refresh=True)
        return Found(options.stack, lines(outcome.operations, ready.engine.recorder), (*outcome.configuration_errors, *outcome.errors))


def configured(stack: str) -> Found:
    """A stack of a team, by the pulumi on PATH. A preview takes no lock and writes nothing, so an identity that may only read will do."""
    from pulumi import automation

    recorder = Recorder()
    with console.step(f"preview of stack {stack} with a refresh"):
        try:
            selected = automation.select_stack(stack, work_dir=str(ROOT))
            selected.preview(refresh=True, on_event=recorder.on_event, color="never", suppress_outputs=True)
        except (automation.CommandError, RuntimeError) as error:  # the second where the events stop short
            return Found(stack, errors=tuple(errors(recorder)) or (said_last(str(error)),))
        except FileNotFoundError:
            return Found(stack, errors=("there is no pulumi on PATH: https://www.pulumi.com/docs/install says how to get it",))
    return Found(stack, lines(recorder.operations(), recorder))


def lines(operations: Sequence[Operation], recorder: Recorder) -> tuple[str, ...]:
    """One line for each resource that `up` would change: never a value, which may be a secret."""
    return tuple(sorted(_line(op, recorder.layer(op.urn)) for op in operations if op.changes and op.concrete))


def _line(operation: Operation, layer: str) -> str:
    fields = [*operation.fields[:FIELDS_SHOWN], *(["…"] if len(operation.fields) > FIELDS_SHOWN else [])]
    line = f"{operation.op} {layer}: {operation.kind} {operation.name}"
    return f"{line} ({', '.join(fields)})" if fields else line


def _headline(found: Found) -> str:
    if found.errors:
        return f"Stack {found.stack}: could not be read"
    return f"Stack {found.stack}: {len(found.changes)} differ" if found.changes else f"Stack {found.stack}: as the program says"


def body(found: Sequence[Found], stacks: str = ALL) -> str:
    """The issue's text, which begins with a hidden line to find it by."""
    lines = [f"<!-- istio-stack drift of {stacks} -->", _INTRODUCTION]
    shown = max(1, SHOWN // len(found))
    for one in found:
        listed = (*(f"failed: {line}" for line in one.errors), *one.changes)
        lines += ["", f"## {_headline(one)}"]
        lines += [f"- `{line.replace('`', '')[:LINE_SHOWN]}`" for line in listed[:shown]]
        lines += [f"- and {len(listed) - shown} more, in the log of the run"] if len(listed) > shown else []
    return "\n".join(lines) + "\n"


def file(repository: GitHub, found: Sequence[Found], stacks: str = ALL) -> str:
    """Makes, changes or closes the one issue about these stacks; says which. It stays open while one could not be read."""
    text = body(found, stacks)
    marker = text.partition("\n")[0]
    about = (issue for issue in repository.listed("issues", state="open", labels=LABEL) if (issue["body"] or "").startswith(marker))
    there = next((issue for issue in about if repository.is_mine(issue)), None)
    clean = not any(one.changes or one.errors for one in found)
    if there is None:
        if clean:
            return "nothing differs, and no issue says otherwise"
        return f"filed: {repository.send('POST', 'issues', {'title': TITLE, 'body': text, 'labels': [LABEL]})['html_url']}"
    change = {"body": text, **({"state": "closed", "state_reason": "completed"} if clean else {})}
    repository.send("PATCH", f"issues/{there['number']}", change)
    return f"{'closed' if clean else 'updated'}: {there['html_url']}"


if __name__ == "__main__":
    sys.exit(main())
