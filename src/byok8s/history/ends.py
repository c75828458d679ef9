"""A line for each job's end, for whoever reads a run in a file or hears it read out. Values in, values out."""

from __future__ import annotations

from collections import Counter

from byok8s.history.event import COMPLETE, Event
from byok8s.history.state import State, Try, fold
from byok8s.history.status import lasted, span


class Ends:
    """Follows a run's events, from the first one that its controller notes."""

    def __init__(self) -> None:
        self._state = State()
        self._given = Counter[str]()  # jobs by rule
        self._done = 0

    def line(self, event: Event) -> str:
        """Take in one more event. Return what is said of it: nothing unless a job has ended."""
        known = len(self._state.latest)
        fold(self._state, event)
        found = self._state.tries.get(str(event.get("id")))
        if found and len(self._state.latest) > known:
            self._given.update(found.rules)
        if not found or event["event"] != "job.ended":
            return ""
        del self._state.tries[found.id]  # a run may have very many
        if found.state == COMPLETE:
            self._done += len(found.rules)
        how = "" if found.state == COMPLETE else "; is tried again" if event.get("again") else "; failed"
        return f"{self._done} of {self._total()} jobs done{how}: {_end(found)}"

    def _total(self) -> int:
        """Return how many jobs there are as far as it is known: a checkpoint may add what was not planned."""
        planned = self._state.planned
        return sum(max(planned[rule], self._given[rule]) for rule in {*planned, *self._given})


def _end(found: Try) -> str:
    wildcards = [f"{name}={value}" for name, value in found.wildcards.items()]
    took = lasted(found, found.ended)
    facts = [
        " ".join([found.rule, *wildcards]),
        span(took) if took is not None else "",
        f"{found.max_rss:.0f} MB" if found.max_rss else "",
        f"on {found.node or found.pod}" if found.node or found.pod else "",
    ]
    why = f": {found.why}" if found.why and found.state != COMPLETE else ""
    return ", ".join(filter(None, facts)) + why
