"""Inputs that are in the user's folder and not in the bucket: uploaded once somebody has agreed, and never twice."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import own_inputs
from byok8s import s3
from byok8s.s3.embedded import embedded_server
from counting_proxy import Counter, counting
from folders import clean_environment, run_in, write_files

FILES = own_inputs.FILES | {"data/never-asked-for.txt": "3\n"}


class Bucket:
    """A prefix of a real S3 server's, by way of a proxy that counts."""

    def __init__(self, client: s3.S3Client, keys: s3.Credentials, proxy: Counter, prefix: str) -> None:
        self._client, self.keys, self.proxy, self.prefix = client, keys, proxy, prefix

    def names(self) -> set[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket="local", Prefix=f"{self.prefix}/"
        )
        found = (
            each["Key"].removeprefix(f"{self.prefix}/") for page in pages for each in page.get("Contents", [])
        )
        return {name for name in found if not name.startswith(".byok8s/")}

    def put(self, name: str, content: str) -> None:
        self._client.put_object(Bucket="local", Key=f"{self.prefix}/{name}", Body=content.encode())

    def get(self, name: str) -> str:
        return self._client.get_object(Bucket="local", Key=f"{self.prefix}/{name}")["Body"].read().decode()

    def sent(self) -> set[str]:
        """Return the names that were put since this was asked last."""
        beginning = f"PUT /local/{self.prefix}/"
        found = {r.removeprefix(beginning) for r in self.proxy.requests if r.startswith(beginning)}
        self.proxy.requests.clear()
        return {name for name in found if not name.startswith(".byok8s/")}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.EmbeddedS3]:
    with embedded_server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
