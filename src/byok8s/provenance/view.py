"""What all records say together: of each file how it was made, as far as that is known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from byok8s.provenance.line import Announced, Line, Made, Stored


class View:
    """The latest record of each file, and which announcements came after it.

    lost: the highest generation of which records could not be read.
    """

    def __init__(self) -> None:
        self.lost = -1
        self._made: dict[str, Made] = {}
        self._announced: dict[str, list[Announced]] = defaultdict(list)

    def take(self, line: Line) -> None:
        """Add a line; the order does not matter."""
        if isinstance(line, Announced):
            self._announced[line.path].append(line)
            return
        known = self._made.get(line.path)
        if known is None or (known.generation, known.ended) <= (line.generation, line.ended):
            self._made[line.path] = line

    def made(self, path: str) -> Made | None:
        """Return how a file was made."""
        return self._made.get(path)

    def knows(self, path: str) -> bool:
        """Tell whether there is anything about a file."""
        return path in self._made or path in self._announced

    def may_be_in_doubt(self, path: str) -> bool:
        """Tell whether it matters what the bucket has now."""
        made = self._made.get(path)
        return bool(self._open(path) or (made and made.generation < self.lost))

    def is_in_doubt(self, path: str, there: Stored | None) -> bool:
        """Tell whether a file may have been made later than its latest record says, by a run whose record was lost.

        there: what the bucket has; None for nothing. What somebody has put there by hand is not in doubt: as at home,
        it counts as what was made.
        """
        made = self._made.get(path)
        if there is None or (made and made.stored and made.stored.is_same(there)):
            return False
        since = [each.since or 0.0 for each in self._open(path)]
        if since and there.mtime >= int(min(since)):
            return True
        return bool(made and made.stored and made.generation < self.lost and there.mtime > made.stored.mtime)

    def lines(self) -> Iterator[Line]:
        """Yield all that still matters."""
        yield from self._made.values()
        for path in self._announced:
            if still := self._open(path):
                since = min(each.since or 0.0 for each in still)
                yield Announced(path, max(each.generation for each in still), since)

    def _open(self, path: str) -> list[Announced]:
        """Return the announcements that no record has answered."""
        made = self._made.get(path)
        return [
            each
            for each in self._announced.get(path, ())
            if made is None or each.generation > made.generation
        ]
