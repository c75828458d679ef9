"""byok8s report from the bucket alone, as from another machine; and which file it writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from byok8s.cli import byok8s
from byok8s.history.event import parsed
from byok8s.report.file import MARK
from records import RUN, many

if TYPE_CHECKING:
    from pathlib import Path

    from byok8s import s3

WHOLE = many(12, 2)
# of a run whose controller was killed, which the disk did not get whole
CUT = WHOLE[: int(len(WHOLE) * 0.8)]
FAILED = b"".join(
    json.dumps({**event, "state": "EXECUTOR_ERROR", "cause": "exit-code", "why": "exit code 3"}).encode()
    + b"\n"
    if event["event"] == "job.ended" and event["id"] == "000000000000"
    else json.dumps(event).encode() + b"\n"
    for event in parsed(WHOLE)
)
NAME = "trim-000000000000"


@pytest.fixture
def put(
    client: s3.S3Client, server: s3.EmbeddedS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> s3.S3Client:
    """Be in an empty folder, as of another machine, with a bucket that has records."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.credentials.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.credentials.secret_key)
    monkeypatch.setenv("BYOK8S_S3_ENDPOINT_URL", str(server.bucket.endpoint_url))
    monkeypatch.setenv("BYOK8S_S3_BUCKET", f"{server.bucket.name}/{tmp_path.name}")
    files = {
        (RUN, "events.jsonl"): CUT,
        ("20260102-000000-bbbb", "events.jsonl"): FAILED,
        ("20260102-000000-bbbb", f"logs/{NAME}.log"): b"printed\n",
        ("20260102-000000-bbbb", f"logs/{NAME}/logs/trim.log"): b"x\n" * 50_000 + b"no <b>such</b> column\n",
    }
    for (run, name), content in files.items():
        key = f"{tmp_path.name}/.byok8s/runs/{run}/{name}"
        client.put_object(Bucket=server.bucket.name, Key=key, Body=content)
    return client


def report(*words: str, code: int = 0) -> Result:
    done = CliRunner().invoke(byok8s, ["report", *words])
    assert done.exit_code == code, done.output
    return done


@pytest.mark.usefixtures("put")
def test_a_run_that_was_killed_is_reported_from_the_bucket(tmp_path: Path) -> None:
    found = json.loads(report(RUN, "--json").output)
    assert found["state"] == "LOST"
    assert found["jobs"]["done"] in range(1, 12)
    assert sum(found["critical_path"]["seconds"].values()) == pytest.approx(found["seconds"])
    assert report(RUN).output == f"Report: report-{RUN}.html\n"
    assert (tmp_path / f"report-{RUN}.html").read_bytes().startswith(MARK)
    assert "its controller is gone" in report(RUN, "--text").output


@pytest.mark.usefixtures("put")
def test_the_newest_runs_failures_come_with_the_end_of_the_rules_log(tmp_path: Path) -> None:
    report("-o", "mine.html")
    shown = (tmp_path / "mine.html").read_text()
    assert "exit code 3 (exit-code)" in shown
    assert "no &lt;b&gt;such&lt;/b&gt; column</pre>" in shown
    assert "printed" not in shown
    assert [path.name for path in tmp_path.iterdir()] == ["mine.html"]


@pytest.mark.usefixtures("put")
def test_a_price_is_put_on_it(tmp_path: Path) -> None:
    (tmp_path / "prices.json").write_text('{"currency": "CHF", "core_hour": 10, "gb_hour": 1}')
    found = json.loads(report("--json", "--prices", "prices.json").output)
    hours = found["hours"]["whole"]
    assert found["cost"]["whole"] == pytest.approx(hours["cores"] * 10 + hours["gb"])
    assert "CHF" in report("--text", "--prices", "prices.json").output


@pytest.mark.usefixtures("put")
def test_what_cannot_be_done_is_said_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "thesis.html").write_text("<!doctype html>")
    assert "no report of byok8s" in report("-o", "thesis.html", code=2).output
    assert (tmp_path / "thesis.html").read_text() == "<!doctype html>"
    assert "say one of them" in report("--text", "--json", code=2).output
    assert "cannot be read" in report("--prices", "nowhere", code=2).output
    assert "no record of run" in report("20260103-000000-cccc", code=2).output
