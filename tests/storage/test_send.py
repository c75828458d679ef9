"""Files of this machine get into the bucket: whole, gone on with, and as they are here."""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING

import pytest
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_storage_plugin_byok8s import etag
from snakemake_storage_plugin_byok8s.send import SUM, Outgoing, Sending

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from byok8s import s3
    from counting_proxy import Counter
    from provide import Provide
    from snakemake_storage_plugin_byok8s.facts import Facts

LARGE = 3 * etag.PART_BYTES + 5


class Sent:
    """What was said of an upload."""

    def __init__(self) -> None:
        self.bytes = 0
        self.facts: dict[str, Facts] = {}
        self._lock = threading.Lock()

    def tell(self, count: int) -> None:
        with self._lock:
            self.bytes += count

    def done(self, file: Outgoing, facts: Facts) -> None:
        self.facts[file.key] = facts


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def large(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        for number in range(LARGE // 1000 + 1):
            file.write(hashlib.sha256(b"%d" % number).digest() * 32)
        file.truncate(LARGE)
    yield path
    path.unlink()


def send(provide: Provide, sent: Sent, *files: Outgoing, url: str | None = None) -> None:
    Sending(provide(url=url).connection, "local", sent.tell).send(files, sent.done)


def content(client: s3.S3Client, key: str) -> bytes:
    return client.get_object(Bucket="local", Key=key)["Body"].read()


@pytest.mark.parametrize(
    "name", ["plain", "with a blank", "ä+#?&%41", ".hidden", "a=b,c;d", "deep/er/file", "q'uote\"d"]
)
@pytest.mark.parametrize("size", [0, 5])
def test_names_and_sizes(
    name: str, size: int, provide: Provide, client: s3.S3Client, sent: Sent, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * size)
    key = f"send/names/{size}/{name}"
    send(provide, sent, Outgoing.of(path, key))
    assert content(client, key) == b"x" * size
    assert sent.bytes == size
    listed = provide().listing("local", key)
    assert listed.keys() == {key}
    facts = sent.facts[key]
    assert abs(facts.mtime - listed[key].mtime) <= 1
    assert (facts.size, facts.etag) == (size, listed[key].etag)


def test_a_large_file_goes_by_parts(provide: Provide, client: s3.S3Client, sent: Sent, large: Path) -> None:
    send(provide, sent, Outgoing.of(large, "send/large"))
    assert content(client, "send/large") == large.read_bytes()
    assert sent.bytes == LARGE
    listed = provide().listing("local", "send/large")["send/large"]
    assert listed.etag == etag.of_file(large, LARGE) == sent.facts["send/large"].etag
    assert etag.matches(listed.etag, large, LARGE)


@pytest.mark.parametrize("of", ["this file", "an older one"])
def test_parts_that_are_there_are_not_sent_again(
    of: str, provide: Provide, client: s3.S3Client, sent: Sent, large: Path, counter: Counter
) -> None:
    pieces = etag.parts(LARGE, etag.PART_BYTES)
    key = f"send/resumed of {of}"
    whole = etag.of_file(large, LARGE)
    metadata = {SUM: whole if of == "this file" else "of the older one"}
    create = provide().client.create_multipart_upload
    upload = create(Bucket="local", Key=key, Metadata=metadata)["UploadId"]
    with large.open("rb") as file:
        for part in pieces[:2]:
            client.upload_part(
                Bucket="local", Key=key, UploadId=upload, PartNumber=part.number, Body=file.read(part.length)
            )
    # and one that is not what the file has there
    client.upload_part(Bucket="local", Key=key, UploadId=upload, PartNumber=3, Body=b"x" * etag.PART_BYTES)
    send(provide, sent, Outgoing.of(large, key), url=counter.url)
    assert content(client, key) == large.read_bytes()
    # with an older one's sum an object would not count as the file in a bucket whose ETags tell nothing
    assert len(counter.of("PUT")) == len(pieces) - 2 + (len(pieces) if of == "an older one" else 0)
    assert provide().client.head_object(Bucket="local", Key=key)["Metadata"][SUM] == whole
    assert sent.bytes == LARGE


def test_a_byte_that_is_changed_on_the_way_is_sent_again(
    provide: Provide, client: s3.S3Client, sent: Sent, large: Path, tmp_path: Path, counter: Counter
) -> None:
    small = tmp_path / "small"
    small.write_bytes(b"small")
    changed: set[str] = set()

    def flip(request: str, body: bytes) -> bytes:
        if not request.startswith("PUT") or request in changed:
            return body
        changed.add(request)
        return b"X" + body[1:]

    counter.change = flip
    files = [Outgoing.of(small, "send/flipped/small"), Outgoing.of(large, "send/flipped/large")]
    send(provide, sent, *files, url=counter.url)
    assert changed
    assert content(client, "send/flipped/small") == b"small"
    assert content(client, "send/flipped/large") == large.read_bytes()
    assert sent.bytes == LARGE + 5


def test_bytes_that_are_always_changed_on_the_way_are_named(
    provide: Provide, sent: Sent, tmp_path: Path, counter: Counter
) -> None:
    small = tmp_path / "small"
    small.write_bytes(b"small")
    counter.change = lambda request, body: b"X" + body[1:] if request.startswith("PUT") else body
    with pytest.raises(WorkflowError, match="does not come to s3://local/send/never as it is here"):
        send(provide, sent, Outgoing.of(small, "send/never"), url=counter.url)
    assert not provide().listing("local", "send/never")


@pytest.mark.parametrize("size", ["small", "large"])
def test_a_file_that_changes_while_it_is_uploaded(
    size: str, provide: Provide, sent: Sent, large: Path, tmp_path: Path, counter: Counter
) -> None:
    path = large if size == "large" else tmp_path / "small"
    if size == "small":
        path.write_bytes(b"small")
    file = Outgoing.of(path, f"send/changing/{size}")

    def change(request: str, body: bytes) -> bytes:
        if request.startswith("PUT"):
            with path.open("ab") as again:
                again.write(b"more")
        return body

    counter.change = change
    with pytest.raises(WorkflowError, match="changed while it was uploaded"):
        send(provide, sent, file, url=counter.url)
    assert not provide().listing("local", file.key)


def test_a_request_that_is_refused_ends_it_by_name(
    provide: Provide, sent: Sent, tmp_path: Path, reader: s3.Credentials
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"a")
    sending = Sending(provide(reader).connection, "local", sent.tell)
    with pytest.raises(WorkflowError, match=r"upload of s3://local/send/refused at .* AccessDenied"):
        sending.send([Outgoing.of(path, "send/refused")])


def test_parts_of_files_that_are_larger_than_ten_thousand_usual_ones() -> None:
    """S3 takes 10,000 parts, of 5 GiB at most."""
    for size in (5 * 2**40, 100 * 2**30, 80 * 2**30, 5 * 2**30 + 1, 8 * 2**20 + 1):
        each = etag.part_bytes(size)
        assert -(-size // each) <= 10_000
        assert each % 2**20 == 0
        pieces = etag.parts(size, each)
        assert sum(part.length for part in pieces) == size
        assert [part.number for part in pieces] == list(range(1, len(pieces) + 1))