def bucket(server: s3.EmbeddedS3, tmp_path: Path) -> Iterator[Bucket]:
    with counting(server.endpoint_url) as proxy:
        client = s3.connect(server.endpoint_url, server.credentials)
        yield Bucket(client, server.credentials, proxy, tmp_path.name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_files(tmp_path, FILES)
    return tmp_path


def environment(bucket: Bucket) -> Mapping[str, str]:
    return clean_environment() | {
        "AWS_ACCESS_KEY_ID": bucket.keys.access_key,
        "AWS_SECRET_ACCESS_KEY": bucket.keys.secret_key,
        "BYOK8S_S3_ENDPOINT_URL": bucket.proxy.url,
    }


def command(bucket: Bucket, *arguments: str) -> list[str]:
    named = f"--s3-bucket=local/{bucket.prefix}"
    return [sys.executable, "-m", "byok8s", "run", "--local", named, *arguments]


def byok8s(folder: Path, bucket: Bucket, *arguments: str, expect: int = 0) -> str:
    return " ".join(run_in(folder, command(bucket, *arguments), environment(bucket), expect).split())


def at_terminal(folder: Path, bucket: Bucket, answer: str, *arguments: str) -> tuple[int, str]:
    """Run it in a terminal, and answer its question; return its exit code, and all that it has shown."""
    ours, theirs = pty.openpty()
    run = subprocess.Popen(
        command(bucket, *arguments),
        cwd=folder,
        env=environment(bucket),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    said, until = "", time.monotonic() + 60
    with contextlib.suppress(OSError):  # it has ended
        while time.monotonic() < until:
            said += os.read(ours, 4096).decode(errors="replace")
            if answer and "[y/N]" in said:
                os.write(ours, f"{answer}\n".encode())
                answer = ""
    os.close(ours)
    print(said)
    return run.wait(timeout=60), " ".join(said.split())


def assert_made(bucket: Bucket, one: str = "one") -> None:
    assert bucket.get("out/a.txt") == f"{one[0]}\n{one}\n"
    assert bucket.get("out/b.txt") == "t\ntwo\n"
    assert bucket.get("n.txt") == "1\n2\n"


def test_what_the_jobs_need_is_uploaded_and_nothing_else(folder: Path, bucket: Bucket) -> None:
    said = byok8s(folder, bucket, "--upload", "yes")
    assert f"Uploading 3 files, 12 bytes to s3://local/{bucket.prefix}." in said
    assert_made(bucket)
    inputs = {"data/a.txt", "data/b.txt", "data/dir/1", "data/dir/deep/2"}
    assert {name for name in bucket.names() if name.startswith("data/")} == inputs
    assert inputs <= bucket.sent()
    assert "Nothing to be done" in byok8s(folder, bucket)
    assert bucket.sent() == set()


def test_without_a_terminal_and_without_a_word_nothing_is_uploaded(folder: Path, bucket: Bucket) -> None:
    said = byok8s(folder, bucket, expect=2)
    assert "3 files, 12 bytes, are here and not in the bucket: data/a.txt, data/b.txt, data/dir." in said
    assert "--upload yes uploads them." in said
    assert bucket.names() == set()


def test_no_is_said_by_name_of_what_is_missing(folder: Path, bucket: Bucket) -> None:
    said = byok8s(folder, bucket, "--upload", "no", expect=2)
    assert "Missing input files" in said
    files = "data/a.txt, data/b.txt, data/dir"
    assert f"{files}: in your folder, and not in the bucket. --upload yes uploads what is needed." in said
    assert "Missing are" not in said
    assert bucket.names() == set()


LACKING = """
ruleorder: quick > slow
rule all:
    input: expand("made/{i}", i=range(30)), "alone", "data/a.txt", "either", "circle/x"
rule made:
    input: "step/{i}", "shared"
    output: "made/{i}"
    shell: "cat {input} > {output}"
rule step:
    input: "raw/{i}"
    output: "step/{i}"
    shell: "cp {input} {output}"
rule quick:
    input: "nowhere"
    output: "either"
    shell: "cp {input} {output}"
rule slow:
    input: "data/b.txt"
    output: "either"
    shell: "cp {input} {output}"
rule circle:
    input: "circle/{x}.x"
    output: "circle/{x}"
    shell: "cp {input} {output}"
"""


def test_all_that_is_missing_is_said_at_once(folder: Path, bucket: Bucket) -> None:
    (folder / "Snakefile").write_text(LACKING)
    bucket.put("raw/7", "there")
    said = byok8s(folder, bucket, "--upload", "yes", expect=2)
    assert "Missing input files for rule step" in said
    beginning = "raw/0 (rule step) shared (rule made) raw/1 (rule step) raw/2 (rule step) raw/3"
    assert f"Missing are 31 files, which no rule makes: {beginning}" in said
    assert said.rstrip().endswith("raw/19 (rule step) and 11 more")
    assert all(name not in said for name in ("raw/7 ", "data/", "nowhere", "circle"))


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 2), ("", 2)])
def test_in_a_terminal_it_is_asked(answer: str, code: int, folder: Path, bucket: Bucket) -> None:
    found, said = at_terminal(folder, bucket, answer or "\x04")
    assert (
        "3 files, 12 bytes, are here and not in the bucket: data/a.txt, data/b.txt, data/dir. Upload them?"
        in said
    )
    assert found == code
    assert "Traceback" not in said
    if code:
        assert "Nothing was uploaded, and nothing was run." in said
        assert bucket.names() == set()
    else:
        assert_made(bucket)


def test_a_dry_run_says_what_would_be_uploaded(folder: Path, bucket: Bucket) -> None:
    said = byok8s(folder, bucket, "-n")
    assert "Here and not in the bucket: 3 files, 12 bytes (data/a.txt, data/b.txt, data/dir)." in said
    assert "rule one" in said
    assert bucket.names() == set()
    assert not (folder / ".byok8s").exists()


def test_a_file_that_differs_is_not_replaced_without_a_word(folder: Path, bucket: Bucket) -> None:
    byok8s(folder, bucket, "--upload", "yes")
    (folder / "data/a.txt").write_text("uno\n")  # of the same size
    os.utime(folder / "data/a.txt", (0, 0))  # and older than all that was made
    bucket.sent()
    for word in ("ask", "yes"):
        said = byok8s(folder, bucket, "--upload", word, expect=2)
        assert "1 file, 4 bytes, is here and in the bucket with another content: data/a.txt." in said
        assert "--upload replace replaces it. --upload no takes those in the bucket as they are." in said
    assert bucket.sent() == set()
    assert "Nothing to be done" in byok8s(folder, bucket, "--upload", "no")
    said = byok8s(folder, bucket, "--upload", "replace")
    assert bucket.sent() == {"data/a.txt", "out/a.txt"}
    assert_made(bucket, "uno")


