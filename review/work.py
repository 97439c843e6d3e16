"""The two pieces of work: render stacks of one checkout, and render those of two with the same charts real in both."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from rehearsal import console
from rehearsal.errors import RehearsalError
from review.errors import Refusal
from review.helm import Renderer
from review.recorder import ROOT
from review.render import Checkout, Rendering, helm_binary, stacks_of


class Pair(NamedTuple):
    """One stack before and after; None where it is not there."""

    base: Rendering | None
    head: Rendering | None


def render(
    stacks: Sequence[str], root: Path = ROOT, *, bundles: bool = False, changes: Mapping[str, Any] | None = None
) -> dict[str, Rendering]:
    """Renders stacks of one checkout; `bundles` takes no real archive, `changes` as in Checkout. Refusal where one cannot be rendered."""
    with _workshop() as (folder, renderer):
        checkout = Checkout(root, stacks, folder, renderer, changes)
        with console.step(f"render {', '.join(stacks)}", quiet_for=1.0):
            found = checkout.render({stack: {} if bundles else checkout.real(stack) for stack in stacks})
    refused = [line for rendering in found.values() for line in rendering.errors]
    if refused:
        raise Refusal("\n".join(dict.fromkeys(refused)))
    return found


def pairs(
    base: Path, head: Path, stacks: Sequence[str], *, bundles: bool = False, changes: Mapping[str, Any] | None = None
) -> dict[str, Pair]:
    """Renders stacks of two checkouts, both with `changes` to their configuration, if there are any.

    A chart whose archive can be had for one of them alone has a stand-in in both.
    """
    with _workshop() as (folder, renderer):
        sides = []
        for name, root in (("base", base), ("head", head)):
            own = [stack for stack in stacks if stack in stacks_of(root)]
            (folder / name).mkdir()
            sides.append(Checkout(root, own, folder / name, renderer, changes))
        had = [{stack: {} if bundles else side.real(stack) for stack in side.configs} for side in sides]
        chosen = [
            {s: {name: path for name, path in own[s].items() if name in other.get(s, own[s])} for s in own}
            for own, other in ((had[0], had[1]), (had[1], had[0]))
        ]
        with console.step(f"render {', '.join(stacks)} of the base and of the present state", quiet_for=1.0), ThreadPoolExecutor(2) as both:
            results = list(both.map(lambda side, own: side.render(own) if side.configs else {}, sides, chosen))
    return {stack: Pair(results[0].get(stack), results[1].get(stack)) for stack in stacks}


class _workshop:
    """A temporary folder and a renderer."""

    def __enter__(self) -> tuple[Path, Renderer]:
        self._folder = tempfile.TemporaryDirectory(prefix="istio-stack-review-")
        return Path(self._folder.name), Renderer(helm_binary())

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._folder.cleanup()
        if isinstance(error, RehearsalError):
            raise Refusal(str(error)) from None
