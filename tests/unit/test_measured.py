"""What a job has taken, as its process and JSON tell it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
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
    used = Used(9.004, 1.5, (0, 3 * 1024 * 512))
    found = measured(tmp_path / "phases", used)
    assert [name for name, _ in found.phases()] == ["fetch", "run"]
    assert (found.max_rss, found.cpu_time, found.io_in, found.io_out) == (9.0, 1.5, 0, 1.5)
    assert measured(tmp_path / "phases", replace(used, moved=None)).io_out is None


def test_what_works_for_a_job_apart_from_it_counts_as_its_own(tmp_path: Path) -> None:
    """As the process in which a run: block runs, whose parent is the one that has read the Snakefile."""
    file, own = tmp_path / "phases", Used(9.0, 1.5, (0, 0))
    code = """
import sys
from pathlib import Path
from byok8s.worker.measured import note_apart
held = bytearray(b"x") * 300_000_000
with open("out", "wb") as out:
    out.write(held[:2**22])
note_apart(Path(sys.argv[1]))
"""
    subprocess.run([sys.executable, "-c", code, file], cwd=tmp_path, check=True)
    found = measured(file, own)
    assert (found.max_rss or 0) > 300
    assert (found.cpu_time or 0) > 1.5
    assert 4 <= (found.io_out or 0) < 5


@pytest.mark.parametrize(
    "words", ["1", "[]", "[1, 2]", '["x", 1, [0, 0]]', "[NaN, 1, null]", "[1, -1, [0, 0]]", "[1, 1, 5]"]
)
def test_what_is_noted_apart_may_be_anything(words: str, tmp_path: Path) -> None:
    (tmp_path / "phases").write_text(f'{{"apart-1": {words}}}')
    assert measured(tmp_path / "phases", Used(9.0, 1.5, (0, 0))) == Measured(
        max_rss=9.0, cpu_time=1.5, io_in=0, io_out=0
    )


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
