"""A few threads that carry out what takes a while, and that hold up no exit."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeAlias

Work: TypeAlias = "Callable[[], None]"


class Crew:
    """Its threads are daemons: an exit waits for those of a ThreadPoolExecutor, however long a server does not answer.

    on_crash: told of what work raises.
    """

    def __init__(self, name: str, count: int, on_crash: Callable[[Exception], None]) -> None:
        self._name, self._count, self._on_crash = name, count, on_crash
        self._work: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def submit(self, work: Work) -> None:
        """Have work done. Only one thread may call this."""
        self._work.put(work)
        if len(self._threads) < self._count:
            name = f"{self._name} {len(self._threads)}"
            self._threads.append(threading.Thread(target=self._run, name=name, daemon=True))
            self._threads[-1].start()

    def end(self) -> None:
        """Let the threads end when all work is done. Waits for nothing."""
        for _ in range(self._count):
            self._work.put(None)

    def _run(self) -> None:
        while work := self._work.get():
            try:
                work()
            except Exception as error:  # noqa: BLE001 - whatever it is, somebody must hear of it
                self._on_crash(error)
