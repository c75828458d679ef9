"""A run's record gets into the bucket, without the params."""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from byok8s import errors, logs, run_record, s3
from byok8s.request import read_request
from byok8s.run import kept
from byok8s.run.drawing import Drawing
from byok8s.run.plan import RunPlan
from byok8s.settings import Settings
from counting_proxy import counting
from provide import Provide, write_file


class Told:
    """What a person would be told."""

    def __init__(self) -> None:
        self.records: list[str] = []
        self.warnings: list[str] = []

    def show_plan(self, plan: RunPlan) -> None:
        pytest.fail("not asked for")

    def show_results(self, place: str) -> None:
        pytest.fail("not asked for")

    def show_moved(self, totals: Mapping[str, int]) -> None:
        raise NotImplementedError

    def show_record(self, place: str) -> None:
        self.records.append(place)

    def warn(self, words: str) -> None:
        self.warnings.append(words)

    def say(self, words: str) -> None:
        pytest.fail("not asked for")

    def can_draw(self) -> bool:
        return False

    def show_run(self, run: str, events: Path) -> AbstractContextManager[Drawing]:
        pytest.fail("not asked for")

    def ask(self, question: str) -> bool | None:
        pytest.fail("not asked for")

    def show_transfer(
        self, verb: str, words: str, size: int, *, quiet: bool
    ) -> AbstractContextManager[Callable[[int], object]]:
        pytest.fail("not asked for")


@pytest.fixture
def plan(
    server: s3.EmbeddedS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> RunPlan:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.credentials.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.credentials.secret_key)
    Path("Snakefile").touch()
    Path("wf.json").write_text('{"workflow_target": "t"}')
    Path("params.yaml").write_text("token: secret")
    said = Settings(
        local=True, s3_bucket=f"local/record/{request.node.name}", s3_endpoint_url=server.endpoint_url
    )
    asked = read_request(
        ["wf", "params"], said, dry_run=False, force=False, ignore_lock=False, snakemake_arguments=()
    )
    assert asked.bucket
    write_file(Path(".byok8s/runs/run-1/params.yaml"), b"token: secret")
    return RunPlan(asked, asked.bucket, None, "run-1", None, "image")


def keys(plan: RunPlan, client: s3.S3Client) -> list[str]:
    found = client.list_objects_v2(Bucket="local", Prefix=f"{plan.bucket.prefix}/").get("Contents", [])
    return [item["Key"].removeprefix(f"{plan.bucket.prefix}/.byok8s/runs/run-1/") for item in found]


def write_logs() -> None:
    write_file(Path(".byok8s/runs/run-1/events.jsonl"), b"{}\n")
    for number in range(40):
        write_file(Path(f".byok8s/runs/run-1/logs/rule-{number:02}.log"), b"%d\n" % number)
    write_file(Path(".byok8s/runs/run-1/logs/large.log"), b"x" * (kept.SMALL_BYTES + 1))


@pytest.mark.parametrize("interrupted", [False, True])
def test_all_but_the_params(plan: RunPlan, client: s3.S3Client, interrupted: bool) -> None:
    write_logs()
    told = Told()
    kept.put_record(plan, told, interrupted=interrupted)
    assert sorted(keys(plan, client)) == ["events.jsonl", "logs.zip", "logs/large.log"]
    archive = client.get_object(Bucket="local", Key=f"{plan.bucket.prefix}/.byok8s/runs/run-1/logs.zip")
    assert zipfile.ZipFile(io.BytesIO(archive["Body"].read())).namelist() == [
        f"logs/rule-{number:02}.log" for number in range(40)
    ]
    assert told.records == [f"{plan.bucket.url}/.byok8s/runs/run-1"]
    assert told.warnings == []


def test_what_is_put_is_what_the_record_in_the_bucket_has(plan: RunPlan) -> None:
    write_logs()
    write_file(Path(".byok8s/runs/run-1/logs/rule-01/logs/größe +%.txt"), b"of the rule\n")
    kept.put_record(plan, Told(), interrupted=False)
    here = run_record.InFolder("run-1")
    there = run_record.in_bucket(plan.bucket, "run-1")
    of_all = {name: size for name, size in here.files().items() if name != "params.yaml"}
    assert {name: size for name, size in there.files().items() if name != "logs.zip"} == of_all
    for name, size in of_all.items():
        assert there.read(name, 0, size) == here.read(name, 0, size)
        assert there.read(name, 1, 3) == here.read(name, 1, 3)
    assert logs.ends(there, ["rule-01", "rule-07"], 5) == {
        "rule-01": (
            f"{plan.bucket.url}/.byok8s/runs/run-1/logs.zip/logs/rule-01/logs/größe +%.txt",
            ["of the rule"],
        ),
        "rule-07": (f"{plan.bucket.url}/.byok8s/runs/run-1/logs.zip/logs/rule-07.log", ["7"]),
    }