def test_a_file_that_somebody_else_has_uploaded_is_not_uploaded_again(folder: Path, bucket: Bucket) -> None:
    """By whatever program: nothing is noted here."""
    for name in ("data/a.txt", "data/b.txt", "data/dir/1", "data/dir/deep/2"):
        bucket.put(name, FILES[name])
    said = byok8s(folder, bucket)
    assert "Uploading" not in said
    assert_made(bucket)
    assert not any(name.startswith("data/") for name in bucket.sent())


def test_a_folder_in_which_a_file_is_another(folder: Path, bucket: Bucket) -> None:
    byok8s(folder, bucket, "--upload", "yes")
    bucket.sent()
    write_files(folder, {"data/dir/3": "3\n"})
    (folder / "data/dir/1").unlink()
    said = byok8s(folder, bucket, expect=2)
    assert "1 folder, 4 bytes, is here and in the bucket with another content: data/dir." in said
    byok8s(folder, bucket, "--upload", "replace")
    assert {name for name in bucket.names() if name.startswith("data/dir")} == {
        "data/dir/deep/2",
        "data/dir/3",
    }
    assert bucket.get("n.txt") == "3\n2\n"
    assert "data/dir/deep/2" not in bucket.sent()


def test_what_a_rule_makes_is_not_taken_from_the_folder(folder: Path, bucket: Bucket) -> None:
    """As left there by a run without byok8s."""
    write_files(folder, {"out/a.txt": "old\n", "n.txt": "old\n"})
    byok8s(folder, bucket, "--upload", "yes")
    assert_made(bucket)
    assert (folder / "out/a.txt").read_text() == "old\n"


def test_what_a_rule_could_make_had_it_its_input_is_taken_from_the_folder(
    folder: Path, bucket: Bucket
) -> None:
    """Plain Snakemake takes what is there, too."""
    download = 'rule download:\n    input: "list/{s}"\n    output: "data/{s}.txt"\n    shell: "exit 1"\n'
    write_files(folder, {"Snakefile": own_inputs.SNAKEFILE + download})
    byok8s(folder, bucket, "--upload", "yes")
    assert_made(bucket)


SHEET = """
SAMPLES = open("sheet.txt").read().split()
rule all:
    input: expand("{s}.made", s=SAMPLES)
rule one:
    input: "sheet.txt"
    output: "{s}.made"
    shell: "cat {input} > {output}"
"""


def test_a_sheet_that_is_read_while_parsing_and_differs(folder: Path, bucket: Bucket) -> None:
    """Of the two one would silently not count."""
    bucket.put("sheet.txt", "a\nb\n")
    write_files(folder, {"Snakefile": SHEET, "sheet.txt": "a\nc\n"})
    said = byok8s(folder, bucket, "--upload", "no", expect=2)
    assert "sheet.txt was read from your folder while the Snakefile was parsed" in said
    said = byok8s(folder, bucket, expect=2)
    assert "1 file, 4 bytes, is here and in the bucket with another content: sheet.txt." in said
    assert bucket.names() == {"sheet.txt"}
    byok8s(folder, bucket, "--upload", "replace")
    assert bucket.get("c.made") == bucket.get("sheet.txt") == "a\nc\n"


MAKES = """
import pathlib
pathlib.Path("list.txt").write_text("listed\\n")
pathlib.Path("old.txt").write_text("old\\n")
rule all:
    input: "out.txt", "old.txt"
rule one:
    input: "list.txt"
    output: "out.txt"
    shell: "cat {input} > {output}"
rule old:
    output: "old.txt"
    shell: "exit 1"
"""


@pytest.mark.parametrize("word", ["ask", "no"])
def test_what_the_snakefile_makes_while_it_is_parsed(word: str, folder: Path, bucket: Bucket) -> None:
    """As without byok8s, also if a rule could make it."""
    write_files(folder, {"Snakefile": MAKES})
    byok8s(folder, bucket, "--upload", word)
    assert bucket.get("out.txt") == "listed\n"
    assert bucket.get("old.txt") == "old\n"


def test_what_a_checkpoint_shows_to_be_needed(folder: Path, bucket: Bucket) -> None:
    write_files(folder, {"Snakefile": own_inputs.CHECKPOINT})
    said = byok8s(folder, bucket, "--upload", "yes")
    assert "Uploading 2 files, 8 bytes" in said
    assert bucket.get("all.txt") == "one\ntwo\n"


