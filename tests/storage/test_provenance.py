"""The records in a real bucket: few objects, right with several writers, and no reason not to run."""

from __future__ import annotations

import gzip
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from byok8s import s3
from byok8s.provenance.book import UNDER, Book, opened
from byok8s.provenance.line import Stored
from byok8s.provenance.reading import Reading, read
from byok8s.s3.own import Listed, OwnObjects
from counting_proxy import counting

STORED = Stored(10**10, 3, "e")  # in a time to come: not older than any run
Opens = Callable[..., AbstractContextManager["Book | None"]]


@pytest.fixture
def bucket(server: s3.EmbeddedS3, monkeypatch: pytest.MonkeyPatch) -> s3.Bucket:
    use(monkeypatch, server.credentials)
    return s3.Bucket("local", f"provenance/{uuid.uuid4().hex}", server.endpoint_url)


def use(monkeypatch: pytest.MonkeyPatch, keys: s3.Credentials) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret_key)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def opens(bucket: s3.Bucket, tmp_path: Path, said: list[str]) -> Opens:
    """Open the bucket's records in a folder, by default to add to them."""

    def in_folder(
        folder: str = "a", *, of: s3.Bucket = bucket, writes: bool = True
    ) -> AbstractContextManager[Book | None]:
        user = tmp_path / folder
        (user / ".byok8s").mkdir(parents=True, exist_ok=True)
        return opened(of, f"run-{folder}", user, user, said.append, writes=writes)

    return in_folder


def query(bucket: s3.Bucket, name: object) -> str:
    return f"{bucket.url}/{name}"


def make(book: Book | None, bucket: s3.Bucket, *names: object, value: object = 1) -> None:
    """Do to the book what a run does that makes these files."""
    assert book
    queries = [query(bucket, name) for name in names]
    book.announce(queries)
    book.begun(queries)
    for each in queries:
        book.made(each, {"params": [repr(value)], "endtime": 1.0}, STORED, "", "")
        book.ended(each)


def objects(bucket: s3.Bucket) -> OwnObjects:
    return OwnObjects(bucket, UNDER)


def names(bucket: s3.Bucket) -> list[str]:
    return [each.name for each in objects(bucket).listed()]


def values(reading: Reading) -> dict[str, bytes]:
    return {line.path: bytes(line.record) for line in reading.view.lines() if hasattr(line, "record")}


def test_another_folder_knows(bucket: s3.Bucket, opens: Opens) -> None:
    with opens("a") as book:
        make(book, bucket, "x", value="first")
    with opens("b") as book:
        assert book
        known = book.known(query(bucket, "x"))
        assert known
        assert known.record["params"] == ["'first'"]
        make(book, bucket, "x", value="second")
        assert book.known(query(bucket, "x")) is None  # now the folder's own notes count
    with opens("a", writes=False) as book:
        assert book
        known = book.known(query(bucket, "x"))
        assert known
        assert known.record["params"] == ["'second'"]
    assert len(names(bucket)) == 2  # nothing is left of what was announced


def test_two_writers_lose_nothing_of_each_other(bucket: s3.Bucket, opens: Opens) -> None:
    with opens("a") as one, opens("b") as other:
        make(one, bucket, 1, 2)
        make(other, bucket, 3)
        assert one
        one.flush()
        make(other, bucket, 4)
        make(one, bucket, 5)
    assert values(read(objects(bucket))).keys() == {"1", "2", "3", "4", "5"}


def test_objects_stay_few_and_nothing_is_lost(bucket: s3.Bucket, opens: Opens) -> None:
    for number in range(20):
        with opens() as book:
            make(book, bucket, number, "again", value=str(number))
    assert len(names(bucket)) <= 17
    found = values(read(objects(bucket)))
    assert found.keys() == {*map(str, range(20)), "again"}
    assert b"'19'" in found["again"]


def test_two_who_put_objects_together_at_once_lose_nothing(bucket: s3.Bucket, opens: Opens) -> None:
    for number in range(16):
        with opens() as book:
            make(book, bucket, number)
    with opens("a") as one, opens("b") as other:
        make(one, bucket, "one")
        make(other, bucket, "other")
    with opens("c") as book:
        make(book, bucket, "last")
    assert values(read(objects(bucket))).keys() == {*map(str, range(16)), "one", "other", "last"}


def test_what_goes_while_it_is_read_is_listed_again(bucket: s3.Bucket, opens: Opens) -> None:
    for number in range(16):
        with opens() as book:
            make(book, bucket, number)

    class Overtaken(OwnObjects):
        lists = 0

        def listed(self) -> list[Listed]:
            found = super().listed()
            self.lists += 1
            if self.lists == 1:
                with opens() as book:
                    make(book, bucket, "last")
            return found

    overtaken = Overtaken(bucket, UNDER)
    assert len(values(read(overtaken))) == 17
    assert overtaken.lists == 2


def test_a_run_of_many_files_writes_few_objects(bucket: s3.Bucket, opens: Opens) -> None:
    with opens() as book:
        assert book
        for part in range(10):
            make(book, bucket, *(f"{part}-{number}" for number in range(1_000)))
            book.flush()
    assert len(names(bucket)) <= 4
    assert len(values(read(objects(bucket)))) == 10_000


