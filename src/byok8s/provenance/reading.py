"""Reading the records in a bucket: one listing, and one request for each object of many records."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from msgspec.structs import replace

from byok8s.errors import BucketError
from byok8s.provenance.line import MOST_BYTES, Announced, Line, Unreadable, decode, unpacked
from byok8s.provenance.view import View
from byok8s.s3.own import Listed, OwnObjects

_NAME: Final = re.compile(r"(\d{15})-[\w-]{1,100}\.jsonl\.gz")
_TRIES: Final = 3


@dataclass
class Reading:
    """What was read. names: of the objects that hold it. generation: the highest. unreadable: names, and why."""

    view: View = field(default_factory=View)
    names: list[str] = field(default_factory=list)
    generation: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)


def name(generation: int, run: str, random: str) -> str:
    """Return an object's name; the names of later generations sort later."""
    return f"{generation:015}-{run}-{random}.jsonl.gz"


def read(objects: OwnObjects) -> Reading:
    """Read all records. Raises BucketError when they cannot be had at all.

    An object that has gone since it was listed was put together with others: so all is listed again.
    """
    for _ in range(_TRIES):
        listed = [each for each in objects.listed() if _NAME.fullmatch(each.name)]
        small = [each for each in listed if each.size <= MOST_BYTES]
        contents = list(objects.read(each.name for each in small))
        if None not in contents:
            reading = Reading()
            for each in listed:
                if each.size > MOST_BYTES:
                    _miss(reading, each.name, f"it has {each.size} bytes")
            _take(reading, small, [content or b"" for content in contents])
            return reading
    raise BucketError(f"What is in {objects.address} changes while it is read.")


def _take(reading: Reading, listed: Sequence[Listed], contents: Sequence[bytes]) -> None:
    for each, content in zip(listed, contents, strict=True):
        try:
            lines = [_dated(decode(text), each.modified) for text in unpacked(content)]
        except Unreadable as error:
            _miss(reading, each.name, str(error))
            continue
        reading.names.append(each.name)
        reading.generation = max([reading.generation, _generation(each.name), *_generations(lines)])
        for line in lines:
            reading.view.take(line)


def _miss(reading: Reading, missed: str, why: str) -> None:
    reading.unreadable[missed] = why
    generation = _generation(missed)
    reading.generation = max(reading.generation, generation)
    reading.view.lost = max(reading.view.lost, generation)


def _generation(of: str) -> int:
    return int(of.partition("-")[0])


def _generations(lines: Sequence[Line]) -> list[int]:
    return [line.generation for line in lines]


def _dated(line: Line, modified: float) -> Line:
    return replace(line, since=modified) if isinstance(line, Announced) and line.since is None else line
