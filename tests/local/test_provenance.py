"""What a run in another folder runs again: what plain Snakemake does on one machine, by the bucket's records."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from conformance.place import Place, Shelf
from counting_proxy import counting
from edited_dags import edited, some_dag, written
from folders import run_in, write_files

pytestmark = pytest.mark.timeout(300)
DAGS = int(os.environ.get("BYOK8S_TEST_RANDOM", "12"))
SEED = int(os.environ.get("BYOK8S_TEST_SEED", "20261128"))
SNAKEFILE = """
rule all:
    input: expand("out/{i}.txt", i=range(config["n"]))
rule out:
    output: "out/{i}.txt"
    params: p=config["p"]
    shell: "echo {params.p} > {output}"
"""


@dataclass(frozen=True)
class Bucket:
    """A prefix for one test. top: of the folders in which it is used."""

    place: Place
    shelf: Shelf
    top: Path

    def run(
        self,
        folder: str,
        *arguments: str,
        files: dict[str, str] | None = None,
        expect: int = 0,
        url: str | None = None,
    ) -> str:
        """Run the workflow in a folder, and return what it prints. url: another address of the server."""
        write_files(self.top / folder, files or {})
        environment = os.environ | dict(self.place.environment)
        if url:
            environment["BYOK8S_S3_ENDPOINT_URL"] = url
        return run_in(self.top / folder, [*self.command, *arguments], environment, expect)

    @property
    def command(self) -> list[str]:
        place = f"--s3-bucket={self.shelf.bucket.name}/{self.shelf.bucket.prefix}"
        return [sys.executable, "-m", "byok8s", "w", "p", "--local", "-j2", "--upload", "replace", place]

    def contents(self) -> dict[str, str]:
        """Return the outputs, by their paths."""
        return {key: self.shelf.get(key).decode() for key in self.shelf.all_keys() if "in" not in key}

    def records(self) -> list[str]:
        """Return the names of the objects with records."""
        under = f"{self.shelf.bucket.prefix}/.byok8s/records/"
        pages = self.shelf.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.shelf.bucket.name, Prefix=under
        )
        return [each["Key"].removeprefix(under) for page in pages for each in page.get("Contents", [])]

    def forget_records(self) -> None:
        """Have the bucket as it was before there were records."""
        for name in self.records():
            key = f"{self.shelf.bucket.prefix}/.byok8s/records/{name}"
            self.shelf.client.delete_object(Bucket=self.shelf.bucket.name, Key=key)


@pytest.fixture
def bucket(place: Place, tmp_path: Path) -> Bucket:
    return Bucket(place, place.shelf(f"provenance/{uuid.uuid4().hex}"), tmp_path)


def workflow(p: int, n: int = 1) -> dict[str, str]:
    params = json.dumps({"p": p, "n": n})
    return {"Snakefile": SNAKEFILE, "w.json": '{"workflow_target": "all"}', "p.json": params}


def plain(folder: Path, files: dict[str, str]) -> dict[str, str]:
    """Run plain Snakemake on one machine, where only the files that have changed are written; return the outputs."""
    changed = {
        name: text
        for name, text in files.items()
        if not (folder / name).is_file() or (folder / name).read_text() != text
    }
    write_files(folder, changed)
    run_in(folder, [sys.executable, "-m", "snakemake", "--cores", "2"], os.environ)
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.glob("d*/*.txt")
        if not path.name.startswith("in")
    }


def made_again(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name, text in after.items() if before.get(name) != text}


def values(outputs: dict[str, str]) -> dict[str, list[str]]:
    return {name: text.splitlines()[1:] for name, text in outputs.items()}


@pytest.mark.timeout(60 * DAGS + 120)
def test_the_same_jobs_run_again_as_on_one_machine(bucket: Bucket, tmp_path: Path) -> None:
    random = Random(SEED)
    dags = {f"d{number}": some_dag(random) for number in range(DAGS)}
    ours: dict[str, str] = {}
    home: dict[str, str] = {}
    for folder in ("a", "b", "a"):
        files = written(dags)
        bucket.run(folder, files=files)
        now_ours, now_home = bucket.contents(), plain(tmp_path / "home", files)
        assert values(now_ours) == values(now_home), "stale"
        again = made_again(home, now_home)
        print(f"in {folder}: {len(again)} of {len(now_home)} made")
        assert made_again(ours, now_ours) == again
        ours, home = now_ours, now_home
        dags = {name: edited(dag, random) for name, dag in dags.items()}


def test_a_dry_run_knows_and_writes_nothing(bucket: Bucket) -> None:
    bucket.run("a", files=workflow(1))
    records = bucket.records()
    said = bucket.run("b", "-n", files=workflow(2))
    assert "Params have changed since last execution" in said
    assert "Nothing to be done" in bucket.run("b", "-n", files=workflow(1))
    assert bucket.records() == records
    assert not (bucket.top / "b/.byok8s").exists()
    assert not list((bucket.top / "b").glob(".snakemake/metadata/*"))


def test_the_former_folders_own_records_do_not_speak_for_what_another_has_made(bucket: Bucket) -> None:
    bucket.run("a", files=workflow(1))
    bucket.run("b", files=workflow(2))
    bucket.run("a", files=workflow(1))
    assert bucket.contents() == {"out/0.txt": "1\n"}


def test_a_folder_from_before_there_were_records_is_honoured(bucket: Bucket) -> None:
    bucket.run("a", files=workflow(1))
    bucket.forget_records()
    assert "Nothing to be done" in bucket.run("b", files=workflow(2))  # nobody knows better
    assert "Nothing to be done" in bucket.run("a", files=workflow(1))
    bucket.run("b", files=workflow(2))
    assert bucket.contents() == {"out/0.txt": "2\n"}


def test_a_checkout_makes_no_script_new_and_hides_no_change(bucket: Bucket) -> None:
    files = workflow(1) | {
        "Snakefile": 'rule all:\n    output: "out.txt"\n    script: "make.py"\n',
        "make.py": "open(snakemake.output[0], 'w').write('first')",
    }
    bucket.run("a", files=files)
    assert "Nothing to be done" in bucket.run("b", files=files)
    other = files | {"make.py": "open(snakemake.output[0], 'w').write('second')"}
    write_files(bucket.top / "c", other)
    os.utime(bucket.top / "c/make.py", (1e9, 1e9))  # as rsync leaves it
    bucket.run("c")
    assert bucket.contents() == {"out.txt": "second"}


def test_damaged_records_are_said_and_end_nothing(bucket: Bucket) -> None:
    bucket.run("a", files=workflow(1))
    for name in bucket.records():
        bucket.shelf.put(f".byok8s/records/{name}", b"damaged")
    said = bucket.run("a", files=workflow(2))
    assert said.count("Records of how files were made cannot be read") == 1
    assert bucket.contents() == {"out/0.txt": "2\n"}


def test_a_killed_controller_leaves_nothing_stale(bucket: Bucket) -> None:
    """What it has made is in no record of the bucket, and not what the former records say."""
    slow = {"Snakefile": SNAKEFILE.replace("> {output}", "> {output}; test {wildcards.i} -lt 2 || sleep 60")}
    bucket.run("a", files=workflow(1, n=2))
    write_files(bucket.top / "a", workflow(2, n=3) | slow)
    environment = os.environ | dict(bucket.place.environment)
    started = subprocess.Popen(
        [*bucket.command, "--", "--rerun-triggers", "params"],
        cwd=bucket.top / "a",
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wanted = {"out/0.txt": "2\n", "out/1.txt": "2\n"}
    until = time.monotonic() + 90
    while bucket.contents() != wanted and time.monotonic() < until:
        time.sleep(0.2)
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    assert bucket.contents() == wanted
    said = bucket.run("b", "--ignore-lock", files=workflow(1, n=2))
    assert bucket.contents() == {"out/0.txt": "1\n", "out/1.txt": "1\n"}, said


def test_files_cost_no_request_each(bucket: Bucket) -> None:
    """Records are sent every 20 s, however many; a slow machine needs more of that."""
    files = 40
    with counting(bucket.shelf.bucket.endpoint_url or "") as counter:
        bucket.run("a", files=workflow(1, files), url=counter.url)
    asked = [each.split()[0] for each in counter.requests if "/.byok8s/records" in each]
    assert asked[:2] == ["LIST", "PUT"]
    assert len(asked) < files
