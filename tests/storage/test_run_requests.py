"""What a run in a workspace asks S3 once it has planned."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from counting_proxy import counting
from folders import run_in, write_files

if TYPE_CHECKING:
    from pathlib import Path

    from byok8s import s3

JOBS = 20
SNAKEFILE = f"""
rule all:
    input: expand("out/{{i}}.txt", i=range({JOBS}))
rule out:
    input: "in/{{i}}.txt", "in/shared.txt"
    output: "out/{{i}}.txt"
    shell: "cat {{input}} > {{output}}"
"""
TEMP = """
rule all:
    input: "b.txt"
rule a:
    output: temp("a.txt")
    shell: "echo a > {output}"
rule b:
    input: "a.txt"
    output: "b.txt"
    shell: "cp {input} {output}"
"""
WRITTEN_BY_THE_COMMAND = """
import boto3
rule all:
    input: "read.txt"
rule write:
    input: "go.txt"
    output: storage.byok8s("s3://local/{prefix}/direct.txt", retrieve=False)
    run:
        boto3.client("s3").put_object(Bucket="local", Key="{prefix}/direct.txt", Body=open(input[0], "rb").read())
rule read:
    input: "direct.txt"
    output: "read.txt"
    shell: "cp {{input}} {{output}}"
"""


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    return f"requests/{request.node.name}"


def run(folder: Path, server: s3.EmbeddedS3, prefix: str, snakefile: str, *arguments: str) -> list[str]:
    """Returns the requests for files of the workflow; checking the bucket, locks and records cost others."""
    write_files(folder, {"Snakefile": snakefile, "w.json": '{"workflow_target": "all"}', "p.json": "{}"})
    keys = server.credentials
    with counting(server.endpoint_url) as counter:
        environment = os.environ | {
            "AWS_ACCESS_KEY_ID": keys.access_key,
            "AWS_SECRET_ACCESS_KEY": keys.secret_key,
            "BYOK8S_S3_ENDPOINT_URL": counter.url,
        }
        command = [sys.executable, "-m", "byok8s", "w", "p", "--local", "-j1", f"--s3-bucket=local/{prefix}"]
        run_in(folder, [*command, *arguments], environment)
        requests = [request for request in counter.requests if f"/{prefix}/" in request]
        return [request for request in requests if "/.byok8s" not in request]


def test_nothing_is_asked_again_but_what_was_just_stored(
    server: s3.EmbeddedS3, client: s3.S3Client, prefix: str, tmp_path: Path
) -> None:
    for name in [*map(str, range(JOBS)), "shared"]:
        client.put_object(Bucket="local", Key=f"{prefix}/in/{name}.txt", Body=b"x")
    asked = [
        request
        for request in run(tmp_path, server, prefix, SNAKEFILE)
        if request.startswith(("LIST", "HEAD"))
    ]
    print("\n".join(asked))
    of_outputs = [request for request in asked if "/out/" in request and request.endswith(".txt")]
    assert len(of_outputs) == JOBS  # when the server has stored them
    assert len(asked) - len(of_outputs) <= 3


def test_a_temporary_file_is_removed_by_one_request(
    server: s3.EmbeddedS3, prefix: str, tmp_path: Path
) -> None:
    requests = run(tmp_path, server, prefix, TEMP)
    removed = requests.index(f"DELETE /local/{prefix}/a.txt")
    asked = [request for request in requests if request.startswith("LIST") and request.endswith("/a.txt")]
    assert len(asked) == 1
    assert requests.index(asked[0]) < removed


def test_what_a_command_writes_to_the_bucket_itself_is_seen(
    server: s3.EmbeddedS3, client: s3.S3Client, prefix: str, tmp_path: Path
) -> None:
    for content in (b"first", b"second"):
        client.put_object(Bucket="local", Key=f"{prefix}/go.txt", Body=content)
        run(tmp_path, server, prefix, WRITTEN_BY_THE_COMMAND.format(prefix=prefix), "--force")
        assert client.get_object(Bucket="local", Key=f"{prefix}/read.txt")["Body"].read() == content
