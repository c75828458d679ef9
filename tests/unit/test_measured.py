"""What a job has taken, as its process and JSON tell it."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest

from byok8s.worker.measured import Measured, Phases, Used, from_json, measured, over
from byok8s.worker.protocol import Result, done, result


def test_phases_are_noted_as_they_end_and_also_if_they_fail(tmp_path: Path) -> None:
    phases = Phases(tmp_path / "phases")
    with phases.timed("fetch"):
        assert over(tmp_path / "phases") == Measured()
    assert [name for name, _ in over(tmp_path / "phases").phases()] == ["fetch"]
    with pytest.raises(ValueError, match="the job's own"), phases.timed("run"):
        raise ValueError("the job's own")
    usage = resource.getrusage(resource.RUSAGE_SELF)
    found = measured(tmp_path / "phases", Used(usage, (0, 3 * 1024 * 512)))
    assert [name for name, _ in found.phases()] == ["fetch", "run"]
    assert found.max_rss
    assert found.cpu_time
    assert (found.io_in, found.io_out) == (0, 1.5)
    assert measured(tmp_path / "phases", Used(usage, None)).io_out is None


@pytest.mark.parametrize(
    "words", ["", "[1]", "nonsense", '{"fetch": "x"}', '{"fetch": -1}', '{"max_rss": 5}', "null", "[" * 4000]
)
def test_a_job_may_write_anything(words: str, tmp_path: Path) -> None:
    (tmp_path / "phases").write_text(words)
    assert over(tmp_path / "phases") == Measured()


@pytest.mark.parametrize(
    "found", [None, [], {"run": None}, {"run": float("inf")}, {"run": float("nan")}, {"x": 1}]
)
def test_what_is_no_number_is_not_known(found: object) -> None:
    assert from_json(found) == Measured()


def test_it_comes_with_the_end_of_a_job_and_an_older_worker_has_none() -> None:
    sent = Result(0, measured=Measured(run=2.5, max_rss=100.25, fetched_bytes=2**40))
    message = json.loads(json.dumps(done("a", sent)))
    assert result(message) == sent
    del message["measured"]
    assert result(message) == Result(0)