def test_the_log_of_a_failed_job_is_there_before_and_after_the_end(
    plan: RunPlan, client: s3.S3Client
) -> None:
    write_logs()
    before = {"logs/rule-01.log": b"cut o", "logs/never-put-again.log": b"still there"}
    s3.upload(plan.bucket, before, ".byok8s/runs/run-1", 10)
    kept.put_record(plan, Told(), interrupted=False)
    there = run_record.in_bucket(plan.bucket, "run-1")
    assert there.read("logs/rule-01.log", 0, 100) == b"1\n"
    assert there.read("logs/never-put-again.log", 0, 100) == b"still there"


@pytest.mark.parametrize("content", [b"", b"no archive"])
def test_an_archive_that_is_none_is_named(plan: RunPlan, content: bytes) -> None:
    s3.upload(plan.bucket, {"logs.zip": content}, ".byok8s/runs/run-1", 10)
    with pytest.raises(errors.BucketError, match=r"runs/run-1/logs\.zip cannot be read"):
        run_record.in_bucket(plan.bucket, "run-1").files()


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_a_changed_byte_in_an_archive_is_named(plan: RunPlan, client: s3.S3Client, place: int) -> None:
    write_logs()
    kept.put_record(plan, Told(), interrupted=False)
    key = f"{plan.bucket.prefix}/.byok8s/runs/run-1/logs.zip"
    archive = bytearray(client.get_object(Bucket="local", Key=key)["Body"].read())
    archive[archive.index(b"logs/rule-00.log") + len("logs/rule-00.log") + place] ^= 0xFF
    client.put_object(Bucket="local", Key=key, Body=bytes(archive))
    there = run_record.in_bucket(plan.bucket, "run-1")
    with pytest.raises(errors.BucketError, match=r"logs\.zip cannot be read"):
        there.read("logs/rule-00.log", 0, 10)
    assert there.read("logs/rule-01.log", 0, 10) == b"1\n"


def test_a_record_with_thousands_of_logs_takes_few_requests(
    plan: RunPlan, server: s3.EmbeddedS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3000):
        write_file(Path(f".byok8s/runs/run-1/logs/rule-{number}.log"), b"said\n" * 10)
    with counting(server.endpoint_url, "127.0.0.1") as proxy:
        near = replace(plan.bucket, endpoint_url=proxy.url)
        kept.put_record(replace(plan, request=replace(plan.request, bucket=near)), Told(), interrupted=False)
        assert [request.partition(" ")[0] for request in proxy.requests] == ["PUT"]
        proxy.requests.clear()
        there = run_record.in_bucket(near, "run-1")
        assert len(there.files()) == 3001
        assert there.read("logs/rule-2999.log", 0, 1000) == b"said\n" * 10
        assert len(proxy.requests) <= 6


def test_where_nothing_ran_nothing_is_put(plan: RunPlan, client: s3.S3Client) -> None:
    told = Told()
    kept.put_record(plan, told, interrupted=False)
    assert (keys(plan, client), told.records, told.warnings) == ([], [], [])


def test_the_embedded_bucket_needs_none(plan: RunPlan, client: s3.S3Client) -> None:
    write_logs()
    told = Told()
    kept.put_record(replace(plan, request=replace(plan.request, bucket=None)), told, interrupted=False)
    assert (keys(plan, client), told.records, told.warnings) == ([], [], [])


def test_a_failure_is_a_warning(plan: RunPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    write_logs()
    told = Told()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    kept.put_record(plan, told, interrupted=False)
    assert told.records == []
    assert "SignatureDoesNotMatch" in told.warnings[0]
    assert ".byok8s/runs/run-1 alone" in told.warnings[0]


def test_a_second_ctrl_c_skips_it(plan: RunPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    write_logs()
    told = Told()
    monkeypatch.setattr(sys.modules["byok8s.s3.upload"], "wait", interrupt)
    kept.put_record(plan, told, interrupted=True)
    assert told.records == []
    assert ".byok8s/runs/run-1 alone" in told.warnings[0]


def test_globbing_passes_over_what_byok8s_keeps(provide: Provide, plan: RunPlan, client: s3.S3Client) -> None:
    write_logs()
    kept.put_record(plan, Told(), interrupted=False)
    client.put_object(Bucket="local", Key=f"{plan.bucket.prefix}/a.log", Body=b"")
    found = provide().object(f"{plan.bucket.url}/{{name}}.log").list_candidate_matches()
    assert list(found) == [f"{plan.bucket.url}/a.log"]
