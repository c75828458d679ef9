"""Files of this machine get into the bucket: whole, gone on with, and as they are here."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_storage_plugin_byok8s import etag
from snakemake_storage_plugin_byok8s.begun import Begun, Upload
from snakemake_storage_plugin_byok8s.send import SUM, Outgoing, Sending

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
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


def begin(provide: Provide, key: str, parts: Mapping[int, bytes], **more: object) -> str:
    client = provide().client
    upload = str(client.create_multipart_upload(Bucket="local", Key=key, **more)["UploadId"])
    for number, body in parts.items():
        client.upload_part(Bucket="local", Key=key, UploadId=upload, PartNumber=number, Body=body)
    return upload


def cut_off(folder: Path, provide: Provide, key: str, upload: Upload) -> Begun:
    """Return what a process that was killed has left."""
    begun = Begun(folder)
    with suppress(KeyboardInterrupt), begun.of(f"{provide().connection.server} s3://local/{key}") as note:
        note.write(upload)
        raise KeyboardInterrupt
    return begun


def uploads(provide: Provide, key: str) -> list[str]:
    found = provide().client.list_multipart_uploads(Bucket="local", Prefix=key).get("Uploads", ())
    return [each["UploadId"] for each in found]


def first_two(large: Path) -> dict[int, bytes]:
    """And a third part that is not what the file has there."""
    content, each = large.read_bytes(), etag.PART_BYTES
    return {1: content[:each], 2: content[each : 2 * each], 3: b"x" * each}


def test_parts_that_are_there_are_not_sent_again(
    provide: Provide, client: s3.S3Client, sent: Sent, large: Path, counter: Counter, tmp_path: Path
) -> None:
    key, whole = "send/resumed", etag.of_file(large, LARGE)
    upload = begin(provide, key, first_two(large), Metadata={SUM: whole})
    server = provide(url=counter.url)
    begun = Begun(tmp_path / "begun")
    with suppress(KeyboardInterrupt), begun.of(f"{server.connection.server} s3://local/{key}") as note:
        note.write(Upload(upload, whole))
        raise KeyboardInterrupt
    Sending(server.connection, "local", sent.tell, begun).send([Outgoing.of(large, key)], sent.done)
    assert content(client, key) == large.read_bytes()
    assert len(counter.of("PUT")) == 2
    assert provide().client.head_object(Bucket="local", Key=key)["Metadata"][SUM] == whole
    assert sent.bytes == LARGE
    assert not [*(tmp_path / "begun").iterdir()]


def test_what_was_begun_of_an_older_content_is_removed(
    provide: Provide, client: s3.S3Client, sent: Sent, large: Path, tmp_path: Path
) -> None:
    key = "send/older"
    upload = begin(provide, key, first_two(large), Metadata={SUM: "of the older one"})
    begun = cut_off(tmp_path / "begun", provide, key, Upload(upload, "of the older one"))
    Sending(provide().connection, "local", sent.tell, begun).send([Outgoing.of(large, key)], sent.done)
    assert content(client, key) == large.read_bytes()
    head = provide().client.head_object(Bucket="local", Key=key)
    assert head["Metadata"][SUM] == etag.of_file(large, LARGE)
    assert uploads(provide, key) == []


def test_what_was_begun_and_is_gone_meanwhile_is_begun_again(
    provide: Provide, client: s3.S3Client, sent: Sent, large: Path, tmp_path: Path
) -> None:
    key, whole = "send/gone", etag.of_file(large, LARGE)
    upload = begin(provide, key, {})
    provide().client.abort_multipart_upload(Bucket="local", Key=key, UploadId=upload)
    begun = cut_off(tmp_path / "begun", provide, key, Upload(upload, whole))
    Sending(provide().connection, "local", sent.tell, begun).send([Outgoing.of(large, key)], sent.done)
    assert content(client, key) == large.read_bytes()


@pytest.mark.parametrize("whose", ["another's", "of another process here"])
def test_an_upload_of_somebody_else_is_left_alone(
    whose: str, provide: Provide, client: s3.S3Client, sent: Sent, large: Path, tmp_path: Path
) -> None:
    """Also if it seems to be for the same content: whoever is at it completes it, with what is theirs."""
    key, whole = f"send/not ours {whose}", etag.of_file(large, LARGE)
    theirs = begin(provide, key, {1: b"theirs"}, Metadata={SUM: whole})
    begun = Begun(tmp_path / "begun")
    with ExitStack() as stack:
        if whose != "another's":
            note = stack.enter_context(begun.of(f"{provide().connection.server} s3://local/{key}"))
            note.write(Upload(theirs, whole))
        Sending(provide().connection, "local", sent.tell, begun).send([Outgoing.of(large, key)], sent.done)
        assert content(client, key) == large.read_bytes()
        assert uploads(provide, key) == [theirs]
    server = provide().client
    (part,) = server.list_parts(Bucket="local", Key=key, UploadId=theirs)["Parts"]
    server.complete_multipart_upload(
        Bucket="local",
        Key=key,
        UploadId=theirs,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    assert content(client, key) == b"theirs"


def test_two_that_put_the_same_key_at_once_mix_nothing(
    provide: Provide, client: s3.S3Client, large: Path, tmp_path: Path, counter: Counter
) -> None:
    """Of two machines: each of their parts waits for one of the other."""
    other = tmp_path / "other"
    other.write_bytes(large.read_bytes()[::-1])
    together = threading.Barrier(2, timeout=60)

    def meet(request: str, body: bytes) -> bytes:
        if request.startswith("PUT"):
            with suppress(threading.BrokenBarrierError):
                together.wait()
        return body

    counter.change = meet
    answers = [Sent(), Sent()]

    def put(file: Path, said: Sent) -> None:
        connection, begun = provide(url=counter.url).connection, Begun(tmp_path / f"begun by {file.name}")
        Sending(connection, "local", said.tell, begun).send([Outgoing.of(file, "send/both")], said.done)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(put, (large, other), answers))
    came = content(client, "send/both")
    assert came in (large.read_bytes(), other.read_bytes())
    assert [said.facts["send/both"].etag for said in answers] == [
        etag.of_file(file, LARGE) for file in (large, other)
    ]
    assert uploads(provide, "send/both") == []


def test_an_upload_that_fails_and_is_not_noted_leaves_no_parts(
    provide: Provide, sent: Sent, large: Path, counter: Counter
) -> None:
    counter.change = lambda request, body: b"X" + body[1:] if request.startswith("PUT") else body
    with pytest.raises(WorkflowError, match="does not come to s3://local/send/fails as it is here"):
        send(provide, sent, Outgoing.of(large, "send/fails"), url=counter.url)
    assert uploads(provide, "send/fails") == []


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
