"""Another state of the project, checked out beside this one for as long as it is looked at."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from review.errors import Refusal

_SECONDS = 120


@contextlib.contextmanager
def checked_out(root: Path, ref: str) -> Iterator[Path]:
    """A folder that holds the project as it is at a git ref. Refusal for one that git does not know."""
    if not ref:
        raise Refusal("base is missing: name the git ref to compare with, such as BASE=main")
    found = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if found.returncode:
        raise Refusal(f"base {ref} is unknown to git here: a branch, tag or commit is wanted; a shallow clone holds few of them")
    with tempfile.TemporaryDirectory(prefix="istio-stack-base-") as folder:
        tree = Path(folder) / "tree"
        made = _git(root, "worktree", "add", "--detach", "--quiet", str(tree), found.stdout.strip())
        try:
            if made.returncode:
                raise Refusal(f"base {ref} cannot be checked out: {' '.join(made.stderr.split())[:300]}")
            top = _git(root, "rev-parse", "--show-prefix").stdout.strip()
            yield tree / top
        finally:
            _git(root, "worktree", "remove", "--force", str(tree))


def _git(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Refusal(f"git {words[0]} does not end within {_SECONDS} s") from None
