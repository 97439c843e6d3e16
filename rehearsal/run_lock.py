"""One run at a time in one directory: the second one says who holds it."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from rehearsal.errors import RehearsalError


@contextlib.contextmanager
def held(directory: Path) -> Iterator[None]:
    """Holds the directory for this run. RehearsalError at once where another run holds it; a run that died holds nothing."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "run.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise RehearsalError(f"{directory} is in use by another run (process {owner}): wait until it ends") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
