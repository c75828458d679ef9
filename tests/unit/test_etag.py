"""By its ETag an object is told from a file: those that other programs give it are known, too."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path

import pytest

from snakemake_storage_plugin_byok8s import checksum, etag
from snakemake_storage_plugin_byok8s.checksum import MIB

SIZE = 20 * MIB + 3


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("etag") / "large"
    path.write_bytes(
        b"".join(hashlib.sha256(b"%d" % i).digest() * 1024 for i in range(SIZE // 2**15 + 1))[:SIZE]
    )
    return path


def by_definition(content: bytes, each: int) -> str:
    """As S3 makes it, of parts of so many bytes."""
    sums = [hashlib.md5(content[at : at + each]).digest() for at in range(0, len(content), each)]
    return f"{hashlib.md5(b''.join(sums)).hexdigest()}-{len(sums)}"


@pytest.mark.parametrize("mib", [5, 8, 15, 16, 50])
def test_an_object_that_was_put_in_parts_by_some_program(mib: int, large: Path) -> None:
    told = by_definition(large.read_bytes(), mib * MIB)
    assert etag.matches(told, large, SIZE)


def test_an_object_that_was_put_in_one_piece(large: Path) -> None:
    assert etag.matches(hashlib.md5(large.read_bytes()).hexdigest(), large, SIZE)


def test_what_byok8s_gives_it_is_what_is_said_beforehand(large: Path, tmp_path: Path) -> None:
    assert etag.of_file(large, SIZE) == by_definition(large.read_bytes(), etag.PART_BYTES)
    small = tmp_path / "small"
    small.write_bytes(b"small")
    assert etag.of_file(small, 5) == hashlib.md5(b"small").hexdigest()
    small.write_bytes(b"")
    assert etag.of_file(small, 0) == hashlib.md5(b"").hexdigest()


@pytest.mark.parametrize(
    "told",
    ["", "0" * 32, f"{'0' * 32}-3", "not-an-etag", f"{'0' * 32}-0", f"{'0' * 32}-99999"],
)
def test_what_is_not_known_to_be_the_file(told: str, large: Path) -> None:
    assert not etag.matches(told, large, SIZE)


def test_one_byte_that_differs(large: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    content = bytearray(large.read_bytes())
    content[SIZE // 2] ^= 1
    other.write_bytes(content)
    assert not etag.matches(etag.of_file(large, SIZE), other, SIZE)


@pytest.mark.parametrize(
    ("tag", "each", "tells"),
    [
        ("0" * 32 + "-5", 5, True),
        ("0" * 32 + "-3", 8, True),
        ("0" * 32 + "-17", 8, False),  # of parts that nobody's have the size of: in ours
        ("0" * 32, 8, True),
        ("0" * 32 + "-1", 8, True),
        ("no-3", 8, False),
        ("", 8, False),
    ],
)
def test_an_object_comes_in_the_parts_that_it_was_put_in(tag: str, each: int, tells: bool) -> None:
    assert etag.cut(tag, SIZE) == etag.parts(SIZE, each * MIB)
    assert etag.tells(tag, SIZE) is tells


def test_a_checksum_of_parts_is_that_of_their_checksums(large: Path) -> None:
    """As S3 defines it, for MD5 and for CRC-32."""
    content, pieces = large.read_bytes(), etag.parts(SIZE, 8 * MIB)
    each = [zlib.crc32(content[part.offset : part.offset + part.length]) for part in pieces]
    whole = zlib.crc32(b"".join(sum_.to_bytes(4, "big") for sum_ in each))
    sums = checksum.of_parts(large, pieces, checksum.md5, checksum.Crc32)
    assert checksum.joined([crc for _, crc in sums], checksum.Crc32) == f"{whole:08x}-3"
    assert checksum.joined([md5 for md5, _ in sums], checksum.md5) == by_definition(content, 8 * MIB)
