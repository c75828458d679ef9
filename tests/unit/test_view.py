"""What a person sees of what runs left."""

import json

import pytest

from byok8s import view
from byok8s.doctor.check import Check, Field, Report, failed, ok, skipped, warning
from byok8s.run_objects.clean import Found
from byok8s.run_objects.leftovers import Part, Run

PARTS = (
    Part("pods", "p"),
    Part("secrets", "s"),
    *(Part("configmaps", f"c-{n}") for n in range(3)),
    Part("jobs", "j"),
)
DEAD = Run("20261122-195014-8e92", PARTS, "ada@laptop, process 42", 7500, 7380.5, dead=True)
ALIVE = Run("20261122-205014-11aa", PARTS[:1], "", 700, 700, dead=False)


def test_a_table_of_runs() -> None:
    shown = view.leftovers(Found(None, "lab", (DEAD, ALIVE), ()), (DEAD, ALIVE))
    assert shown.splitlines() == [
        "RUN                   AGE        PODS  SECRETS  CONFIG MAPS  STARTED BY              CONTROLLER",
        "20261122-195014-8e92  2 h 5 min  1     1        3            ada@laptop, process 42  "
        "dead, last heard of at most 2 h 4 min ago",
        "20261122-205014-11aa  12 min     1     0        0            not known               "
        "last heard of at most 12 min ago",
    ]


def test_what_cannot_be_seen_is_said() -> None:
    shown = view.leftovers(Found(None, "lab", (), ("secrets", "jobs")), ())
    assert "nothing of byok8s in namespace 'lab'" in shown
    assert "Missing right: list secrets." in shown
    assert "Missing right: list jobs. Without it no run is known to be dead." in shown


@pytest.mark.parametrize(
    ("chosen", "spared", "said"),
    [
        ([DEAD], [], "To remove: 20261122-195014-8e92."),
        ([], [], "Nothing to remove."),
        (
            [],
            [ALIVE],
            "Nothing to remove.\nMay be alive, and stays: 20261122-205014-11aa. Name a run, or --all, to remove it.",
        ),
    ],
)
def test_what_is_to_be_removed(chosen: list[Run], spared: list[Run], said: str) -> None:
    assert view.choice(chosen, spared) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-0.4, "1 min"),
        (0, "1 min"),
        (1, "1 min"),
        (660, "11 min"),
        (661, "12 min"),
        (3540, "59 min"),
        (3541, "1 h 0 min"),
        (47 * 3600, "47 h 0 min"),
        (48 * 3600, "2 d 0 h"),
        (49 * 3600 + 1, "2 d 2 h"),
    ],
)
def test_times_are_rounded_up(seconds: float, said: str) -> None:
    assert view._span(seconds) == said


def field(*checks: Check) -> Field:
    return Field("f", "A field", checks)


def test_a_field_of_the_doctors_report_fits_80_columns() -> None:
    shown = view.field_lines(
        field(
            ok("pods", "create"),
            ok("pods", "list"),
            failed(
                "secrets",
                "delete is not allowed; it is for removing them, as each run does at its end",
                "Ask.",
            ),
            skipped("a", "there is no b"),
            skipped("c", "there is no b"),
        )
    )
    assert shown.splitlines() == [
        "A field",
        "  ok       pods     create, list",
        "  failed   secrets  delete is not allowed; it is for removing them, as each run",
        "                    does at its end",
        "           -> Ask.",
        "  not looked at  a, c: there is no b",
    ]


def test_what_fixes_several_checks_in_a_row_is_said_once() -> None:
    shown = view.field_lines(
        field(failed("a", "x", "Ask."), failed("b", "y", "Ask."), failed("c", "z", "Look."))
    )
    assert shown.splitlines() == [
        "A field",
        "  failed   a  x",
        "  failed   b  y",
        "           -> Ask.",
        "  failed   c  z",
        "           -> Look.",
    ]


def test_a_field_that_was_not_looked_at_is_one_line() -> None:
    assert view.field_lines(field(skipped("a", "there is no b"), skipped("c", "there is no b"))) == (
        "A field: not looked at, as there is no b"
    )


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ([field(ok("a", ""), warning("b", "", ""))], "A run would work."),
        ([field(ok("a", "")), field(skipped("b", ""))], "A run would work, as far as this has looked."),
        (
            [
                field(ok("a", ""), *[failed("b", "")] * 2, failed("c", "")),
                Field("g", "Others", [failed("d", "")]),
            ],
            "A run would fail: b, c (a field); d (others).",
        ),
    ],
)
def test_the_last_line_says_whether_a_run_would_work(fields: list[Field], said: str) -> None:
    assert view.verdict(Report(fields)) == said


def test_a_report_for_machines() -> None:
    told = json.loads(view.report_json(Report([field(failed("a", "seen", "fix"))])))
    assert told == {
        "would_work": False,
        "checks": [{"field": "f", "name": "a", "status": "failed", "seen": "seen", "fix": "fix"}],
    }


def test_what_jobs_have_moved_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    view.show_moved({})
    view.show_moved({"fetched_bytes": 1_200_000_000, "cached_bytes": 0, "stored_bytes": 5})
    view.show_moved({"fetched_bytes": 0, "cached_bytes": 28_500_000_000, "stored_bytes": 2000})
    assert capsys.readouterr().out.splitlines() == [
        "Jobs fetched 1.2 GB and stored 5 bytes.",
        "Jobs fetched 0 bytes, took 28 GB that their workers had kept, and stored 2.0 kB.",
    ]
