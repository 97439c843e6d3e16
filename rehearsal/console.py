"""What the rehearsal tells its user while it works: steps with elapsed seconds, notes, warnings; on standard error."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.live import Live
from rich.text import Text

PLAIN_INTERVAL_SECONDS = 15.0


class Step:
    """A step that runs; `detail` says how far it is, and may be set from any thread."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.detail = ""
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began

    def line(self) -> str:
        """The step as one line: title, elapsed seconds, detail."""
        return ", ".join(part for part in (self.title, f"{self.seconds:.0f} s", self.detail) if part)


@contextlib.contextmanager
def step(title: str, *, quiet_for: float = 0.0) -> Iterator[Step]:
    """Shows a step while the block runs: on a terminal one line in place, else a line now and every 15 s; at its end how long it took.

    A step that ends well within `quiet_for` seconds is not mentioned.
    """
    current = Step(title)
    console = _console()
    show = _in_place if console.is_terminal else _line_by_line
    try:
        with show(console, current, quiet_for):
            yield current
    except BaseException:
        _say(console, f"{title}: failed after {current.seconds:.1f} s", "red")
        raise
    if current.seconds >= quiet_for:
        _say(console, f"{title}: {current.seconds:.1f} s", "green")


def note(text: str) -> None:
    """Says something worth knowing."""
    _say(_console(), text, "")


def warning(text: str) -> None:
    """Says something the user has to know."""
    _say(_console(), f"warning: {text}", "yellow")


def error(text: str) -> None:
    """Says what went wrong: each line of the text on its own, as an error."""
    console = _console()
    for line in text.splitlines():
        _say(console, f"error: {line}", "bold red")


def _console() -> Console:
    # Made anew, as standard error may be another stream by now.
    return Console(stderr=True, highlight=False, soft_wrap=True)


def _say(console: Console, text: str, style: str) -> None:
    console.print(Text(text, style=style))


@contextlib.contextmanager
def _in_place(console: Console, current: Step, quiet_for: float) -> Iterator[None]:
    def line() -> Text:
        return Text(current.line() if current.seconds >= quiet_for else "", overflow="ellipsis", no_wrap=True)

    with Live(get_renderable=line, console=console, refresh_per_second=4, transient=True):
        yield


@contextlib.contextmanager
def _line_by_line(console: Console, current: Step, quiet_for: float) -> Iterator[None]:
    with _ticker(lambda: _say(console, current.line(), ""), quiet_for, PLAIN_INTERVAL_SECONDS):
        yield


@contextlib.contextmanager
def _ticker(tick: Callable[[], None], first: float, interval: float) -> Iterator[None]:
    """Calls `tick` from a thread after the first so many seconds and then at the interval, until the block ends."""
    done = threading.Event()

    def run() -> None:
        pause = first
        while not done.wait(pause):
            tick()
            pause = interval

    thread = threading.Thread(target=run, daemon=True)
    if not first:
        tick()
        first = interval
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
