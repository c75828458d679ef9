"""What of a run its view shows, and how keys change that. Values in, values out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from byok8s.history.state import State, Try
from byok8s.history.status import running

ESCAPE: Final = "\x1b"
_ENTER: Final = "\r\n"
_BACKSPACE: Final = "\x7f\b"


@dataclass(frozen=True)
class Choice:
    """What is shown.

    failed: only failed jobs. name: only what has this in the name of its rule or job. typing: whether that name is
    being typed. log: the id of the job whose log is shown instead, nothing for none.
    """

    failed: bool = False
    name: str = ""
    typing: bool = False
    log: str = ""

    @property
    def is_all(self) -> bool:
        return not (self.failed or self.name)

    def has(self, each: Try) -> bool:
        """Return whether a job is shown."""
        return self.name.lower() in each.name.lower() and (each.failed or not self.failed)

    def after(self, key: str, state: State) -> Choice:
        """Return what is shown after a key. It is the same if the key means nothing now."""
        if self.typing:
            return self._typed(key)
        match key:
            case "f" if self.log:
                return self
            case "f":
                by_name = self.failed or bool(self.name)
                return Choice(failed=not by_name, name=self.name, typing=by_name)
            case "l":
                return replace(self, log=_next(self.log, [each.id for each in self.with_logs(state)]))
            case _ if key == ESCAPE:
                return replace(self, log="") if self.log else Choice()
        return self

    def with_logs(self, state: State) -> list[Try]:
        """Return the jobs whose logs are shown one after another: failed ones, the last first, and running ones."""
        found = [*reversed(state.failures()), *([] if state.over else running(state))]
        return [each for each in found if self.has(each)]

    def _typed(self, key: str) -> Choice:
        if key == ESCAPE:
            return Choice()
        if key in _ENTER:
            return replace(self, typing=False)
        if key in _BACKSPACE:
            return replace(self, name=self.name[:-1])
        return replace(self, name=self.name + key) if key.isprintable() else self

    @property
    def help(self) -> str:
        """Return a line that says which keys do what."""
        if self.typing:
            return f"Show only: {self.name}_   (part of a rule's or job's name; Enter: keep, Esc: all)"
        if self.log:
            return "l: the next log   Esc: back   q: leave the view"
        if self.failed:
            return "Failed jobs alone.   f: by name   Esc: all   l: their logs   q: leave the view"
        if self.name:
            return f"Only {self.name}.   f: another name   Esc: all   l: their logs   q: leave the view"
        return "f: failed jobs alone, or some by name   l: a job's log   q: leave the view"


def _next(one: str, all_: Sequence[str]) -> str:
    """Return what comes after one, the first after the last; nothing if there is none."""
    after = all_.index(one) + 1 if one in all_ else 0
    return all_[after % len(all_)] if all_ else ""
