"""byok8s logs from the bucket alone, as from another machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from byok8s.cli import byok8s
from records import written

if TYPE_CHECKING:
    from pathlib import Path

    from byok8s import s3

RUNS = {
    "20260101-000000-aaaa": {"events.jsonl": "", "logs/sort-1.log": "of the old run\n"},
    "20260102-000000-bbbb": {
        "events.jsonl": (
            written(1, "job.given", id="2", rule="map", name="map-2")
            + written(2, "job.ended", id="2", state="EXECUTOR_ERROR", why="exit code 3")
        ).decode(),
        "logs/map-2.log": "printed\n",
        "logs/map-2/logs/m.log": "".join(f"line {number}\n" for number in range(50_000)),
    },
}


@pytest.fixture
def bucket(
    client: s3.S3Client,
    server: s3.EmbeddedS3,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """A prefix with the records of two runs, and an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.credentials.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.credentials.secret_key)
    monkeypatch.setenv("BYOK8S_S3_ENDPOINT_URL", str(server.bucket.endpoint_url))
    for run, files in RUNS.items():
        for name, content in files.items():
            key = f"{tmp_path.name}/.byok8s/runs/{run}/{name}"
            client.put_object(Bucket=server.bucket.name, Key=key, Body=content.encode())
    return f"{server.bucket.name}/{tmp_path.name}"


def says(*words: str, code: int = 0) -> list[str]:
    done = CliRunner().invoke(byok8s, ["logs", *words])
    assert done.exit_code == code, done.output
    return done.output.splitlines()


def test_the_newest_run(bucket: str) -> None:
    assert says("-b", bucket) == ["failed  map-2  exit code 3"]
    rows = says("-b", bucket, "--failed", "-n", "3")
    assert [row for row in rows if not row.startswith("==")] == [
        "printed",
        "line 49997",
        "line 49998",
        "line 49999",
    ]


def test_a_run_by_its_id(bucket: str) -> None:
    assert "of the old run" in says("20260101-000000-aaaa", "sort", "-b", bucket)


def test_a_run_that_is_nowhere(bucket: str) -> None:
    said = " ".join(says("20260103-000000-cccc", "-b", bucket, code=2))
    assert "There is no record of run 20260103-000000-cccc in this folder, nor in" in said
