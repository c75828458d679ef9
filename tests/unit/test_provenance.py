"""Which record of a file counts, when one is in doubt, and what is no record."""

from __future__ import annotations

import gzip
from itertools import permutations
from pathlib import Path

import msgspec
import pytest

from byok8s.provenance.book import Book
from byok8s.provenance.journal import FILE, Journal
from byok8s.provenance.line import Announced, Line, Made, Stored, Unreadable, decode, encode, packs, unpacked
from byok8s.provenance.persistence import Records
from byok8s.provenance.view import View

OLD, NEW = Stored(100, 5, "a"), Stored(200, 5, "b")


def made(
    generation: int, stored: Stored | None = OLD, record: bytes = b'{"rule":"x"}', ended: float = 0.0
) -> Made:
    return Made("out.txt", generation, msgspec.Raw(record), ended, stored)


def view(*lines: Line) -> View:
    result = View()
    for line in lines:
        result.take(line)
    return result


def test_the_later_generation_counts_in_whatever_order() -> None:
    lines = [made(1, ended=9.0), made(3), made(2, ended=10.0)]
    for order in permutations(lines):
        assert view(*order).made("out.txt") == made(3)


@pytest.mark.parametrize(
    ("lines", "there", "doubt"),
    [
        ([], NEW, False),
        ([made(1)], NEW, False),  # somebody's own file, as at home
        ([made(1), Announced("out.txt", 2, 150.0)], NEW, True),  # a run that was killed has made it
        ([Announced("out.txt", 2, 150.0)], NEW, True),
        ([Announced("out.txt", 2, 200.9)], NEW, True),  # listings tell whole seconds
        ([made(1), Announced("out.txt", 2, 150.0)], OLD, False),  # it did not come to that
        ([made(1), Announced("out.txt", 2, 150.0)], None, False),
        ([made(2, NEW), Announced("out.txt", 2, 150.0)], NEW, False),
        ([made(3, NEW), Announced("out.txt", 2, 150.0)], NEW, False),
        (
            [made(1, NEW), Announced("out.txt", 2, 200.0)],
            NEW,
            False,
        ),  # made in the second of the announcement
        ([made(2), Announced("out.txt", 1, 90.0), Announced("out.txt", 3, 150.0)], NEW, True),
    ],
)
def test_what_is_in_doubt(lines: list[Line], there: Stored | None, doubt: bool) -> None:
    whole = view(*lines)
    assert whole.is_in_doubt("out.txt", there) is doubt
    assert view(*whole.lines()).is_in_doubt("out.txt", there) is doubt  # when put together


def test_what_is_newer_than_its_record_is_in_doubt_if_later_records_cannot_be_read() -> None:
    whole = view(made(1))
    whole.lost = 2
    assert whole.is_in_doubt("out.txt", NEW)
    assert not whole.is_in_doubt("out.txt", OLD)
    whole.lost = 1
    assert not whole.is_in_doubt("out.txt", NEW)


def test_lines_come_back_as_they_were() -> None:
    lines: list[Line] = [
        made(1),
        made(10**15 - 1, None),
        Announced("ä\n\u2028.txt", 3),
        Announced("b", 4, 1.5),
    ]
    assert [
        decode(text) for pack in packs([encode(line) for line in lines]) for text in unpacked(pack)
    ] == lines


def test_many_lines_are_several_packs() -> None:
    lines = [encode(made(1, record=b'"' + b"x" * 1_000_000 + b'"'))] * 20
    contents = list(packs(lines))
    assert len(contents) == 3
    assert [line for content in contents for line in unpacked(content)] == lines


HEADER = b'{"byok8s":"records","version":1}\n'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not gzip",
        gzip.compress(b"", mtime=0),
        gzip.compress(b'{"byok8s":"records","version":2}\n', mtime=0),
        gzip.compress(HEADER + b"\n".join([encode(made(1))] * 9), mtime=0)[:-20],
        gzip.compress(b"0" * 1_000_000, 1, mtime=0) * 513,
    ],
)
def test_what_cannot_be_unpacked(content: bytes) -> None:
    with pytest.raises(Unreadable):
        unpacked(content)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b'{"type":"other"}',
        b'{"type":"made","path":1,"generation":1,"record":{}}',
        b'{"type":"made","path":"a","generation":-1,"record":{}}',
        b'{"type":"made","path":"a","generation":1e300,"record":{}}',
        b'{"type":"made","path":"a","generation":1}',
        b'{"type":"announced","path":"\xff","generation":1}',
        b'{"type":"announced","path":"a","generation":1,"since":' + b"[" * 100_000,
    ],
)
def test_what_is_no_line(text: bytes) -> None:
    with pytest.raises(Unreadable):
        decode(text)


@pytest.mark.parametrize(
    "record",
    [
        b"1",
        b"[]",
        b'"x"',
        b'{"params":1}',
        b'{"input":{"a":1}}',
        b'{"record_format_version":"x"}',
        b'{"starttime":[]}',
        b"[" * 3_000 + b"]" * 3_000,
    ],
)
def test_a_hostile_record_is_none(record: bytes, tmp_path: Path) -> None:
    records = Records(Book("s3://b/p", view(made(1, record=record)), None, tmp_path))
    assert records.record("s3://b/p/out.txt", None) is None


def test_paths_of_one_machine_are_those_of_the_next(tmp_path: Path) -> None:
    text = b'{"params":["\'\\\\u0000root/x\'"]}'.replace(b"\\\\", b"\\")
    here = tmp_path / "ä b"
    book = Book("s3://b/p", view(made(1, record=text)), None, here)
    known = book.known("s3://b/p/out.txt")
    assert known
    assert known.record == {"params": [f"'{here}/x'"]}


def test_what_is_elsewhere_is_not_of_the_bucket(tmp_path: Path) -> None:
    book = Book("s3://b/p", view(made(1)), None, tmp_path)
    assert book.path("s3://b/p2/out.txt") is None
    assert book.known("out.txt") is None


def test_the_journal_keeps_what_was_not_sent(tmp_path: Path) -> None:
    (tmp_path / FILE.parent).mkdir()
    here, other = Journal(tmp_path, "s3://b"), Journal(tmp_path, "s3://c")
    for generation in (1, 2, 3):
        here.note(made(generation))
        other.note(made(generation))
    with (tmp_path / FILE).open("ab") as file:
        file.write(encode(made(4))[:-9])  # cut off by a kill
    here.forget(2)
    assert Journal(tmp_path, "s3://b").unsent() == [made(3)]
    assert Journal(tmp_path, "s3://c").unsent() == [made(1), made(2), made(3)]
