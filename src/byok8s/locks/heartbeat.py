"""A sign of life now and then."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

EVERY_SECONDS: Final = 60.0


@contextmanager
def beating(beat: Callable[[], None], every: float, first: float) -> Iterator[None]:
    """Call `beat` in a thread of its own for as long as the block lasts, and not after.

    every: seconds between beats. first: seconds until the first.
    """
    end = threading.Event()

    def go_on() -> None:
        pause = first
        while not end.wait(pause):
            beat()
            pause = every

    thread = threading.Thread(target=go_on, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
