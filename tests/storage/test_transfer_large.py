"""Large inputs and outputs of jobs: in parts, and as they were sent, or not at all."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from byok8s.worker import transfer
from byok8s.worker.description import File
from byok8s.worker.transfer import Damaged, Transfer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from counting_proxy import Counter
    from provide import Provide

MIB = 1 << 20
SIZE = 20 * MIB + 7


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(transfer, "PARTS_BYTES", 16 * MIB)
    path = tmp_path / "large"
    path.write_bytes(random.Random(14).randbytes(SIZE))
    path.chmod(0o755)
    return path


def flipping(method: str, *, always: bool) -> Callable[[str, bytes], bytes]:
    flipped = list[str]()

    def flip(request: str, body: bytes) -> bytes:
        if not request.startswith(f"{method} ") or len(body) < MIB or (flipped and not always):
            return body
        flipped.append(request)
        return body[:-1] + bytes([body[-1] ^ 1])

    return flip


def moved(provide: Provide, counter: Counter) -> tuple[Transfer, Any]:
    connection = provide(url=counter.url).connection
    return Transfer(connection), connection.client


def test_a_byte_that_is_changed_on_the_way_is_moved_again(
    provide: Provide, counter: Counter, large: Path, tmp_path: Path
) -> None:
    counter.change = flipping("PUT", always=False)
    counter.change_answer = flipping("GET", always=False)
    moves, client = moved(provide, counter)
    (stored,) = moves.store([File(str(large), "local", "large/once")])
    head = client.head_object(Bucket="local", Key="large/once")
    assert (stored.size, stored.etag, stored.mtime) == (
        SIZE,
        head["ETag"],
        int(head["LastModified"].timestamp()),
    )
    came = tmp_path / "came"
    moves.fetch([File(str(came), "local", "large/once", size=SIZE)])
    assert came.read_bytes() == large.read_bytes()
    assert came.stat().st_mode & 0o777 == 0o755
    assert int(came.stat().st_mtime) == stored.mtime
    assert not [*tmp_path.glob(".*")]


@pytest.mark.parametrize("tells", [False, True])
def test_it_is_fetched_once_whether_a_checksum_tells_or_not(
    tells: bool, provide: Provide, counter: Counter, large: Path, tmp_path: Path
) -> None:
    """What other programs have put, in parts of their own size: a worker has no time for it to come twice."""
    moves, client = moved(provide, counter)
    at, each = {"Bucket": "local", "Key": f"large/by others {tells}"}, (8 if tells else 6) * MIB
    upload = client.create_multipart_upload(**at)["UploadId"]
    content, parts = large.read_bytes(), []
    for number, begin in enumerate(range(0, SIZE, each), start=1):
        body = content[begin : begin + each]
        answer = client.upload_part(**at, UploadId=upload, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    client.complete_multipart_upload(**at, UploadId=upload, MultipartUpload={"Parts": parts})
    counter.requests.clear()
    came = tmp_path / "came"
    moves.fetch([File(str(came), "local", at["Key"], size=SIZE)])
    assert came.read_bytes() == content
    assert len(counter.of("GET")) == 3


def test_one_that_is_always_changed_is_damaged(
    provide: Provide, counter: Counter, large: Path, tmp_path: Path
) -> None:
    moves, client = moved(provide, counter)
    counter.change = flipping("PUT", always=True)
    with pytest.raises(Damaged, match="s3://local/large/always"):
        moves.store([File(str(large), "local", "large/always")])
    assert not client.list_multipart_uploads(Bucket="local", Prefix="large/").get("Uploads")
    counter.change = flipping("no", always=False)
    moves.store([File(str(large), "local", "large/always")])
    counter.change_answer = flipping("GET", always=True)
    with pytest.raises(Damaged, match="s3://local/large/always"):
        moves.fetch([File(str(tmp_path / "came"), "local", "large/always", size=SIZE)])
    assert not (tmp_path / "came").exists()