def test_what_a_checkpoint_shows_and_nobody_has_agreed_to(folder: Path, bucket: Bucket) -> None:
    """Jobs have run by then: the run fails, in words."""
    write_files(folder, {"Snakefile": own_inputs.CHECKPOINT})
    said = byok8s(folder, bucket, expect=1)
    assert "2 files, 8 bytes, are here and not in the bucket: data/a.txt, data/b.txt." in said
    assert "--upload yes uploads them." in said
    assert not any(name.startswith("data/") for name in bucket.names())


def test_without_a_bucket_inputs_are_simply_there(folder: Path) -> None:
    run = [sys.executable, "-m", "byok8s", "run", "--local"]
    said = run_in(folder, run, clean_environment())
    assert "Uploading" not in said
    assert (folder / ".byok8s/results/out/a.txt").read_text() == "o\none\n"
    (folder / "data/a.txt").write_text("uno\n")
    run_in(folder, run, clean_environment())
    assert (folder / ".byok8s/results/out/a.txt").read_text() == "u\nuno\n"
    assert "Nothing to be done" in run_in(folder, run, clean_environment())


def test_a_file_that_may_not_be_read(folder: Path, bucket: Bucket) -> None:
    (folder / "data/a.txt").unlink()
    (folder / "data/a.txt").symlink_to("/nowhere")
    said = byok8s(folder, bucket, "--upload", "yes", expect=2)
    assert "Missing input files" in said
    assert bucket.names() == set()


LOOKED_AT = """
rule all:
    input: "data/large.txt"
    output: "size.txt"
    params: first=lambda wildcards, input: open(input[0]).readline().strip()
    shell: "echo {params.first} > {output}; echo changed >> {input}"
"""


def test_a_large_input_that_is_looked_at_while_planning(folder: Path, bucket: Bucket) -> None:
    """It is here: it need not be fetched. And what a job writes to it is not written to the user's."""
    write_files(folder, {"Snakefile": LOOKED_AT, "data/large.txt": "first\n" + "x" * 60_000_000})
    byok8s(folder, bucket, "--upload", "yes")
    assert bucket.get("size.txt") == "first\n"
    assert (folder / "data/large.txt").stat().st_size == 60_000_006
    assert not (folder / "data/large.txt").is_symlink()


def test_a_link_is_followed(folder: Path, bucket: Bucket, tmp_path_factory: pytest.TempPathFactory) -> None:
    """To a disk for large files, as many have one."""
    elsewhere = tmp_path_factory.mktemp("disk")
    write_files(elsewhere, {"a.txt": "one\n"})
    (folder / "data/a.txt").unlink()
    (folder / "data/a.txt").symlink_to(elsewhere / "a.txt")
    byok8s(folder, bucket, "--upload", "yes")
    assert_made(bucket)
    assert (folder / "data/a.txt").is_symlink()


def test_the_workflow_file_may_say_it_as_yaml_has_it(folder: Path, bucket: Bucket) -> None:
    write_files(folder, {"w.yaml": "upload: yes\n"})
    byok8s(folder, bucket, "w", "-")
    assert_made(bucket)


def test_killed_while_it_uploads_it_goes_on(folder: Path, bucket: Bucket) -> None:
    """At any moment: what is whole in the bucket is not sent again."""
    for number in range(40):
        write_files(folder, {f"data/dir/many/{number}": f"{number}\n"})
    slow = subprocess.Popen(
        command(bucket, "--upload", "yes"), cwd=folder, env=environment(bucket), stdout=subprocess.DEVNULL
    )

    def slowly(_: str, body: bytes) -> bytes:
        time.sleep(0.05)
        return body

    bucket.proxy.change = slowly
    while len([r for r in bucket.proxy.requests if "/data/dir/many/" in r]) < 20:
        assert slow.poll() is None
        time.sleep(0.01)
    slow.kill()
    slow.wait()
    bucket.proxy.change = lambda _, body: body
    there = bucket.names()
    bucket.sent()
    assert 0 < len(there) < 44
    byok8s(folder, bucket, "--upload", "yes")
    again = bucket.sent() & there
    assert {name for name in again if name.startswith("data/")} <= {"data/dir/.byok8s/unfinished"}
    assert bucket.get("out/a.txt") == "o\none\n"
    assert len(bucket.get("n.txt").splitlines()) == 42
