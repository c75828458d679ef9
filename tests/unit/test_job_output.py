"""What a job has written is there until it is dropped, from wherever it is asked for."""

import os
from pathlib import Path

from byok8s.worker.job_output import CHUNK_BYTES, JobOutput


def test_output_from_any_byte_on(tmp_path: Path) -> None:
    kept = JobOutput(tmp_path / "job")
    kept.write(b"one\n")
    kept.write(b"two\n")
    assert list(kept.output(0)) == [("one\ntwo\n", 8)]
    assert list(kept.output(4)) == [("two\n", 8)]
    assert list(kept.output(8)) == []
    kept.write(b"three\n")
    assert list(kept.output(8)) == [("three\n", 14)]


def test_much_output_comes_in_pieces(tmp_path: Path) -> None:
    kept = JobOutput(tmp_path / "job")
    kept.write(b"x" * (2 * CHUNK_BYTES + 1))
    assert [to for _, to in kept.output(0)] == [CHUNK_BYTES, 2 * CHUNK_BYTES, 2 * CHUNK_BYTES + 1]
    assert "".join(text for text, _ in kept.output(0)) == "x" * (2 * CHUNK_BYTES + 1)


def test_the_rules_log_files_that_are_there(tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "logs").mkdir(parents=True)
    (work / "logs" / "a.log").write_text("a" * (CHUNK_BYTES + 5))
    kept = JobOutput(tmp_path / "job")
    kept.keep_files(work, ["logs/a.log", "logs/never-written.log"])
    (work / "logs" / "a.log").unlink()
    pieces = list(kept.files())
    assert [(name, len(text), first) for name, text, first in pieces] == [
        ("logs/a.log", CHUNK_BYTES, True),
        ("logs/a.log", 5, False),
    ]


def test_nothing_is_left_when_it_is_dropped(tmp_path: Path) -> None:
    kept = JobOutput(tmp_path / "job")
    kept.write(b"one\n")
    kept.drop()
    assert list(tmp_path.iterdir()) == []


def test_only_regular_files_are_kept(tmp_path: Path) -> None:
    """Whatever else a job has put where its log should be: no device without an end, no pipe, no name that is none."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "zero.log").symlink_to("/dev/zero")
    os.mkfifo(work / "pipe.log")
    (work / "folder.log").mkdir()
    (work / "linked.log").symlink_to("real.log")
    (work / "real.log").write_text("kept")
    kept = JobOutput(tmp_path / "kept")
    kept.keep_files(
        work, ["zero.log", "pipe.log", "folder.log", "gone.log", "a\0b.log", "linked.log", "real.log"]
    )
    assert list(kept.files()) == [("linked.log", "kept", True), ("real.log", "kept", True)]
