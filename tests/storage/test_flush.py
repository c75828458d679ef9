"""A run's events get into the bucket while it runs, and from there to whoever asks how it is."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from byok8s import run_record, runs, s3
from byok8s.cli import byok8s
from byok8s.history.event import line
from byok8s.history.writer import History
from byok8s.locks.owner import RunLocation, this_process
from byok8s.run import flush
from byok8s.s3.prefix_lock import prefix_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from byok8s.history.event import Event

RUN = "20260102-000000-bbbb"
UNDER = f".byok8s/runs/{RUN}"
KEY = f"{UNDER}/events.jsonl"


@pytest.fixture
def bucket(server: s3.EmbeddedS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> s3.Bucket:
    """A prefix of its own, and an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.credentials.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.credentials.secret_key)
    monkeypatch.setenv("BYOK8S_S3_ENDPOINT_URL", str(server.bucket.endpoint_url))
    return s3.Bucket.parse(f"{server.bucket.name}/{tmp_path.name}", server.bucket.endpoint_url)


@pytest.fixture
def events(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """Those of a run in another folder."""
    history = History(tmp_path_factory.mktemp("other") / "events.jsonl", pytest.fail)
    history.note("run.started", {"run": RUN})
    yield history
    history.close()


def in_bucket(client: s3.S3Client, bucket: s3.Bucket) -> bytes:
    listed = client.list_objects_v2(Bucket=bucket.name, Prefix=f"{bucket.prefix}/{KEY}")
    if not listed.get("Contents"):
        return b""
    return client.get_object(Bucket=bucket.name, Key=f"{bucket.prefix}/{KEY}")["Body"].read()


def eventually(holds: Callable[[], object]) -> None:
    until = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)


