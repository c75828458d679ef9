"""Transfers that are killed at random moments and started again: equal byte for byte, and nothing moved twice."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from bucket_place import Place
from snakemake_storage_plugin_byok8s.checksum import MIB

if TYPE_CHECKING:
    from byok8s import s3
    from counting_proxy import Counter

KILLS = 5  # of each way
SMALL = 15
PART = 5 * MIB  # the least that S3 takes
LARGE = {"large": 5 * PART + 12_345, "deep/larger": 6 * PART}
# the real program, with parts that are smaller, so that there are many
PROGRAM = (
    "from snakemake_storage_plugin_byok8s import etag; etag.PART_BYTES = 5 << 20; import byok8s.__main__"
)
Piece = tuple[str, str]


@pytest.fixture
def place(client: s3.S3Client, server: s3.EmbeddedS3, counter: Counter, tmp_path: Path) -> Place:
    return Place(client, server.credentials, counter, tmp_path)


@pytest.fixture
def files() -> dict[str, bytes]:
    chance = random.Random(14)
    small = {f"small/{number}": chance.randbytes(1000) for number in range(SMALL)}
    return {**small, **{name: chance.randbytes(size) for name, size in LARGE.items()}}


def slowly(_: str, body: bytes) -> bytes:
    time.sleep(0.05)
    return body


def started(place: Place, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.Popen(command, cwd=place.folder, env=dict(place.environment))


def _is_time(now: set[Piece], there: set[Piece], moment: int, *, of_parts: bool) -> bool:
    """Return whether so much has come since. of_parts: a part of a large file is to be among it."""
    return len(now - there) >= moment and (not of_parts or any(part for _, part in now))


def killed_again_and_again(place: Place, whole: Callable[[], set[Piece]], *arguments: str) -> None:
    """Run it, kill it when some more has come, and so on; then let it end. whole: what need not be moved any more."""
    chance, found = random.Random(arguments[0]), set[Piece]()
    for number in range(KILLS + 1):
        found |= (there := whole())
        place.proxy.pieces.clear()
        run = started(place, *arguments)
        if number < KILLS:
            moment = chance.randint(0, 4)
            while run.poll() is None and not _is_time(whole(), there, moment, of_parts=number == 0):
                time.sleep(0.02)
            time.sleep(chance.random() * 0.1)
            run.kill()
            run.wait()
            time.sleep(0.2)  # what is on its way yet arrives
        else:
            assert run.wait() == 0
        assert not there & set(place.proxy.pieces)
    # before the kills files and parts of files had come, or this proves nothing
    assert {bool(part) for _, part in found} == {True, False}


def test_an_upload_and_a_download(place: Place, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = place.folder / "up" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    place.proxy.change = slowly

    def in_the_bucket() -> set[Piece]:
        under = {"Bucket": "local", "Prefix": f"{place.prefix}/up/"}
        listed = place.client.list_objects_v2(**under).get("Contents", [])
        found = {(f"PUT /local/{each['Key']}", "") for each in listed if "/.byok8s/" not in each["Key"]}
        pages = place.client.get_paginator("list_multipart_uploads").paginate(**under)
        for upload in [each for page in pages for each in page.get("Uploads", ())]:
            at = {"Bucket": "local", "Key": upload["Key"], "UploadId": upload["UploadId"]}
            with suppress(ClientError):  # it is complete by now
                parts = place.client.list_parts(**at).get("Parts", ())  # type: ignore[attr-defined]
                found |= {(f"PUT /local/{upload['Key']}", str(part["PartNumber"])) for part in parts}
        return found

    killed_again_and_again(place, in_the_bucket, "put", "up")
    assert not [part for _, part in in_the_bucket() if part]

    def here() -> set[Piece]:
        top = place.folder / "down/up"
        # os.walk, as folders vanish meanwhile
        there = [Path(folder, name) for folder, _, names in os.walk(top) for name in names]
        found = {(f"GET /local/{place.prefix}/up/{path.relative_to(top)}", "") for path in there}
        for notes in (path for path in there if ".byok8s-half-" in path.parent.name and path.name == "parts"):
            (name,) = (name for name in LARGE if (top / name).parent == notes.parents[1])
            with suppress(FileNotFoundError):
                for number in map(int, notes.read_text().split()):
                    begin = (number - 1) * PART
                    end = min(begin + PART, LARGE[name]) - 1
                    found.add((f"GET /local/{place.prefix}/up/{name}", f"bytes={begin}-{end}"))
        return {(request, part) for request, part in found if ".byok8s-" not in request}

    killed_again_and_again(place, here, "get", "up", "-d", "down")
    down = place.folder / "down/up"
    for half in down.rglob(".byok8s-*"):
        os.utime(half, (0, 0))
    place.run("get", "up", "-d", "down")  # which removes what a kill has left a while ago
    there = {path: path.read_bytes() for path in down.rglob("*") if path.is_file()}
    assert there == {down / name: content for name, content in files.items()}


def test_what_came_of_another_content_does_not_count(place: Place) -> None:
    chance = random.Random(1)
    first, second = (chance.randbytes(20 * MIB) for _ in range(2))
    key = f"{place.prefix}/large"
    place.client.put_object(Bucket="local", Key=key, Body=first)
    place.proxy.change = slowly
    run = started(place, "get", "large")
    while not [notes for notes in place.folder.glob(".byok8s-half-*/parts") if notes.stat().st_size]:
        assert run.poll() is None
        time.sleep(0.002)
    run.kill()
    run.wait()
    place.client.put_object(Bucket="local", Key=key, Body=second)
    place.run("get", "large")
    assert (place.folder / "large").read_bytes() == second
    assert not [*place.folder.glob(".byok8s-*")]


def test_an_object_that_is_replaced_while_it_is_fetched(place: Place) -> None:
    key = f"{place.prefix}/large"
    place.client.put_object(Bucket="local", Key=key, Body=bytes(20 * MIB))

    def replace(request: str, body: bytes) -> bytes:
        if request.startswith("GET"):
            place.client.put_object(Bucket="local", Key=key, Body=bytes(20 * MIB - 1))
        return body

    place.proxy.change = replace
    said = place.run("get", "large", expect=3)
    assert "large was changed in the bucket meanwhile: start again." in " ".join(said.split())
    assert "large" not in place.here()
