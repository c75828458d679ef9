"""A run's record gets into the bucket, without the params."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from byok8s import s3
from byok8s.request import read_request
from byok8s.run import kept
from byok8s.run.drawing import Drawing
from byok8s.run.plan import RunPlan
from byok8s.settings import Settings
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
    write_file(Path(".byok8s/runs/run-1/jobs.jsonl"), b"{}\n")
    for number in range(40):
        write_file(Path(f".byok8s/runs/run-1/logs/rule-{number:02}.log"), b"")


@pytest.mark.parametrize("interrupted", [False, True])
def test_all_but_the_params(plan: RunPlan, client: s3.S3Client, interrupted: bool) -> None:
    write_logs()
    told = Told()
    kept.put_record(plan, told, interrupted=interrupted)
    assert keys(plan, client) == ["jobs.jsonl", *(f"logs/rule-{number:02}.log" for number in range(40))]
    assert told.records == [f"{plan.bucket.url}/.byok8s/runs/run-1"]
    assert told.warnings == []


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
