"""Descriptions as they go to pods, and the folders of pods that stand for the controller's."""

import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from byok8s.jobs.tasks import to_json
from byok8s.worker import description
from byok8s.worker.description import (
    Action,
    Ensure,
    File,
    JobDescription,
    Member,
    RunDescription,
    ShellSettings,
    Snakefile,
    job_from_json,
    run_from_json,
)
from byok8s.worker.path_mapping import PathMapping
from byok8s.worker.values import Encoded

JOB = JobDescription(
    levels=[
        [
            Member(
                rule="a",
                jobid=1,
                threads=2,
                action=Action("shell", "echo hi"),
                input=[File("i", "b", "p/i", 3)],
                output=[File("o", "b", "p/o", directory=True, ensure=Ensure(True, "abc", "md5"))],
                log=[File("l", "b", "p/l")],
                benchmark=File("m", "b", "p/m"),
                repeats=3,
                keep=["x.*"],
                values={"params": {"items": ["x"], "names": [["n", 0, None]]}},
            )
        ],
        [Member(rule="r", jobid=2, threads=1, action=Action("function", globals={"K": [1]}))],
    ],
    drop=[["o"], []],
    cores=2,
    files={"x": "eA=="},
    places=[("/cache", ".snakemake/c")],
)
RUN = RunDescription(
    Snakefile("/home/ada/flow/Snakefile", config={"dict": []}, nodes=4),
    cwd="sub",
    places=[("/home/ada/flow", "")],
    environment={"PATH": ("/bin", "/bin:/home/ada/flow/bin"), "NEW": (None, "/home/ada/flow")},
    shell=ShellSettings("set -u; "),
    storage={"region": "eu"},
)


def test_a_description_is_the_same_after_its_way() -> None:
    there = job_from_json(json.loads(json.dumps(to_json(JOB))))
    assert to_json(there) == json.loads(json.dumps(to_json(JOB)))
    assert there.levels[0][0] == JOB.levels[0][0]
    assert [member.rule for member in there.members] == ["a", "r"]
    run = run_from_json(json.loads(json.dumps(to_json(RUN))))
    assert run.snakefile == RUN.snakefile
    assert run.shell == RUN.shell


class _Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "told otherwise"


class _Number(int):
    pass


class _Real(float):
    pass


def test_values_of_classes_are_the_texts_and_numbers_that_they_are() -> None:
    values: dict[str, Encoded] = {
        "resources": [_Text("a"), _Number(3), _Real(0.5), True, None, {"n": _Text("b")}]
    }
    given = Member(_Text("a"), _Number(1), 1, Action("shell", _Text("echo")), values=values)
    job = JobDescription([[given]])
    assert json.dumps(to_json(job)) == json.dumps(asdict(job))
    there = job_from_json(to_json(job)).levels[0][0]
    assert there.values == {"resources": ["a", 3, 0.5, True, None, {"n": "b"}]}
    assert [type(there.rule), type(there.jobid), type(there.action.text)] == [str, int, str]


def test_what_json_has_not_is_refused() -> None:
    with pytest.raises(TypeError):
        to_json(JobDescription([[Member("a", 1, 1, Action("shell", "x"), values={"of": object()})]]))  # type: ignore[dict-item]


def test_a_description_of_another_version_is_refused() -> None:
    data = to_json(JOB) | {"new": 1}
    with pytest.raises(TypeError):
        job_from_json(data)


def test_only_what_has_a_key_is_stored() -> None:
    assert File("a", "b", "k").stored
    assert not File("p", pipe=True).stored


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("/home/ada/flow", "{root}"),
        ("cat /home/ada/flow/a '/home/ada/flow/b'", "cat {root}/a '{root}/b'"),
        ("/home/ada/flow2/a /home/ada/flow-x", "/home/ada/flow2/a /home/ada/flow-x"),
        ("/cache/file", "{root}/.snakemake/c/file"),
        ("no path", "no path"),
    ],
)
def test_absolute_paths_of_the_controller_are_those_of_the_pod(text: str, there: str, tmp_path: Path) -> None:
    places = PathMapping(RUN, tmp_path, JOB.places)
    assert places.relocate(text) == there.format(root=tmp_path)


def test_a_job_works_where_the_controller_did_and_with_what_the_snakefile_has_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/opt/image/bin")
    monkeypatch.setenv("PWD", "/")
    monkeypatch.delenv("NEW", raising=False)
    PathMapping(RUN, tmp_path).enter()
    assert Path.cwd() == tmp_path / "sub"
    assert os.environ["PWD"] == str(tmp_path / "sub")
    assert os.environ["PATH"] == f"/opt/image/bin:{tmp_path}/bin"
    assert os.environ.pop("NEW") == str(tmp_path)


def test_temporary_files_have_the_pods_folder(tmp_path: Path) -> None:
    assert (
        PathMapping(RUN, tmp_path)
        .relocate(f"{description.RunDescription(RUN.snakefile).tmpdir}/x")
        .endswith("/x")
    )
    assert "byok8s" not in PathMapping(RUN, tmp_path).relocate(RUN.tmpdir)
