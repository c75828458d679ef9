"""What has come of a file that is not whole yet, and what becomes of it after a kill."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from snakemake_storage_plugin_byok8s.halves import half_of, sweep


@pytest.mark.parametrize("content", ["", "s3://bucket/key etag 8"], ids=["small", "large"])
def test_what_another_process_is_at_is_not_swept(content: str, tmp_path: Path) -> None:
    with half_of(tmp_path / "file", content) as half:
        half.write(b"half", 0)
        for path in (half.path, *tmp_path.iterdir()):
            os.utime(path, (0, 0))
        sweep(tmp_path)
        assert half.path.read_bytes() == b"half"
        half.path.replace(tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_a_kill_has_left_of_a_small_file_is_swept_and_nothing_of_the_users(tmp_path: Path) -> None:
    with half_of(tmp_path / "file", "") as half:
        name = half.path.name
    names = {name, ".byok8s-notes", "file"}
    for each in names:
        (tmp_path / each).write_text("there")
        os.utime(tmp_path / each, (0, 0))
    sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == names - {name}
