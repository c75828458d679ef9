"""What Snakemake's planning costs in requests, on real Snakefiles and a real S3 server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from counting_proxy import Counter, counting

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from byok8s import s3

THREE_PREFIXES = """
N = range({files})
FOLDERS = ["a", "b/c", "d"]
rule all:
    input:
        [f"{{FOLDERS[i % 3]}}/missing{{i}}.txt" for i in N],
        [f"{{FOLDERS[i % 3]}}/present{{i}}.txt" for i in N],
rule missing:
    output: "{{folder}}/missing{{i}}.txt"
    shell: "echo > {{output}}"
"""

SAMPLE_FOLDERS = """
rule all:
    input: expand("samples/{sample}/out.txt", sample=range(1000))
rule out:
    input: "samples/{sample}/in.txt"
    output: "samples/{sample}/out.txt"
    shell: "cp {input} {output}"
"""


@dataclass
class Case:
    """A folder with a Snakefile, a prefix of its own in the bucket, and a proxy that counts."""

    server: s3.EmbeddedS3
    client: s3.S3Client
    folder: Path
    prefix: str
    counter: Counter

    def put(self, keys: Iterable[str]) -> None:
        with ThreadPoolExecutor(16) as pool:
            for answer in pool.map(self._put, keys):
                assert answer["ETag"]

    def _put(self, key: str) -> dict[str, object]:
        return dict(self.client.put_object(Bucket="local", Key=f"{self.prefix}/{key}", Body=b"x"))

    def snakemake(self, snakefile: str, *arguments: str, provider: str = "byok8s") -> str:
        """Run Snakemake to its end, with the bucket behind the proxy; returns all that it said."""
        (self.folder / "Snakefile").write_text(snakefile)
        keys, option = self.server.credentials, f"--storage-{provider}"
        command = [sys.executable, "-m", "snakemake", "--cores", "4", *arguments]
        storage = [
            "--default-storage-provider",
            provider,
            "--default-storage-prefix",
            f"s3://local/{self.prefix}",
        ]
        modules = os.pathsep.join(sys.path)
        environment = {**os.environ, "PYTHONPATH": modules} | {
            "AWS_ACCESS_KEY_ID": keys.access_key,
            "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        }
        run = subprocess.run(
            [*command, *storage, f"{option}-endpoint-url", self.counter.url],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        output = run.stdout + run.stderr
        assert run.returncode == 0, output
        assert keys.secret_key not in output
        return output


@pytest.fixture
def case(
    server: s3.EmbeddedS3, client: s3.S3Client, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Case]:
    with counting(server.endpoint_url) as counter:
        yield Case(server, client, tmp_path, f"planning/{request.node.name}", counter)


def test_two_thousand_files_under_three_prefixes_cost_ten_requests(case: Case) -> None:
    folders = ["a", "b/c", "d"]
    case.put(f"{folders[i % 3]}/present{i}.txt" for i in range(1000))
    output = case.snakemake(THREE_PREFIXES.format(files=1000), "-n", "--quiet", "rules")
    ours = len(case.counter.requests)
    assert "1001" in output  # 1,000 missing files and `all`
    case.counter.requests.clear()
    case.snakemake(THREE_PREFIXES.format(files=50), "-n", "--quiet", "rules", provider="s3")
    print(f"2,000 files: {ours} requests; upstream, 100 of them: {len(case.counter.requests)} requests")
    assert ours <= 10
    assert len(case.counter.requests) > 100


def test_a_real_run_plans_by_listings_and_asks_again_afterwards(case: Case) -> None:
    case.put(f"in/{i}.txt" for i in range(500))
    snakefile = """
rule all:
    input: expand("in/{i}.txt", i=range(500)), "out/1.txt"
rule out:
    input: "in/{i}.txt"
    output: "out/{i}.txt"
    shell: "cp {input} {output}"
