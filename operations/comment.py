"""`make comment`: the review of a pull request as one comment, found by its marker and updated in place.

`python -m operations.comment --text FILE --pull-request 7 --stack all [--artifact URL]`, with GITHUB_TOKEN and GITHUB_REPOSITORY as a
workflow has them. Without a token it prints the comment and what it would do. Exit code 0, 1 where GitHub refuses, 2 for bad input.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from operations.github import LONGEST, GitHub, GitHubError
from rehearsal import console
from review.report import MARKER

FAILED, BAD_INPUT = 1, 2
FENCE = "```"


def main(arguments: Sequence[str] | None = None) -> int:
    """Posts, updates or prints; returns the exit code."""
    chosen = _parser().parse_args(arguments)
    if not chosen.text:
        console.error("MARKDOWN is not set: it names the file that `make diff MARKDOWN=file.md` wrote")
        return BAD_INPUT
    try:
        text = body(Path(chosen.text).read_text(), chosen.stack, _links(chosen.artifact))
        repository = GitHub.of_environment()
        if repository is None or chosen.pull_request is None:
            print(text, end="")
            console.note("printed, not posted: a comment takes GITHUB_TOKEN, GITHUB_REPOSITORY and PULL_REQUEST")
        else:
            console.note(post(repository, chosen.pull_request, text))
    except GitHubError as error:
        console.error(str(error))
        return FAILED
    except OSError as error:
        console.error(f"{error.filename}: {error.strerror}")
        return BAD_INPUT
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m operations.comment", description="The review of a pull request as one comment.")
    parser.add_argument("--text", default="", metavar="FILE", help="what `make diff MARKDOWN=FILE` wrote")
    parser.add_argument("--pull-request", type=int, metavar="NUMBER", help="where it goes")
    parser.add_argument("--stack", default="all", help="which stacks it is about; each set of them has a comment of its own")
    parser.add_argument("--artifact", default="", metavar="URL", help="where the whole rendering can be had")
    return parser


def body(text: str, stacks: str, links: Sequence[str] = ()) -> str:
    """The comment: marker, review, links; cut where it would be longer than GitHub takes, with what is missing said."""
    marker = f"{MARKER.removesuffix(' -->')} of {stacks} -->"
    lines = text.removeprefix(MARKER).strip().splitlines()
    below = f"\n\n---\n{' · '.join(links)}\n" if links else "\n"
    whole = "\n".join([marker, "", *lines]) + below
    if len(whole) <= LONGEST:
        return whole
    return _cut(marker, lines, below)


def _cut(marker: str, lines: Sequence[str], below: str) -> str:
    """Every stack's headline and refusals first, then as many whole lines as there is room for."""
    heads = [line for line in lines if line.startswith(("## ", "**Refused:**"))]
    above = "\n".join([marker, "", *(re.sub(r"^## (.*)", r"**\1**  ", line) for line in heads), "", ""])
    said = "**Cut here: {} of {} lines are shown, as a comment takes no more.** The whole is in the artifact of this run."
    room = LONGEST - len(above) - len(below) - len(said.format(len(lines), len(lines))) - len(f"\n{FENCE}\n\n\n")
    shown: list[str] = []
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        shown.append(line)
    open_fence = sum(line.startswith(FENCE) for line in shown) % 2 == 1
    return above + "\n".join([*shown, *([FENCE] if open_fence else []), "", said.format(len(shown), len(lines))]) + below


def _links(artifact: str) -> list[str]:
    """What stands below: the commit, the artifact, the run; each where it is known."""
    server, repository, run = (os.environ.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    commit = os.environ.get("HEAD_SHA", "")
    return [
        *([f"commit {commit[:12]}"] if commit else []),
        *([f"[every object and row]({artifact})"] if artifact else []),
        *([f"[run]({server}/{repository}/actions/runs/{run})"] if run else []),
    ]


def post(repository: GitHub, pull_request: int, text: str) -> str:
    """Makes the comment or changes the one that is there; says which."""
    marker = text.partition("\n")[0]
    there = next(
        (c for c in repository.listed(f"issues/{pull_request}/comments") if c["body"].startswith(marker) and repository.is_mine(c)), None
    )
    if there is None:
        return f"posted: {repository.send('POST', f'issues/{pull_request}/comments', {'body': text})['html_url']}"
    if there["body"].strip() == text.strip():
        return f"as it was: {there['html_url']}"
    repository.send("PATCH", f"issues/comments/{there['id']}", {"body": text})
    return f"updated: {there['html_url']}"


if __name__ == "__main__":
    sys.exit(main())
