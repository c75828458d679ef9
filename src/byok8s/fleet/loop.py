"""The one thread that changes what is known of a run: it gives events to the core, and has its commands carried out."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Protocol

from byok8s.fleet.commands import Command
from byok8s.fleet.events import Closed, Event, Tick
from byok8s.fleet.fleet import Fleet

TICK_SECONDS = 5.0


class CarriesOut(Protocol):
    def carry_out(self, command: Command) -> None:
        """Have a command carried out, without waiting for it."""


class Loop:
    """Any thread may put events. on_crash: told of what should never happen."""

    def __init__(self, on_crash: Callable[[Exception], None]) -> None:
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._on_crash = on_crash

    def put(self, event: Event) -> None:
        self._events.put(event)

    def start(self, fleet: Fleet, effects: CarriesOut) -> None:
        threading.Thread(target=self._run, args=(fleet, effects), name="loop", daemon=True).start()

    def _run(self, fleet: Fleet, effects: CarriesOut) -> None:
        event: Event | None = None
        tick = time.monotonic() + TICK_SECONDS
        while not isinstance(event, Closed):
            event = self._next(min(tick, fleet.due))
            if event is not None:
                self._handle(fleet, effects, event)
            if time.monotonic() >= min(tick, fleet.due):
                self._handle(fleet, effects, Tick())
                tick = time.monotonic() + TICK_SECONDS

    def _next(self, until: float) -> Event | None:
        """Return the next event; None if there is none until then."""
        try:
            return self._events.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            return None

    def _handle(self, fleet: Fleet, effects: CarriesOut, event: Event) -> None:
        try:
            for command in fleet.handle(event, time.monotonic()):
                effects.carry_out(command)
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody must hear of it
            self._on_crash(error)
