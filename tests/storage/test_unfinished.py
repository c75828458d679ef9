"""Parts of uploads that nobody finishes: removed at a run's end, or by byok8s clean, and no others."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from bucket_place import Place
from byok8s import s3
from byok8s.errors import BucketError
from byok8s.locks.owner import LockOwner, encode
from byok8s.run.uploads import own
from byok8s.s3.unfinished import Unfinished
from folders import write_files

if TYPE_CHECKING:
    from pathlib import Path

    from counting_proxy import Counter

SNAKEFILE = """
rule all:
    input: "large", "made"
rule large:
    input: "in.txt"
    output: "large"
    resources: byok8s_keep="kept/*.idx"
    shell: "truncate -s 60M {output}"
rule made:
    output: directory("made")
    shell: "mkdir {output}; test ! -e fail && touch {output}/x"
"""


@pytest.fixture
def place(client: s3.S3Client, server: s3.EmbeddedS3, counter: Counter, tmp_path: Path) -> Place:
    made = Place(client, server.credentials, counter, tmp_path)
    made.put("in.txt", "in")
    write_files(tmp_path, {"Snakefile": SNAKEFILE, "w.json": '{"workflow_target": "all"}', "p.json": "{}"})
    return made


def begin(place: Place, *names: str) -> None:
    for name in names:
        key = f"{place.prefix}/{name}"
        upload = place.client.create_multipart_upload(Bucket="local", Key=key)["UploadId"]
        place.client.upload_part(Bucket="local", Key=key, UploadId=upload, PartNumber=1, Body=b"x" * 1000)


def left(place: Place) -> set[str]:
    pages = place.client.get_paginator("list_multipart_uploads").paginate(Bucket="local", Prefix=place.prefix)
    return {
        each["Key"].removeprefix(f"{place.prefix}/") for page in pages for each in page.get("Uploads", ())
    }


def test_a_run_that_did_not_go_well_removes_what_its_own_jobs_have_left(place: Place) -> None:
    begin(place, "made/deep/part", "in.txt", "made-by-others", "large.more")
    write_files(place.folder, {"fail": ""})
    place.run("w", "p", "--local", expect=1)
    assert left(place) == {"in.txt", "made-by-others", "large.more"}
    assert [request for request in place.proxy.of("DELETE") if request.endswith("/made/deep/part")]
    (place.folder / "fail").unlink()
    begin(place, "made/part")
    place.run("w", "p", "--local")  # which goes well, and asks for none
    assert "made/part" in left(place)


ENVIRONMENT = ".byok8s/envs/linux-64/1-2.tar.zst"


def run_that_fails(place: Place, *flags: str) -> None:
    """What pods of the run would have left, had there been any, is begun as soon as it holds the prefix."""
    begun = threading.Event()

    def begin_once(request: str, body: bytes) -> bytes:
        if request == f"PUT /local/{place.prefix}/.byok8s/lock" and not begun.is_set():
            begun.set()
            begin(place, ENVIRONMENT, "kept/genome.idx", "kept/other")
        return body

    place.proxy.change = begin_once
    write_files(place.folder, {"fail": ""})
    place.run("w", "p", "--local", *flags, expect=1)
    assert begun.is_set()


def test_what_its_rules_keep_and_its_environments_are_removed_too(place: Place) -> None:
    earlier = {".byok8s/envs/linux-64/3-4.tar.zst", "kept/earlier.idx"}
    begin(place, *earlier)
    time.sleep(3)  # S3 and a run's id tell whole seconds
    run_that_fails(place)
    assert left(place) == earlier | {"kept/other"}


def test_beside_another_run_nobody_knows_whose_they_are(place: Place) -> None:
    run_that_fails(place, "--ignore-lock")
    assert left(place) == {ENVIRONMENT, "kept/genome.idx", "kept/other"}


def test_what_was_begun_after_another_run_took_over_the_prefix_stays(place: Place) -> None:
    found = [Unfinished(key, "id", 5) for key in ("p/out", f"p/{ENVIRONMENT}", "p/kept/a.idx")]
    outputs = [each.key for each in own(found, {"p/out"}, ["kept/*.idx"], "p/", 0)]
    assert outputs == ["p/out"]
    assert own(found, {"p/out"}, ["kept/*.idx"], "p/", 6) == found


def test_a_run_goes_on_after_its_controller_was_killed_in_mid_upload(place: Place) -> None:
    def slowly(_: str, body: bytes) -> bytes:
        time.sleep(0.3 if len(body) > 1_000_000 else 0)
        return body

    place.proxy.change = slowly
    command = [sys.executable, "-m", "byok8s", "w", "p", "--local"]
    run = subprocess.Popen(command, cwd=place.folder, env=dict(place.environment), stdout=subprocess.DEVNULL)
    while "large" not in left(place):
        assert run.poll() is None
        time.sleep(0.05)
    run.kill()
    run.wait()
    assert left(place) == {"large"}
    place.run("w", "p", "--local")
    assert left(place) == set()


def test_clean_removes_what_is_left_once_it_is_agreed(place: Place) -> None:
    begin(place, "large", "a b+é")
    place.client.create_multipart_upload(Bucket="local", Key=f"{place.prefix}-other/large")
    assert "No upload is left unfinished" in place.run("clean", "--uploads", "--yes")  # none is old
    said = place.run("clean", "--uploads", "--all", "--dry-run")
    assert f"1 min  {place.prefix}/a b+é\n" in said
    assert "-other" not in said
    assert "there is no terminal to ask on" in place.run("clean", "--uploads", "--all", expect=2)
    assert left(place) == {"large", "a b+é"} | {f"{place.prefix}-other/large"}
    place.run("clean", "--uploads", "--all", "--yes")
    assert left(place) == {f"{place.prefix}-other/large"}


def test_clean_spares_what_a_run_at_work_may_upload(place: Place) -> None:
    begin(place, "large")
    now = datetime.now(UTC)
    holder = LockOwner(1, "elsewhere", "ada", "/home/ada", started=now, heard=now, run="20260101-000000-aaaa")
    place.put(".byok8s/lock", encode(holder).decode())
    assert "They stay: the bucket is used by run 20260101" in place.run(
        "clean", "--uploads", "--all", "--yes"
    )
    assert left(place) == {"large"}


def test_many_are_listed_by_pages_the_oldest_first_and_removed(
    server: s3.EmbeddedS3, monkeypatch: pytest.MonkeyPatch, place: Place
) -> None:
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    bucket = s3.Bucket("local", place.prefix, server.endpoint_url)
    begin(place, "first")
    time.sleep(1.1)  # S3 tells whole seconds
    begin(place, *(f"many/{number}" for number in range(30)))
    found = s3.unfinished(bucket)
    assert found[0].key == f"{place.prefix}/first"
    assert len(found) == 31
    s3.abort(bucket, found)
    s3.abort(bucket, found)  # what is gone meanwhile counts as removed
    assert s3.unfinished(bucket) == []


def test_who_may_not_remove_them_is_told_which_right_that_takes(
    server: s3.EmbeddedS3, reader: s3.Credentials, monkeypatch: pytest.MonkeyPatch, place: Place
) -> None:
    begin(place, "large")
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    bucket = s3.Bucket("local", place.prefix, server.endpoint_url)
    found = s3.unfinished(bucket)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", reader.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", reader.secret_key)
    with pytest.raises(BucketError) as refused:
        s3.abort(bucket, found)
    assert "s3:AbortMultipartUpload" in refused.value.hint


def test_files_are_told_from_what_begins_like_them() -> None:
    found = [Unfinished(key, "id", 1) for key in ("p/a", "p/ab", "p/dir/x", "p/dir/deep/x", "p/direct", "x")]
    chosen = s3.of_files(found, {"p/a", "p/dir"})
    assert [each.key for each in chosen] == ["p/a", "p/dir/x", "p/dir/deep/x"]