def says(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(byok8s, list(words))
    assert done.exit_code == code, done.output
    return done.output


def fail(events: History, number: int) -> None:
    id_ = f"{number:012x}"
    given = {"id": id_, "job": id_, "rule": "sort", "name": f"sort-{id_}", "threads": 1, "attempt": 1}
    events.note("job.given", given)
    events.note("job.began", {"id": id_, "pod": "p"})
    ended = {"id": id_, "state": "EXECUTOR_ERROR", "cause": "exit-code", "why": "exit \x1b[31mcode 3"}
    events.note("job.ended", ended, urgent=True)


def test_a_failure_is_in_the_bucket_at_once_and_the_end_always(
    client: s3.S3Client, bucket: s3.Bucket, events: History
) -> None:
    with flush.flushed(bucket, UNDER, events, pytest.fail):
        events.note("run.planned", {"jobs": {"sort": 1}})
        fail(events, 1)
        eventually(lambda: b"job.ended" in in_bucket(client, bucket))
        events.note("run.ended", {"exit": 1, "state": "EXECUTOR_ERROR"})
    assert in_bucket(client, bucket) == events.path.read_bytes()


def test_what_a_failed_job_has_said_is_in_the_bucket_when_its_failure_is(
    client: s3.S3Client, bucket: s3.Bucket, events: History
) -> None:
    for number in (1, 2):
        log = events.path.parent / "logs" / f"sort-{number:012x}.log"
        log.parent.mkdir(exist_ok=True)
        log.write_text(f"said by {number}\n")
    with flush.flushed(bucket, UNDER, events, pytest.fail):
        events.note("run.planned", {"jobs": {"sort": 2}})
        fail(events, 2)
        eventually(lambda: b"job.ended" in in_bucket(client, bucket))
    here = f"{bucket.name}/{bucket.prefix}"
    assert "said by 2" in says("logs", "sort", "-b", here)
    assert "said by 1" not in says("logs", "sort", "-b", here)


def test_a_run_that_is_refused_once_it_is_planned_leaves_nothing(
    client: s3.S3Client, bucket: s3.Bucket, events: History
) -> None:
    with flush.flushed(bucket, UNDER, events, pytest.fail):
        events.note("run.planned", {"jobs": {"sort": 1}})
        events.note("run.ended", {"exit": 2, "state": "SYSTEM_ERROR"})
    assert in_bucket(client, bucket) == b""


def test_a_bucket_that_takes_nothing_is_told_once(
    bucket: s3.Bucket, events: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(flush, "URGENT_SECONDS", 0.0)
    monkeypatch.setattr(flush, "SHARE", 0)
    events.note("run.planned", {"jobs": {"sort": 2}})
    with flush.flushed(
        s3.Bucket("no-such-bucket", bucket.prefix, bucket.endpoint_url), UNDER, events, told.append
    ):
        for number in (1, 2):
            fail(events, number)
            eventually(lambda: told and not events.urgent.is_set())
    assert len(told) == 1
    assert "The run goes on" in told[0]


def test_a_run_from_the_bucket_alone(client: s3.S3Client, bucket: s3.Bucket, events: History) -> None:
    """From another folder: while it runs, and once its controller is gone."""
    events.note("run.planned", {"jobs": {"sort": 3}})
    fail(events, 1)
    s3.put(bucket, KEY, events.path.read_bytes() + b'{"schema": "byok8s.eve')
    here = f"{bucket.name}/{bucket.prefix}"
    me = this_process()
    holder = type(me)(
        me.process, "another", me.user, "/there", me.started, me.heard, RUN, RunLocation(bucket=here)
    )
    with prefix_lock(bucket, holder, pytest.fail, alone=False, ignore=False):
        said = says("status", "-b", here)
        assert said.startswith(f"{RUN}: running, 0 of 3 jobs done, 1 failed")
        assert "exit \\x1b[31mcode 3 (exit-code)" in said
        assert json.loads(says("status", RUN, "-b", here, "--json"))["jobs"]["failed"] == 1
    assert "its controller is gone" in says("status", "-b", here)
    assert [run["run"] for run in json.loads(says("runs", "-b", here, "--json"))] == [RUN]
    assert says("runs", "-b", here).startswith(f"{RUN}: its controller is gone")
    rows = [json.loads(row) for row in says("events", "-b", here, "--json").splitlines()]
    assert [row["event"] for row in rows][-2:] == ["job.began", "job.ended"]
    assert json.loads(says("trace", "-b", here, "--json"))[0]["status"] == "FAILED"


def test_the_runs_of_one_workflow_among_those_of_others(bucket: s3.Bucket) -> None:
    """Two workflows share a prefix, also with runs of an older version that have no events."""
    for number, name in enumerate(["a", *"ab" * 10]):
        facts = {"workflow": f"{name}#Snakefile", "snakefile": "/Snakefile"}
        run = f"20260101-0000{number:02}-abcd"
        s3.put(bucket, f".byok8s/runs/{run}/events.jsonl", line(0, "run.started", facts))
    s3.put(bucket, ".byok8s/runs/20260101-000099-abcd/logs/sort-1.log", b"")
    of_a = runs.of_workflow({"workflow": "a#Snakefile", "snakefile": "/Snakefile"}, bucket)
    assert [run.id[-7:-5] for run in of_a] == ["19", "17", "15", "13", "11"]
    of_last = json.loads(says("advise", "-b", f"{bucket.name}/{bucket.prefix}", "--json"))
    assert [run[-7:-5] for run in of_last["runs"]] == ["20", "18", "16", "14", "12"]
    assert runs.of_workflow({"workflow": "c#Snakefile"}, bucket) == []


def test_a_record_of_an_older_version_has_no_events(bucket: s3.Bucket) -> None:
    s3.put(bucket, KEY.replace("events.jsonl", "logs/sort-1.log"), b"")
    here = f"{bucket.name}/{bucket.prefix}"
    assert "has no events" in says("status", RUN, "-b", here, code=2)
    assert "There is no record of any run" in " ".join(says("status", "-b", here, code=2).split())
    assert says("runs", "-b", here) == "There are no runs.\n"


def test_events_are_followed_until_the_run_ends(
    bucket: s3.Bucket, events: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    from byok8s import runs
    from byok8s.settings import Settings

    path = Path(".byok8s", "runs", RUN)
    path.mkdir(parents=True)
    here = History((path / "events.jsonl").absolute(), pytest.fail)
    alive = threading.Event()
    alive.set()
    monkeypatch.setattr(run_record, "is_alive", lambda _: alive.is_set())
    here.note("run.started", {"run": RUN})
    told: list[Event] = []
    thread = threading.Thread(target=lambda: runs.events(RUN, Settings(), told.append, follow=True))
    thread.start()
    eventually(lambda: len(told) == 1)
    here.note("run.planned", {"jobs": {}})
    eventually(lambda: len(told) == 2)
    here.note("run.ended", {"exit": 0, "state": "COMPLETE"})
    alive.clear()
    thread.join()
    here.close()
    assert [event["event"] for event in told] == ["run.started", "run.planned", "run.ended"]
