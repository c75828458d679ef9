"""The measure itself: how a test's arguments become a command line, and what counts as a difference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from conformance import known, report
from conformance.attempt import Attempt
from conformance.cases import Excluded, cases
from conformance.compare import differences
from conformance.corpus import Call, Corpus, UpstreamTest
from conformance.known import Difference, Known
from conformance.oracle import Oracle
from conformance.results import Results
from conformance.verdict import Verdict
from conformance.workflow import Workflow


def corpus(folder: Path, **arguments: object) -> Corpus:
    """Return one test that calls run() once, with these arguments."""
    (folder / "test_a").mkdir(exist_ok=True)
    return Corpus(folder, [UpstreamTest("test_a", [Call("test_a", arguments)])])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, Workflow(Path(), cores=3)),
        ({"targets": "a.txt", "cores": 1}, Workflow(Path(), ("a.txt",), cores=1)),
        ({"targets": ["a", "b"], "shouldfail": True}, Workflow(Path(), ("a", "b"), fails=True)),
        (
            {"config": {"a": 1}, "snakefile": "other.smk"},
            Workflow(Path(), snakefile="other.smk", config={"a": 1}),
        ),
        (
            {
                "retries": 2,
                "overwrite_groups": {"a": "g"},
                "all_temp": True,
                "resources": {"mem_mb": 3, "x": None},
            },
            Workflow(
                Path(), flags=("--retries", "2", "--resources", "mem_mb=3", "--groups", "a=g", "--all-temp")
            ),
        ),
        (
            {
                "overwrite_resources": {"a": {"b": 1}},
                "batch": {"fields": {"rulename": "r", "idx": 1, "batches": 2}},
            },
            Workflow(Path(), flags=("--batch", "r=1/2", "--set-resources", "a:b=1")),
        ),
        (
            {"shellcmd": "snakemake -c20 --verbose --executor x --set-threads 'a=max(1, 2)' -s x.smk -- a b"},
            Workflow(Path(), ("a", "b"), "x.smk", flags=("--set-threads", "a=max(1, 2)"), cores=20),
        ),
        ({"shellcmd": "snakemake --cores=4 --forceall"}, Workflow(Path(), flags=("--forceall",), cores=4)),
    ],
)
def test_a_tests_arguments_become_a_command_line(
    arguments: dict[str, object], expected: Workflow, tmp_path: Path
) -> None:
    [case], excluded = cases(corpus(tmp_path, **arguments))
    assert excluded == []
    assert replace(case.workflow, folder=Path()) == expected


def test_cores_of_a_command_count_over_those_of_a_profile(tmp_path: Path) -> None:
    found = corpus(tmp_path, shellcmd="snakemake -c2 --forceall")
    profile = found.folder / found.tests[0].calls[0].folder / "profiles" / "default" / "config.yaml"
    profile.parent.mkdir(parents=True)
    profile.write_text("cores: 3\n")
    [case], _ = cases(found)
    assert case.workflow.flags == ("--forceall", "--cores", "2")


def test_cores_are_named_if_a_test_may_fail_for_want_of_them(tmp_path: Path) -> None:
    [case], _ = cases(corpus(tmp_path, cores=2, shouldfail=True))
    assert case.workflow.flags == ("--cores", "2")


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"executor": "dryrun"}, "runs no jobs: dryrun"),
        ({"archive": "a.tar.gz"}, "runs no jobs: makes an archive"),
        ({"report": "report.html"}, "runs no jobs: makes a report"),
        ({"shellcmd": "snakemake --summary"}, "runs no jobs: another command"),
        ({"shellcmd": "snakemake -c1 > out"}, "runs no jobs: another command"),
        ({"shellcmd": "snakemake -s http://127.0.0.1:1/Snakefile"}, "wants a server of its own"),
        ({"sigint_after": 1.0}, "is interrupted"),
    ],
)
def test_what_is_no_run_of_jobs_is_excluded(arguments: dict[str, object], kind: str, tmp_path: Path) -> None:
    assert cases(corpus(tmp_path, **arguments)) == ([], [Excluded("test_a", kind)])


def test_the_same_run_is_made_once_and_others_are_numbered(tmp_path: Path) -> None:
    (tmp_path / "test_a").mkdir()
    calls = [
        Call("test_a", given) for given in ({}, {"cleanup": False}, {"cores": 1}, {"executor": "dryrun"})
    ]
    found, excluded = cases(Corpus(tmp_path, [UpstreamTest("test_a", calls), UpstreamTest("test_b", [])]))
    assert [case.name for case in found] == ["test_a", "test_a.2"]
    assert [test.name for test in excluded] == ["test_a.3", "test_b"]


ORACLE = Oracle(
    ended=True,
    words="",
    files={"a.txt": "1", "log": None, "beside": "2"},
    outputs=frozenset({"a.txt"}),
    gone=frozenset({"in.txt"}),
    absent=[],
    other=[],
)
RIGHT = Attempt(
    ended=True,
    code=0,
    words="",
    seconds=1.0,
    stored={"a.txt": "1", "log": "x"},
    beside={"beside": "2"},
    kept=frozenset(),
)


ABSENT = ["a.txt is missing", "log is missing"]


@pytest.mark.parametrize(
    ("attempt", "expected"),
    [
        (RIGHT, []),
        (replace(RIGHT, ended=False, code=2), ["ended with exit code 2"]),
        (replace(RIGHT, ended=False, code=2, stored={}), ["ended with exit code 2", *ABSENT]),
        # a workflow that has to fail
        (replace(RIGHT, code=2, stored={}, beside={}), []),
        (replace(RIGHT, code=1, stored={}), ABSENT),
        (replace(RIGHT, ended=False, code=None), ["has not ended after 1 s"]),
        (replace(RIGHT, stored={"a.txt": "1"}), ["log is missing"]),
        (replace(RIGHT, stored={"a.txt": "2", "log": "x"}), ["a.txt has another content"]),
        (
            replace(RIGHT, stored={"log": "x"}, beside={"a.txt": "1", "beside": "2"}),
            ["a.txt is not in the bucket"],
        ),
        (replace(RIGHT, stored={"a.txt": "1", "log": "x", "b": "3"}), ["b is there in addition"]),
        (replace(RIGHT, stored={"a.txt": "1", "log": "x", "empty/": "3"}), []),
        (replace(RIGHT, kept=frozenset({"in.txt", "other"})), ["in.txt was not removed"]),
    ],
)
def test_differences_are_named(attempt: Attempt, expected: list[str]) -> None:
    assert differences(ORACLE, attempt) == expected


@pytest.mark.parametrize(
    ("different", "why", "fault"),
    [
        ([], None, ""),
        (["a is missing"], "a reason", ""),
        (["a is missing", "b is missing"], None, "a is missing; b is missing"),
        ([], "a reason", "does not differ any more: remove it from known.toml"),
        ([], "sometimes", ""),
    ],
)
def test_a_difference_without_a_reason_is_a_fault_and_a_reason_without_a_difference(
    different: list[str], why: str | None, fault: str
) -> None:
    is_known = Difference(["test_a"], ["local"], why, sometimes=why == "sometimes") if why else None
    assert Verdict("test_a", "local", different, is_known, 1.0, "").fault == fault


def test_what_is_known_is_said_of_a_test_once_and_what_is_excluded_is_not_run() -> None:
    found = known.load()
    assert len(found.subset) == len(set(found.subset))
    differ = {test for entry in found.different for test in entry.tests}
    assert not found.excluded.keys() & {*differ, *found.subset}
    assert set(found.whole_node) <= set(found.subset)


def test_the_page_has_every_test_every_reason_and_the_totals() -> None:
    about = Known({}, [Difference(["test_b"], ["local"], "the reason")], [], [])
    results = {"local": Results("2026-01-02", "2026-01-02", {"test_a": [], "test_b": ["x is missing"]})}
    page = report.page(report.Measured(["test_a", "test_b"], {"test_c": "about nothing"}, results), about)
    for line in (
        "Of 3 tests 2 apply, and 1 are excluded.",
        "| `--local` | 2 | 1 | 1 | 50.0 % |",
        "- the reason: `test_b` (local)",
        "| about nothing | 1 | `test_c` |",
        "| `test_a` | right | not run |",
        "| `test_b` | differs: the reason | not run |",
        "| `test_c` | excluded: about nothing | excluded: about nothing |",
    ):
        assert f"\n{line}\n" in page
