"""`make export`: a stack as files for Argo CD or Flux. `python -m gitops --help`. Exit code 0, or 2 where it cannot be exported."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from components.errors import ConfigurationError
from gitops import content, files, order
from gitops.errors import ExportError
from gitops.tools import TOOLS, Repository
from rehearsal import console
from rehearsal.errors import RehearsalError
from review import work
from review.errors import Refusal
from review.recorder import ROOT
from review.render import stacks_of
from review.writing import stand_ins

BAD_INPUT = 2


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Exports one stack and returns the exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        return _export(chosen, root)
    except (ExportError, Refusal, RehearsalError, ConfigurationError) as error:
        console.error(str(error))
    except OSError as error:
        console.error(f"{error.filename}: {error.strerror}")
    return BAD_INPUT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gitops", description="A stack as files for Argo CD or Flux.")
    parser.add_argument("--stack", required=True, help="by its Pulumi.<stack>.yaml")
    parser.add_argument("--format", required=True, help=f"{' or '.join(TOOLS)}")
    parser.add_argument("--into", type=Path, required=True, metavar="DIR", help="the folder; it will hold the export and nothing else")
    parser.add_argument("--repository", default="", metavar="URL", help="git repository that will hold the folder (Argo CD needs it)")
    parser.add_argument("--revision", default="HEAD", help="branch or tag of it (default: HEAD)")
    parser.add_argument("--path", help="the folder's path in the repository (default: DIR, as it is written)")
    parser.add_argument("--source", default="flux-system", help="name of Flux' GitRepository (default: flux-system)")
    parser.add_argument("--clients", default="", metavar="NAME=ID …", help="client ids of identities in Azure, such as tempo-identity=…")
    parser.add_argument("--bundles", action="store_true", help="take bundles where real charts cannot be had, to look at only")
    return parser


def _export(chosen: argparse.Namespace, root: Path) -> int:
    if chosen.format not in TOOLS:
        raise ExportError(f"FORMAT is {chosen.format or 'missing'}: must be {' or '.join(TOOLS)}")
    if chosen.stack not in stacks_of(root):
        raise ExportError(f"STACK is {chosen.stack}: there is no Pulumi.{chosen.stack}.yaml; known are {', '.join(stacks_of(root))}")
    if chosen.format == "argocd" and not chosen.repository:
        raise ExportError("REPOSITORY is missing: Argo CD must be told the git repository that will hold the folder")
    _require_ours(root / chosen.into)
    tool, clients = TOOLS[chosen.format], _clients(chosen.clients)
    rendering = work.render([chosen.stack], root)[chosen.stack]
    if (missing := stand_ins(rendering)) and not chosen.bundles:
        raise ExportError(
            f"no archive of {', '.join(missing)} can be had, and a stand-in is nothing for a real cluster: "
            "name a folder that holds them as chartMirror, or look at the export with BUNDLES=1"
        )
    exported = content.of(rendering, clients)
    steps = order.steps(exported.objects, rendering.waits)
    path = chosen.path or (chosen.into.name if chosen.into.is_absolute() else str(chosen.into))
    place = Repository(chosen.repository, chosen.revision, path.strip("/"), chosen.source)
    files.write(files.contents(rendering, exported, steps, tool, place), root / chosen.into)
    console.note(f"{chosen.into}: {len(exported.objects)} objects in {len(steps)} steps for {tool.name}; apply {chosen.into}/root.yaml")
    for secret in exported.secrets:
        console.note(f"must be there: Secret {secret.namespace}/{secret.name} with {', '.join(secret.keys) or 'what its receiver needs'}")
    if exported.azure:
        console.note(f"left to others: {len(exported.azure)} resources of Azure, listed in {chosen.into}/README.md")
    if missing:
        console.warning(f"bundles stand in for {', '.join(missing)}: this is to look at only")
    for name in exported.unknown_clients:
        console.warning(f"client id of {name}: not known, a placeholder stands in its place; CLIENT_IDS='{name}=…'")
    return 0


def _clients(text: str) -> dict[str, str]:
    """`NAME=ID NAME=ID`. ExportError for anything else."""
    pairs = [part.partition("=") for part in text.replace(",", " ").split()]
    for name, _, value in pairs:
        if not value:
            raise ExportError(f"CLIENT_IDS holds {name}: must be NAME=ID, such as tempo-identity=00000000-0000-0000-0000-000000000000")
    return {name: value for name, _, value in pairs}


def _require_ours(folder: Path) -> None:
    """ExportError for a folder with something else in it: it would be gone."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "root.yaml").is_file():
        raise ExportError(f"DIR is {folder}: it holds something that is no export, and would hold nothing else afterwards")


if __name__ == "__main__":
    sys.exit(main())