def test_requests(bucket: s3.Bucket, opens: Opens) -> None:
    """Reading: one listing, and one request an object. Writing: announced, recorded, and no longer announced."""
    with opens() as book:
        make(book, bucket, *range(1_000))
    assert bucket.endpoint_url
    with counting(bucket.endpoint_url) as counter:
        of = s3.Bucket(bucket.name, bucket.prefix, counter.url)
        with opens(of=of, writes=False):
            pass
        assert [request.split()[0] for request in counter.requests] == ["LIST", "GET"]
        counter.requests.clear()
        with opens(of=of) as book:
            make(book, bucket, *range(1_000))
        assert [request.split()[0] for request in counter.requests] == ["LIST", "GET", "PUT", "PUT", "DELETE"]
        counter.requests.clear()
        with opens(of=of):
            pass
        assert [request.split()[0] for request in counter.requests] == ["LIST", "GET", "GET"]


@pytest.mark.parametrize(
    "content",
    [b"", b"damaged", gzip.compress(b'{"byok8s":"records","version":1}\n{"type":"made"}')],
    ids=["empty", "damaged", "no record"],
)
def test_what_cannot_be_read_is_said_and_all_else_is_read(
    bucket: s3.Bucket, opens: Opens, said: list[str], content: bytes
) -> None:
    with opens() as book:
        make(book, bucket, "x")
    damaged = f"{2:015}-run-damaged.jsonl.gz"
    objects(bucket).write(damaged, content)
    with opens("b") as book:
        assert book
        assert book.known(query(bucket, "x"))
        assert book.is_in_doubt(query(bucket, "x"), lambda _: Stored(STORED.mtime + 9, 3, "f"))
        make(book, bucket, "y")
    assert len(said) == 1
    assert damaged in said[0]
    reading = read(objects(bucket))
    assert values(reading).keys() == {"x", "y"}
    assert all(made.generation == 3 for made in [reading.view.made("y")] if made)
    assert damaged in names(bucket)  # perhaps somebody can read it


def test_who_may_only_read_is_told_once_and_loses_nothing(
    server: s3.EmbeddedS3,
    bucket: s3.Bucket,
    opens: Opens,
    said: list[str],
    reader: s3.Credentials,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with opens() as book:
        make(book, bucket, "x")
    use(monkeypatch, reader)
    with opens("b", writes=False) as book:
        assert book
        assert book.known(query(bucket, "x"))
    assert said == []
    with opens("b") as book:
        make(book, bucket, "y")
        make(book, bucket, "z")
    assert len(said) == 1
    assert "AccessDenied" in said[0]
    use(monkeypatch, server.credentials)
    with opens("b"):
        pass
    assert values(read(objects(bucket))).keys() == {"x", "y", "z"}


def test_who_may_not_even_read_goes_on_by_the_folders_records(
    opens: Opens, said: list[str], stranger: s3.Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, stranger)
    with opens() as book:
        assert book is None
    assert len(said) == 1
    assert "this folder's own records count" in said[0]


@pytest.fixture
def killed(bucket: s3.Bucket, opens: Opens) -> Iterator[None]:
    """A run in folder a that was killed: one file is recorded in the bucket, one in the folder, and one nowhere."""
    with opens("a") as book:
        make(book, bucket, "sent", "unsent", "lost", "untouched", value="old")
    run = opens("a")
    book = run.__enter__()
    assert book
    everything = [query(bucket, name) for name in ("sent", "unsent", "lost", "untouched")]
    book.announce(everything)
    book.begun(everything)
    make(book, bucket, "sent", value="new")
    book.flush()
    make_locally(book, bucket, "unsent")
    yield
    run.__exit__(None, None, None)


def make_locally(book: Book, bucket: s3.Bucket, name: str) -> None:
    book.made(query(bucket, name), {"params": ["'new'"], "endtime": 2.0}, STORED, "", "")


@pytest.mark.usefixtures("killed")
def test_what_a_killed_run_has_made_is_known_or_in_doubt(bucket: s3.Bucket, opens: Opens) -> None:
    newer = Stored(STORED.mtime + 60, 4, "f")

    def state(folder: str) -> dict[str, tuple[object, bool]]:
        found = {}
        with opens(folder, writes=False) as book:
            assert book
            for name, there in (
                ("sent", STORED),
                ("unsent", newer),
                ("lost", newer),
                ("untouched", STORED),
            ):
                known = book.known(query(bucket, name))
                doubt = book.is_in_doubt(query(bucket, name), lambda _, there=there: there)  # type: ignore[misc]
                found[name] = known.record["params"] if known else None, doubt
        return found

    old, new = ["'old'"], ["'new'"]
    elsewhere = {
        "sent": (new, False),
        "unsent": (old, True),
        "lost": (old, True),
        "untouched": (old, False),
    }
    assert state("b") == elsewhere
    assert state("a") == elsewhere | {"unsent": (new, False)}
