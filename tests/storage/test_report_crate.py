"""byok8s report --ro-crate: where it writes, and what it refuses."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from byok8s.cli import byok8s
from records import FACTS, START, written

RUN = "20260101-000000-abcd"
JOB = "a" * 12


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in the folder of a run that is over."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    snakefile = tmp_path / "Snakefile"
    snakefile.write_text("rule all:\n")
    os.utime(snakefile, (START / 1000 - 1, START / 1000 - 1))
    record = tmp_path / ".byok8s" / "runs" / RUN
    record.mkdir(parents=True)
    lines = [
        written(0, "run.started", **{**FACTS, "snakefile": str(snakefile)}),
        written(
            1, "job.given", id=JOB, job=JOB, rule="sort", name=f"sort-{JOB}", outputs=["out.txt"], threads=1
        ),
        written(2, "job.began", id=JOB),
        written(3, "job.ended", id=JOB, state="COMPLETE"),
        written(4, "run.ended", exit=0, state="COMPLETE"),
    ]
    (record / "events.jsonl").write_bytes(b"".join(lines))
    return tmp_path


def report(*words: str, code: int = 0) -> str:
    """Return what is said, on one line: where lines end depends on how long the folder's name is."""
    done = CliRunner().invoke(byok8s, ["report", *words])
    assert done.exit_code == code, done.output
    return " ".join(done.output.split())


def test_a_crate_has_the_run_its_snakefile_and_its_report(folder: Path) -> None:
    assert report("--ro-crate", "crate") == "RO-Crate: crate"
    there = {path.relative_to(folder / "crate").as_posix() for path in (folder / "crate").rglob("*")}
    assert there == {"Snakefile", "report.html", "ro-crate-metadata.json"}
    graph = json.loads((folder / "crate/ro-crate-metadata.json").read_text())["@graph"]
    assert "s3://lab/rnaseq/out.txt" in {entity["@id"] for entity in graph}
    assert [path.name for path in folder.iterdir() if path.name.startswith(".crate")] == []


@pytest.mark.parametrize("there", ["file", "folder", "dangling link"])
def test_what_is_there_is_left_alone(folder: Path, there: str) -> None:
    place = folder / "crate"
    if there == "file":
        place.touch()
    elif there == "folder":
        place.mkdir()
    else:
        place.symlink_to("nowhere")
    assert "is there already" in report("--ro-crate", "crate", code=2)
    assert "no folder" in report("--ro-crate", "not/there", code=2)


def test_a_snakefile_that_was_changed_or_is_gone_is_not_taken_for_the_runs(folder: Path) -> None:
    (folder / "Snakefile").write_text("rule other:\n")
    assert "was changed since" in report("--ro-crate", "crate", code=2)
    (folder / "Snakefile").unlink()
    assert "not on this machine" in report("--ro-crate", "crate", code=2)
    assert not (folder / "crate").exists()


def test_of_a_run_without_a_job_there_is_no_crate(folder: Path) -> None:
    record = folder / ".byok8s" / "runs" / RUN / "events.jsonl"
    record.write_bytes(
        b"".join(line for line in record.read_bytes().splitlines(True) if b'"job.' not in line)
    )
    assert "No job of run" in report("--ro-crate", "crate", code=2)
    assert not (folder / "crate").exists()


def test_one_way_to_have_a_report_at_a_time(folder: Path) -> None:
    assert "say one of them" in report("--ro-crate", "crate", "--json", code=2)
    assert not (folder / "crate").exists()
