"""Asks whether addresses answer, all at once and within a time that does not grow with their number."""

import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable

SECONDS = 3.0
OFFLINE = "ISTIO_STACK_OFFLINE"
"""Environment variable: where it is set, nothing outside this machine is asked."""


def answering(urls: Iterable[str], seconds: float = SECONDS) -> set[str]:
    """Those of the addresses that answered without an error, after so many seconds in all."""
    wanted = list(dict.fromkeys(urls))
    found: set[str] = set()
    if os.environ.get(OFFLINE):
        return found
    threads = [threading.Thread(target=_ask, args=(url, seconds, found), daemon=True) for url in wanted]
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        # A name server that does not answer holds its thread for longer than any timeout of ours; the thread is left behind.
        thread.join(max(0.0, deadline - time.monotonic()))
    return set(found)


def _ask(url: str, seconds: float, found: set[str]) -> None:
    # One byte, as some servers refuse HEAD.
    request = urllib.request.Request(url, headers={"Range": "bytes=0-0", "User-Agent": "istio-stack"})
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            answer.read(1)
            found.add(url)
    except (urllib.error.URLError, OSError, ValueError):
        return
