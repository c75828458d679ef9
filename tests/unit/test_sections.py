"""What a pod for one job writes, taken apart again."""

import io
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import pytest

from byok8s.worker.sections import sections, write_files


@pytest.mark.parametrize(
    ("output", "files", "read"),
    [
        ("", {}, {}),
        ("a\n\n", {}, {"": "a\n\n"}),
        ("a\n", {"x.log": "1\n"}, {"": "a\n", "x.log": "1\n"}),
        ("a", {"x.log": "1", "y.log": "\n\n2\n\n"}, {"": "a\n", "x.log": "1\n", "y.log": "\n\n2\n\n"}),
        ("", {"x.log": "", "y.log": "2\n"}, {"y.log": "2\n"}),
        ("a\n\n", {"x.log": "the rule's log file z\n"}, {"": "a\n\n", "x.log": "the rule's log file z\n"}),
    ],
    ids=["nothing", "no file", "one", "without an end of line", "empty", "empty lines"],
)
def test_what_is_written_is_read(
    output: str, files: dict[str, str], read: dict[str, str], tmp_path: Path
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    written = io.BytesIO(output.encode())
    written.seek(0, io.SEEK_END)
    write_files(written, tmp_path, [*files, "not/there.log"])
    rows = io.TextIOWrapper(io.BytesIO(written.getvalue()), newline="\n")
    parts = groupby(sections(rows), key=itemgetter(0))
    assert {name: "".join(row for _, row in group) for name, group in parts} == read
