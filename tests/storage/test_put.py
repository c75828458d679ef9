"""byok8s put and rm: files of a folder in the bucket, whole, once, and never over another; and removed again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bucket_place import Place
from byok8s import s3
from byok8s.locks.owner import LockOwner, encode
from counting_proxy import Counter
from folders import write_files
from s3_faults import Fault, failing
from snakemake_storage_plugin_byok8s.tree import mark

HERE = {
    "reads/a.fq": "reads\n",
    "reads/deep/b ä+#.fq": "more\n",
    "reads/.byok8s/x": "ours",
    "sheet.tsv": "a\tb\n",
    "empty": "",
}


@pytest.fixture
def place(client: s3.S3Client, server: s3.EmbeddedS3, counter: Counter, tmp_path: Path) -> Place:
    made = Place(client, server.credentials, counter, tmp_path)
    write_files(tmp_path, HERE)
    return made


def content(place: Place, path: str) -> str:
    return place.client.get_object(Bucket="local", Key=f"{place.prefix}/{path}")["Body"].read().decode()


def paths(place: Place) -> set[str]:
    return {line.split("  ", 2)[2] for line in place.run("ls").splitlines()}


def test_little_is_asked_before_the_first_file(place: Place) -> None:
    """Each is a round trip to a server that is far away; more connections than of one client and of the files, too."""
    place.run("put", "sheet.tsv")
    of_lock = [f"{way} /local/{place.prefix}/.byok8s/lock" for way in ("GET", "PUT", "PUT", "GET")]
    asked = [f"LIST /local/{place.prefix}/", *of_lock, f"LIST /local/{place.prefix}/sheet.tsv"]
    file = f"PUT /local/{place.prefix}/sheet.tsv"
    assert place.proxy.requests[: place.proxy.requests.index(file)] == asked
    assert place.proxy.connections == 2


def test_files_and_folders_are_put_at_their_paths_and_once(place: Place) -> None:
    before = paths(place)
    assert "Put: 3 files, 15 bytes." in place.run("put", "reads", "./sheet.tsv", "reads/a.fq")
    put = {"reads/a.fq", "reads/deep/b ä+#.fq", "sheet.tsv"}
    assert paths(place) - before == put
    assert {path: content(place, path) for path in put} == {path: HERE[path] for path in put}
    place.proxy.requests.clear()
    assert "Put: 0 files, 0 bytes; 3 there already." in place.run("put", "reads", "sheet.tsv")
    assert [request for request in place.proxy.of("PUT") if not request.endswith("/.byok8s/lock")] == []
    left = place.client.list_objects_v2(Bucket="local", Prefix=f"{place.prefix}/reads/").get("Contents", [])
    assert len(left) == 2  # and no mark of what is unfinished


def test_what_differs_is_put_only_with_a_word(place: Place) -> None:
    write_files(place.folder, {"out/a.txt": "mine\n", "out/new.txt": "new\n"})
    said = place.run("put", "out", expect=2)
    assert "1 file, 4 bytes, in the bucket with another content: out/a.txt." in said
    assert (content(place, "out/a.txt"), "out/new.txt" in paths(place)) == ("one\n", False)
    place.run("put", "--replace", "out")
    assert (content(place, "out/a.txt"), content(place, "out/new.txt")) == ("mine\n", "new\n")
    assert content(place, "out/b.txt") == "two\n"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("none", "There is no none."),
        ("../elsewhere", "is not in this folder"),
        ("/etc/hostname", "is not in this folder"),
        ("loop", "has a link to a folder that it is in"),
        ("broken", "There is no broken"),
    ],
)
def test_what_has_no_place_in_the_bucket_is_refused(path: str, words: str, place: Place) -> None:
    (place.folder / "loop").mkdir()
    (place.folder / "loop/again").symlink_to(place.folder / "loop")
    (place.folder / "broken").symlink_to("nothing")
    said = place.run("put", "sheet.tsv", path, expect=2)
    assert words in " ".join(said.split())
    assert "sheet.tsv" not in paths(place)


def test_a_folder_of_which_not_all_is_there_counts_as_missing(place: Place, server: s3.EmbeddedS3) -> None:
    marked = mark(f"{place.prefix}/reads")

    def keys() -> set[str]:
        listed = place.client.list_objects_v2(Bucket="local", Prefix=f"{place.prefix}/reads/")
        return {each["Key"] for each in listed.get("Contents", [])}

    with failing(
        server.endpoint_url, Fault(403, "AccessDenied", methods=("PUT",), path="/a.fq", everybody=True)
    ) as url:
        said = place.run("put", "reads", "--s3-endpoint-url", url, expect=3)
    assert "A file cannot be put into the bucket." in said
    assert marked in keys()
    place.run("put", "reads")
    assert keys() == {f"{place.prefix}/reads/a.fq", f"{place.prefix}/reads/deep/b ä+#.fq"}


def test_nothing_is_changed_under_a_run(place: Place) -> None:
    now = datetime.now(UTC)
    holder = LockOwner(1, "another-host", "ann", "/flow", now, now, run="r-1")
    place.client.put_object(Bucket="local", Key=f"{place.prefix}/.byok8s/lock", Body=encode(holder))
    for command in (["put", "sheet.tsv"], ["rm", "--yes", "out"]):
        said = place.run(*command, expect=3)
        assert "Another run uses" in said
        assert "run r-1" in said
        assert "--ignore-lock" not in said
    assert "out/a.txt" in paths(place)
    assert "sheet.tsv" not in paths(place)


def test_what_is_named_is_removed_and_nothing_else(place: Place) -> None:
    before = paths(place)
    said = place.run("rm", "out/deep", "empty", expect=2)
    assert "there is no terminal to ask on" in said
    assert "out/deep/er/c.txt" in place.run("rm", "-n", "out/deep")
    assert paths(place) == before
    assert "Removed: 3 files, 11 bytes." in place.run("rm", "-y", "out/deep", "empty")
    assert before - paths(place) == {"out/deep/c.txt", "out/deep/er/c.txt", "empty"}
    for pattern in ("*nothing*", ".byok8s", "../*"):
        assert "Nothing in the bucket is named by" in place.run("rm", "-y", pattern, expect=2)
    keys = place.client.list_objects_v2(Bucket="local", Prefix=place.prefix).get("Contents", [])
    assert {f"{place.prefix}-other/out/a.txt", f"{place.prefix}/.byok8s/runs/1/log"} <= {
        key["Key"] for key in keys
    }
