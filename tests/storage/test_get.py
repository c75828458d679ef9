"""byok8s ls and get: what is in the bucket, here; whole, once, and never over what is the user's."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from bucket_place import FILES, Place
from folders import run_in, write_files
from snakemake_storage_plugin_byok8s.halves import half_of
from snakemake_storage_plugin_byok8s.send import CRC

if TYPE_CHECKING:
    from pathlib import Path

    from byok8s import s3
    from counting_proxy import Counter


def put_in_parts(place: Place, content: bytes, each: int, **more: Any) -> None:
    at: dict[str, Any] = {"Bucket": "local", "Key": f"{place.prefix}/large"}
    upload = place.client.create_multipart_upload(**at, **more)["UploadId"]
    parts = [
        {
            "PartNumber": number,
            "ETag": place.client.upload_part(
                **at, UploadId=upload, PartNumber=number, Body=content[begin : begin + each]
            )["ETag"],
        }
        for number, begin in enumerate(range(0, len(content), each), start=1)
    ]
    place.client.complete_multipart_upload(**at, UploadId=upload, MultipartUpload={"Parts": parts})


def crc_of(content: bytes) -> str:
    """By definition: of parts of 8 MiB."""
    sums = [zlib.crc32(content[begin : begin + (8 << 20)]) for begin in range(0, len(content), 8 << 20)]
    return f"{zlib.crc32(b''.join(each.to_bytes(4, 'big') for each in sums)):08x}-{len(sums)}"


LARGE = bytes(range(256)) * (80 * 1024)


@pytest.fixture
def place(client: s3.S3Client, server: s3.EmbeddedS3, counter: Counter, tmp_path: Path) -> Place:
    return Place(client, server.credentials, counter, tmp_path)


def test_ls_has_what_is_the_workflows(place: Place) -> None:
    lines = place.run("ls").splitlines()
    names = [name for name in FILES if not name.startswith(".byok8s")]
    assert [line.split("  ", 2)[2] for line in lines] == sorted(names)
    assert lines[sorted(names).index("out/a.txt")].split()[0] == "4"


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("out", {"out/a.txt", "out/b.txt", "out/deep/c.txt", "out/deep/er/c.txt"}),
        ("./out/", {"out/a.txt", "out/b.txt", "out/deep/c.txt", "out/deep/er/c.txt"}),
        ("out/*.txt", {"out/a.txt", "out/b.txt"}),
        ("out/?.txt", {"out/a.txt", "out/b.txt"}),
        ("**/c.txt", {"out/deep/c.txt", "out/deep/er/c.txt"}),
        ("out.txt", {"out.txt"}),
        ("with a blank/ä+#?%41", {"with a blank/ä+#?%41"}),
        (".hidden", {".hidden"}),
        ("empty", {"empty"}),
    ],
)
def test_get_what_a_pattern_names(pattern: str, found: set[str], place: Place) -> None:
    place.run("get", pattern)
    assert place.here() == {name: FILES[name] for name in found}


def test_the_bucket_is_listed_once_before_the_first_file(place: Place) -> None:
    place.run("get", "out/a.txt")
    listed, file = f"LIST /local/{place.prefix}/out/a.txt", f"GET /local/{place.prefix}/out/a.txt"
    assert place.proxy.requests == [listed, file]


def test_several_patterns_and_another_folder(place: Place) -> None:
    said = place.run("get", "out/a.txt", "**/c.txt", "out/a.txt", "-d", "there/new")
    assert "Fetched: 3 files, 15 bytes." in said
    assert set(place.here("there/new")) == {"out/a.txt", "out/deep/c.txt", "out/deep/er/c.txt"}


def test_what_is_here_is_not_fetched_again(place: Place) -> None:
    place.run("get", "out")
    assert len(place.gets()) == 4
    assert "Fetched: 0 files, 0 bytes; 4 here already." in place.run("get", "out")
    assert place.gets() == []
    place.put("out/b.txt", "neu\n")  # of the same size
    assert "Fetched: 1 file, 4 bytes; 3 here already." in place.run("get", "out")
    assert len(place.gets()) == 1
    assert place.here()["out/b.txt"] == "neu\n"


def test_a_file_of_the_users_is_not_replaced_without_a_word(place: Place) -> None:
    write_files(place.folder, {"out/a.txt": "own\n", "out/b.txt": "two\n"})
    said = " ".join(place.run("get", "out", expect=2).split())
    assert "1 file, 4 bytes, is here with another content: out/a.txt." in said
    assert "--replace fetches it all the same" in said
    assert set(place.here()) == {"out/a.txt", "out/b.txt"}
    assert place.here()["out/a.txt"] == "own\n"
    place.run("get", "out", "--replace")
    assert place.here()["out/a.txt"] == "one\n"
    (place.folder / "out/a.txt").write_text("eno\n")  # what was fetched, and then changed
    place.put("out/a.txt", "new\n")
    place.run("get", "out", expect=2)
    assert place.here()["out/a.txt"] == "eno\n"


def test_a_pattern_that_names_nothing(place: Place) -> None:
    said = place.run("get", "out/a.txt", "no/such", expect=2)
    assert "Nothing in the bucket is named by 'no/such'." in said
    assert place.here() == {}


def test_a_folder_that_may_not_be_written_to(place: Place) -> None:
    (place.folder / "file").write_text("")
    said = place.run("get", "out", "-d", "file", expect=2)
    assert "cannot be written" in " ".join(said.split())


@pytest.mark.parametrize("how", ["flipped", "cut"])
def test_bytes_that_are_changed_on_the_way_are_fetched_again(how: str, place: Place) -> None:
    changed: list[str] = []

    def change(request: str, body: bytes) -> bytes:
        if not request.startswith("GET") or len(changed) > 1:
            return body
        changed.append(request)
        return b"X" + body[1:] if how == "flipped" else body[1:]

    place.proxy.change_answer = change
    place.run("get", "out/a.txt")
    assert place.here() == {"out/a.txt": "one\n"}
    assert len(changed) == 2
    changed.clear()
    place.proxy.change_answer = lambda request, body: b"X" + body[1:] if request.startswith("GET") else body
    said = place.run("get", "out/b.txt", expect=3)
    assert "out/b.txt does not come as it is in the bucket, 3 times." in said
    assert set(place.here()) == {"out/a.txt"}


@pytest.mark.parametrize("part_mib", [8, 9])
def test_a_large_file_of_which_a_byte_is_changed_on_the_way(part_mib: int, place: Place) -> None:
    """Put in parts, of a usual size and of one that nobody has: then its ETag tells nothing."""
    put_in_parts(place, LARGE, part_mib << 20)
    changed: list[str] = []

    def flip(request: str, body: bytes) -> bytes:
        if not request.startswith("GET") or changed:
            return body
        changed.append(request)
        return b"X" + body[1:]

    place.proxy.change_answer = flip
    place.run("get", "large")
    assert changed
    assert (place.folder / "large").read_bytes() == LARGE


@pytest.mark.parametrize("flipped", [False, True])
def test_the_checksum_that_byok8s_notes_suffices(flipped: bool, place: Place) -> None:
    """In parts that nobody has, so that the ETag tells nothing: without the checksum the same would come twice."""
    put_in_parts(place, LARGE, 9 << 20, Metadata={CRC: crc_of(LARGE)})
    changed: list[str] = []

    def flip(request: str, body: bytes) -> bytes:
        if not flipped or not request.startswith("GET") or changed:
            return body
        changed.append(request)
        return body[:-1] + b"X"

    place.proxy.change_answer = flip
    place.run("get", "large")
    assert (place.folder / "large").read_bytes() == LARGE
    assert len(place.proxy.of("HEAD")) == len(changed)
    assert len(place.gets()) == 3 * (1 + len(changed))


def test_a_checksum_that_is_not_the_objects_keeps_nobody_from_it(place: Place) -> None:
    put_in_parts(place, LARGE, 8 << 20, Metadata={CRC: crc_of(b"another")})
    place.run("get", "large")
    assert (place.folder / "large").read_bytes() == LARGE
    assert len(place.gets()) == 3


@pytest.mark.parametrize("size", [5, 3 << 20, len(LARGE)], ids=["at once", "as it is read", "by parts"])
def test_what_byok8s_has_put_is_told_by_its_checksum(size: int, place: Place) -> None:
    content, changed = LARGE[:size], list[str]()
    (place.folder / "up").write_bytes(content)
    place.run("put", "up")
    head = place.client.head_object(Bucket="local", Key=f"{place.prefix}/up")  # type: ignore[attr-defined]
    assert head["Metadata"][CRC] == crc_of(content)

    def flip(request: str, body: bytes) -> bytes:
        if not request.startswith("GET") or "up" not in request or changed:
            return body
        changed.append(request)
        return body[:-1] + b"X"

    place.proxy.change_answer = flip
    place.run("get", "up", "-d", "back")
    assert (place.folder / "back/up").read_bytes() == content
    assert changed


@pytest.mark.parametrize("noted", [{}, {CRC: crc_of(LARGE)}], ids=["etag", "crc"])
def test_a_part_that_a_kill_has_left_and_that_was_changed_since(noted: dict[str, str], place: Place) -> None:
    put_in_parts(place, LARGE, 8 << 20, Metadata=noted)
    (entry,) = (
        each
        for each in place.client.list_objects_v2(Bucket="local", Prefix=f"{place.prefix}/large")["Contents"]
    )
    tag = entry["ETag"].strip('"')
    content = f"s3://local/{entry['Key']} {tag} {len(LARGE)}"
    with suppress(KeyboardInterrupt), half_of(place.folder / "large", content) as half:
        half.write(b"X" + LARGE[1 : 8 << 20], 0)
        half.note(1)
        raise KeyboardInterrupt
    assert [*place.folder.glob(".byok8s-half-*")]
    place.run("get", "large")
    assert (place.folder / "large").read_bytes() == LARGE
    assert len(place.gets()) == 2 + 3  # the other parts, and then all again


def test_killed_while_it_fetches_there_is_no_half_of_a_file(place: Place) -> None:
    for number in range(30):
        place.put(f"many/{number}", f"{number}\n" * 1000)
    run = subprocess.Popen(
        [sys.executable, "-m", "byok8s", "get", "many"], cwd=place.folder, env=place.environment
    )
    while len(place.proxy.of("GET")) < 10:
        assert run.poll() is None
    run.kill()
    run.wait()
    whole = {f"many/{number}": f"{number}\n" * 1000 for number in range(30)}
    there = {name: content for name, content in place.here().items() if "/.byok8s-" not in name}
    assert there.items() <= whole.items()
    for half in (place.folder / "many").glob(".byok8s-*"):
        os.utime(half, (0, 0))
    place.run("get", "many")
    assert place.here() == whole


def test_without_a_bucket_it_is_that_of_the_last_run_here(place: Place) -> None:
    write_files(
        place.folder, {"Snakefile": 'rule a:\n    output: "made.txt"\n    shell: "echo made > {output}"\n'}
    )
    place.run("run", "--local")
    environment = {name: value for name, value in place.environment.items() if not name.startswith("BYOK8S_")}
    run_in(place.folder, [sys.executable, "-m", "byok8s", "get", "made.txt"], environment)
    assert (place.folder / "made.txt").read_text() == "made\n"
    (place.folder / ".byok8s").rename(place.folder / "aside")
    said = run_in(place.folder, [sys.executable, "-m", "byok8s", "ls"], environment, 2)
    assert "No bucket is named, and no run in this folder has used one." in said