"""
    case.snakemake(snakefile)
    until_stored = case.counter.requests[: case.counter.requests.index(f"PUT /local/{case.prefix}/out/1.txt")]
    assert len([request for request in until_stored if "/1.txt" not in request]) <= 10
    assert f"LIST /local/{case.prefix}/in/1.txt" in until_stored
    assert "Nothing to be done" in case.snakemake(snakefile, "-n")


def test_a_thousand_sample_folders_are_one_listing(case: Case) -> None:
    case.put(f"samples/{i}/in.txt" for i in range(1000))
    output = case.snakemake(SAMPLE_FOLDERS, "-n", "--quiet", "rules")
    assert "1001" in output
    assert set(case.counter.lists) == {f"/local/{case.prefix}/samples/"}
    assert len(case.counter.requests) <= 3


def test_foreign_keys_are_neither_listed_nor_in_the_way(case: Case) -> None:
    case.put(f"old/{i}.txt" for i in range(1200))
    case.put(["reads/a.txt", "reads/b.txt"])
    case.snakemake('rule all:\n    input: "reads/a.txt", "reads/b.txt"\n', "-n")
    assert case.counter.requests == [f"LIST /local/{case.prefix}/reads/"]


def test_a_folder_full_of_foreign_keys_is_given_up(case: Case) -> None:
    case.put(f"full/{i}.txt" for i in range(5100))
    case.put(["full/wanted.txt"])
    case.snakemake('rule all:\n    input: "full/wanted.txt"\n', "-n")
    # one key is wanted: 4 + 1 pages of the folder, then one for the key
    assert case.counter.requests == 5 * [f"LIST /local/{case.prefix}/full/"] + [
        f"LIST /local/{case.prefix}/full/wanted.txt"
    ]


@pytest.mark.parametrize("also_inside", [False, True])
def test_foreign_keys_below_the_wanted_folder_cost_little(case: Case, also_inside: bool) -> None:
    case.put(f"out/foreign/{i}.txt" for i in range(1100))
    case.put(["out/7.txt", "out/9/z.txt"])
    more = ', "out/9/z.txt"' if also_inside else ""
    snakefile = f"""
rule all:
    input: expand("out/{{i}}.txt", i=range(50)){more}
rule one:
    output: "out/{{i}}.txt"
    shell: "echo > {{output}}"
"""
    output = case.snakemake(snakefile, "-n", "--quiet", "rules", "--rerun-triggers", "mtime")
    assert re.search(r"^one +49$", output, re.MULTILINE)
    print(len(case.counter.requests), "requests")
    assert len(case.counter.requests) <= (4 if also_inside else 1)


def test_a_job_of_its_own_asks_for_its_files_only(case: Case) -> None:
    case.put(["reads/a.txt"])
    snakefile = 'rule all:\n    input: "reads/a.txt"\n'
    case.snakemake(snakefile, "-n", "--max-inventory-time", "0")
    assert case.counter.requests == [f"LIST /local/{case.prefix}/reads/a.txt"]


def test_directories_are_planned_from_one_more_listing(case: Case) -> None:
    case.put(f"dirs/{i}/{name}" for i in range(20) for name in ("x", "y/z"))
    snakefile = """
rule all:
    input: expand("dirs/{i}", i=range(21))
rule one:
    output: directory("dirs/{i}")
    shell: "mkdir {output}"
"""
    output = case.snakemake(snakefile, "-n", "--rerun-triggers", "mtime")
    assert f"output: s3://local/{case.prefix}/dirs/20 (send to storage)" in output
    assert "dirs/19 (send" not in output
    assert case.counter.requests == 2 * [f"LIST /local/{case.prefix}/dirs/"]


def test_wildcards_are_globbed_in_a_snakefile(case: Case) -> None:
    case.put(["reads/a b.fq", "reads/ü.fq", "reads/c.txt", "readsx/d.fq"])
    query = f"s3://local/{case.prefix}/reads/{{sample}}.fq"
    snakefile = f"""
print("found", sorted(glob_wildcards(storage.byok8s("{query}")).sample))
rule all:
    shell: "true"
"""
    output = case.snakemake(snakefile, "-n")
    assert "found ['a b', 'ü']" in output


def test_what_is_named_without_a_provider_still_goes_to_the_s3_plugin(case: Case) -> None:
    case.put(["x.txt"])
    snakefile = f"""
storage: provider="s3", endpoint_url="{case.counter.url}"
kept = storage("s3://local/{case.prefix}/x.txt")
print("provider", kept.flags["storage_object"].provider.__module__)
rule all:
    input: kept
"""
    output = case.snakemake(snakefile, "-n")
    assert "provider snakemake_storage_plugin_s3" in output


def test_touch_copies_outputs_onto_themselves(case: Case) -> None:
    case.put(["out.txt"])
    case.put(["in.txt"])
    snakefile = """
rule all:
    input: "out.txt"
rule out:
    input: "in.txt"
    output: "out.txt"
    shell: "cp {input} {output}"
"""
    case.snakemake(snakefile, "--touch", "--forceall")
    assert case.counter.of("PUT") == [f"PUT /local/{case.prefix}/out.txt"]
