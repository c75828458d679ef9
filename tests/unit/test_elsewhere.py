"""What pods are given of wrappers and includes from elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from byok8s import compat
from byok8s.bundle import elsewhere
from byok8s.errors import InputError
from folders import write_files
from planned import planned
from serving import served

RULE = "rule a:\n    output: 'a'\n    wrapper: '{}'\n"


def test_the_folder_of_a_local_wrapper_goes_whole(tmp_path: Path) -> None:
    write_files(tmp_path / "w", {"x/wrapper.R": "", "x/lib/b.R": "", "x/.git/c": "", "y/wrapper.py": ""})
    rule = RULE.format(f"file://{tmp_path}/w/x")
    with planned(tmp_path / "flow", {"Snakefile": rule}) as dag:
        found = {within: path for path, within in elsewhere.files(dag.workflow, tmp_path / "flow")}
        at_home = {within: path for path, within in elsewhere.files(dag.workflow, tmp_path)}
    folder = str(tmp_path / "w/x")
    assert found == {
        elsewhere.within(folder, "wrapper.R"): tmp_path / "w/x/wrapper.R",
        elsewhere.within(folder, "lib/b.R"): tmp_path / "w/x/lib/b.R",
    }
    assert set(at_home) == {"w/x/wrapper.R", "w/x/lib/b.R"}


def test_a_folder_of_data_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elsewhere, "MOST_BYTES", 10)
    write_files(tmp_path / "w", {"x/wrapper.py": "", "x/data": "x" * 11})
    rule = RULE.format(f"file://{tmp_path}/w/x")
    with planned(tmp_path / "flow", {"Snakefile": rule}) as dag, pytest.raises(InputError) as caught:
        list(elsewhere.files(dag.workflow, tmp_path))
    assert caught.value.where == f"It is {tmp_path}/w/x."


def test_the_script_of_a_served_wrapper_is_looked_for_once(tmp_path: Path) -> None:
    write_files(tmp_path / "w", {"x/wrapper.R": "cat(1)"})
    with (
        served(tmp_path / "w") as address,
        planned(tmp_path / "flow", {"Snakefile": RULE.format(f"{address}/x")}) as dag,
    ):
        (job,) = dag.jobs
        call = compat.Call("wrapper", {"path": f"{address}/x", "prefix": None})
        wrappers = compat.Wrappers()
        source = compat.source_of(call, job, wrappers)
        assert (source.folder, source.name, source.text, source.local) == (
            f"{address}/x",
            "wrapper.R",
            "cat(1)",
            False,
        )
        first = wrappers.script(dag.workflow, f"{address}/x", None)
    # the server is gone, and what it has not is asked first
    assert wrappers.script(dag.workflow, f"{address}/x", None) is first
