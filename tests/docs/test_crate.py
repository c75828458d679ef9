"""A run as an RO-Crate, judged by roc-validator: real checks of the profiles that it says it conforms to."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from byok8s.history.event import Event
from byok8s.report import crate_folder
from byok8s.report.figures import Figures, figures
from own_environment import environment
from records import FACTS, RUN, START, at, given, worker

PACKAGES = ("roc-validator==0.13.0", "rocrate==0.16.0")
PROFILES = ("process-run-crate-0.5", "workflow-run-crate-0.5", "provenance-run-crate-0.5")
SCRIPT = Path(__file__).parents[1] / "helpers" / "validate_crate.py"
DIGEST = "sha256:" + "ab" * 32
HOSTILE = '</script> "a" \\ ü/../x\x1b[31m #?%20'
pytestmark = pytest.mark.xdist_group("crates")  # one makes the validator's environment for the others

Validate = Callable[[Path, str], Sequence[str]]
Graph = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def validate() -> Validate:
    """Have roc-validator in an environment of its own, as it wants older libraries than byok8s."""
    python = environment(PACKAGES)

    def validated(crate: Path, profile: str) -> Sequence[str]:
        words = [str(python), str(SCRIPT), str(crate), profile, "REQUIRED"]
        said = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout
        (found,) = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        assert found["checks"] > 40
        issues: list[str] = found["issues"]
        return issues

    return validated


@pytest.fixture
def snakefile(tmp_path: Path) -> Path:
    place = tmp_path / "rnaseq" / "workflow" / "Snakefile"
    place.parent.mkdir(parents=True)
    place.write_text("rule all:\n    shell: 'true'\n")
    os.utime(place, (START / 1000 - 1, START / 1000 - 1))
    return place


def of(snakefile: Path, *more: Event, **facts: object) -> Figures:
    """Return the figures of a run of two jobs, one of which has failed, and of more."""
    started = at(3, "worker.started", pod="w", node="n", images={"quay.io/a/b:1": DIGEST})
    a, b = "a" * 12, "b" * 12
    events = [
        at(0, "run.started", **{**FACTS, "snakefile": str(snakefile), **facts}),
        *(*worker("w", 1, 2, 3, 4, 50), started),
        *(
            given(5, a, wildcards={"sample": "x"}, outputs=["out/a b.txt", "s3://other/x.txt"]),
            at(6, "job.began", id=a, pod="w"),
        ),
        at(9, "job.ended", id=a, state="COMPLETE", pod="w", max_rss=20.5, cpu_time=1.5),
        *(given(10, b, "bad", outputs=["bad.txt"]), at(11, "job.began", id=b, pod="w")),
        at(
            12,
            "job.ended",
            id=b,
            state="EXECUTOR_ERROR",
            exit=3,
            cause="exit-code",
            why="exit code 3",
            pod="w",
        ),
        *more,
        at(60, "run.ended", exit=1, state="EXECUTOR_ERROR"),
    ]
    return figures(RUN, sorted(events, key=lambda event: str(event["time"])), START, alive=False)


def written(found: Figures, place: Path) -> Graph:
    crate_folder.write(place, found, crate_folder.sources(found), b"<html>", START / 1000 + 3600)
    entities = json.loads((place / "ro-crate-metadata.json").read_text())["@graph"]
    graph = {entity["@id"]: entity for entity in entities}
    assert len(graph) == len(entities)
    assert all(id_ in graph or not id_.startswith("#") for id_ in links(entities))
    return graph


def links(value: object) -> Iterable[str]:
    """Yield all that entities refer to."""
    if isinstance(value, dict):
        if value.keys() == {"@id"}:
            yield value["@id"]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from links(each)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_crate_is_as_its_profiles_require(
    profile: str, snakefile: Path, tmp_path: Path, validate: Validate
) -> None:
    (tmp_path / "rnaseq" / "LICENSE.md").write_text("MIT")
    written(of(snakefile), tmp_path / "crate")
    assert validate(tmp_path / "crate", profile) == []


def test_the_validator_finds_what_is_wrong(snakefile: Path, tmp_path: Path, validate: Validate) -> None:
    written(of(snakefile), tmp_path / "crate")
    metadata = tmp_path / "crate" / "ro-crate-metadata.json"
    metadata.write_text(metadata.read_text().replace('"HowToStep"', '"Thing"'))
    assert any("HowToStep" in issue for issue in validate(tmp_path / "crate", PROFILES[-1]))


@pytest.mark.parametrize("bucket", ["s3://lab/rnaseq", None], ids=["bucket", "no bucket"])
def test_names_that_nobody_expects(
    bucket: str | None, snakefile: Path, tmp_path: Path, validate: Validate
) -> None:
    c = "c" * 12
    facts = {"name": f"{HOSTILE}-{c}", "outputs": [f"out/{HOSTILE}"], "wildcards": {HOSTILE: HOSTILE}}
    hostile = [
        given(13, c, HOSTILE, **facts),
        at(14, "job.began", id=c, pod=""),
        at(15, "job.ended", id=c, state="COMPLETE"),
    ]
    found = of(snakefile, *hostile, bucket=bucket)
    graph = written(found, tmp_path / "crate")
    assert validate(tmp_path / "crate", PROFILES[-1]) == []
    assert "\x1b" not in json.dumps(graph, ensure_ascii=False)
    assert any(id_.startswith("s3://") for id_ in graph) == (bucket is not None)


def test_what_it_tells_is_what_the_record_has(snakefile: Path, tmp_path: Path) -> None:
    (tmp_path / "rnaseq" / "LICENSE").write_text("MIT")
    graph = written(of(snakefile), tmp_path / "crate")
    assert (tmp_path / "crate" / "workflow" / "Snakefile").read_text() == snakefile.read_text()
    assert (tmp_path / "crate" / "LICENSE").read_text() == "MIT"
    assert graph["./"]["license"] == {"@id": "LICENSE"}
    assert graph["workflow/Snakefile"]["version"] == FACTS["commit"]
    well, bad = graph[f"#job-{'a' * 12}"], graph[f"#job-{'b' * 12}"]
    assert [*links(well["result"])] == ["s3://lab/rnaseq/out/a%20b.txt", "s3://other/x.txt"]
    assert (well["startTime"], well["endTime"]) == ("2026-01-01T00:00:06+00:00", "2026-01-01T00:00:09+00:00")
    assert well["description"] == "A job of sort with sample=x"
    assert (bad["error"], "result" in bad) == ("exit code 3", False)
    image = graph[well["containerImage"]["@id"]]
    assert [image[name] for name in ("registry", "name", "tag", "sha256")] == [
        "quay.io",
        "a/b",
        "1",
        "ab" * 32,
    ]
    assert graph[f"#max_rss-{'a' * 12}"]["value"] == "20.5"


def test_a_group_is_a_tool_of_its_rules(snakefile: Path, tmp_path: Path) -> None:
    c = "c" * 12
    group = [
        given(13, c, "mine", rules=["trim", "count", "trim"]),
        at(15, "job.ended", id=c, state="COMPLETE"),
    ]
    graph = written(of(snakefile, *group), tmp_path / "crate")
    assert graph[graph[f"#job-{c}"]["instrument"]["@id"]]["name"] == "trim + count"


def test_without_a_licence_none_is_made_up(snakefile: Path, tmp_path: Path) -> None:
    graph = written(of(snakefile), tmp_path / "crate")
    assert "No licence is stated" in graph[graph["./"]["license"]["@id"]]["description"]
