"""The figures of a report: where time went, what was asked for and used, what it cost; and what is not known."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from byok8s.errors import InputError
from byok8s.history import sizes
from byok8s.history.event import Event, parsed
from byok8s.report import file, phrases, prices, tables, text, told, usage
from byok8s.report.data import columns
from byok8s.report.figures import Figures, as_json, figures
from byok8s.report.file import MARK
from byok8s.report.page import page
from byok8s.report.prices import Prices
from byok8s.report.told import Tail
from records import FACTS, RUN, START, at, given, many, worker

POD = "worker-0"
A, B, C = "aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"
STARTED, ENDED = at(0, "run.started", **FACTS), at(40, "run.ended", exit=0, state="COMPLETE")
LIFE = worker(POD, 2, 5, 9, 12, 38)


def of(*events: Event, table: Prices | None = None, alive: bool = False, now: float = 0) -> Figures:
    return figures(RUN, in_order(events), START + round(now * 1000), alive=alive, table=table)


def in_order(events: Iterable[Event]) -> list[Event]:
    return sorted(events, key=lambda event: str(event["time"]))


ENDING = (
    "state",
    "cause",
    "max_rss",
    "cpu_time",
    "io_in",
    "io_out",
    "fetched_bytes",
    "cached_bytes",
    "stored_bytes",
)


def job(
    id_: str, give: float, begin: float, end: float, rule: str = "sort", /, **more: object
) -> list[Event]:
    """more: facts of its being given, and seconds of its phases."""
    phases = {"fetched": "fetch", "ran": "run", "stored": "store"}
    taken = [(name, more.pop(phase)) for name, phase in phases.items() if phase in more]
    ending: dict[str, object] = {name: more.pop(name) for name in ENDING if name in more}
    return [
        given(give, id_, rule, **more),
        at(begin, "job.began", id=id_, pod=POD),
        *(at(end, f"job.{name}", id=id_, seconds=seconds) for name, seconds in taken),
        at(end, "job.ended", **{"id": id_, "state": "COMPLETE", "pod": POD, "node": "n", **ending}),
    ]


def known(seconds: object) -> dict[str, float]:
    assert isinstance(seconds, dict)
    return {phase: round(took, 3) for phase, took in seconds.items() if took}


# -- where the time went --


def test_a_job_waits_for_each_phase_of_its_worker_and_then_has_its_own() -> None:
    found = of(STARTED, *LIFE, *job(A, 1, 12, 20, fetch=1.5, run=4, store=0.5), ENDED)
    assert known(found.phases) == {
        "queue": 1,
        "node": 3,
        "pull": 4,
        "start": 3,
        "fetch": 1.5,
        "run": 4,
        "store": 0.5,
        "handover": 2,
    }


def test_a_job_that_comes_later_waits_for_the_worker_alone() -> None:
    found = of(STARTED, *LIFE, *job(A, 14, 20, 25, fetch=1, run=3, store=1))
    assert known(found.phases) == {"queue": 6, "fetch": 1, "run": 3, "store": 1}


@pytest.mark.parametrize(
    ("events", "phases"),
    [
        # cut off while it ran, by what its node knows
        (job(A, 12, 12, 20, fetch=1, state="SYSTEM_ERROR"), {"fetch": 1, "run": 7}),
        # an older record, or a worker that could not tell
        (job(A, 12, 12, 20), {"unsplit": 8}),
        # the node's clock is faster than ours
        (job(A, 12, 12, 20, fetch=5, run=10, store=1), {"fetch": 2.5, "run": 5, "store": 0.5}),
        # under way
        ([given(12, A), at(12, "job.began", id=A, pod=POD)], {"unsplit": 18}),
        (
            [given(12, A), at(12, "job.began", id=A, pod=POD), at(14, "job.fetched", id=A, seconds=2)],
            {"fetch": 2, "run": 16},
        ),
        # never begun
        ([given(12, A)], {"queue": 18}),
        # on the controller's machine
        (
            [given(12, A), at(13, "job.began", id=A), at(15, "job.ended", id=A, state="COMPLETE")],
            {"queue": 1, "run": 2},
        ),
    ],
)
def test_what_is_not_known_is_of_a_phase_of_its_own(events: list[Event], phases: dict[str, float]) -> None:
    found = of(STARTED, *worker(POD, 2, 5, 9, 12), *events, alive=True, now=30)
    assert known(found.phases) == phases


TIMES = st.lists(st.integers(0, 60_000), min_size=9, max_size=9).map(sorted)
PHASES = st.fixed_dictionaries({}, optional={name: st.floats(0, 100) for name in ("fetch", "run", "store")})


@settings(max_examples=150)
@for_all(TIMES, st.permutations(range(4)), PHASES, st.booleans(), st.integers(0, 5))
def test_every_second_of_every_try_is_of_a_phase_and_so_is_the_runs(
    times: list[int], places: list[int], phases: dict[str, float], ends: bool, marks: int
) -> None:
    """Whatever order things are told in, and whatever the clock of a node says."""
    first, *rest, last = (time / 1000 for time in times)
    events = [at(first, "run.started", **FACTS), *worker(POD, *sorted(rest[:5])[:marks])]
    moments = sorted(rest[place] for place in places[:3])
    seconds: dict[str, object] = dict(phases)
    made = job(A, moments[0], moments[1], moments[2], "sort", after=[], **seconds)
    events += made if ends else made[:-1]
    events.append(at(last, "job.given", id=B, job=B, rule="b", name="b", after=[A]))
    found = of(*events)
    for id_, each in found.tries.items():
        end = found.until if each.ended is None else each.ended
        assert sum(found.spent[id_]) == pytest.approx(end - (each.given or 0), abs=0.01)
        assert min(found.spent[id_]) >= -0.01
    assert found.path
    assert sum(found.path.seconds.values()) == pytest.approx(found.seconds, abs=0.01)


def test_a_large_runs_phases_add_up() -> None:
    found = figures(RUN, parsed(many(600, 7)), 0, alive=False)
    lasted = sum((each.ended or 0) - (each.given or 0) for each in found.tries.values()) / 1000
    assert sum(found.phases.values()) == pytest.approx(lasted)
    assert found.path
    assert sum(found.path.seconds.values()) == pytest.approx(found.seconds)
    busy = sum(each.busy for each in found.workers) / 1000
    assert busy == pytest.approx(
        sum(found.phases[name] for name in ("fetch", "run", "store", "handover", "unsplit"))
    )
    step, whole = found.cores.step, found.reserved.whole.cores
    assert sum(found.cores.reserved) * step / 3600 == pytest.approx(whole, rel=0.001)
    assert sum(found.cores.used) * step / 3600 == pytest.approx(found.cpu_hours, rel=0.001)
    assert len(found.cores.used) <= 600


def test_why_workers_waited_for_a_node_is_said_with_how_long() -> None:
    waits = at(
        3, "worker.waits", pod=POD, cause="unschedulable", why="no node takes it yet: Insufficient memory"
    )
    shown = page(of(STARTED, *LIFE, waits, *job(A, 1, 12, 20), ENDED), {}).decode()
    assert "no node takes it yet: Insufficient memory</th>" in shown
    assert "Why workers waited" not in page(of(STARTED, *LIFE, *job(A, 1, 12, 20), ENDED), {}).decode()


# -- the critical path --


def path(found: Figures) -> list[str]:
    assert found.path
    return [step.id for step in found.path.steps]


def test_the_path_goes_back_by_the_input_that_came_last() -> None:
    events = [
        *job(A, 1, 12, 20, "slow", fetch=0, run=8, store=0, after=[]),
        *job(B, 1, 12, 14, "quick", fetch=0, run=2, store=0, after=[]),
        *job(C, 21, 22, 30, "last", fetch=0, run=8, store=0, after=[B, A, "not-of-this-run"]),
    ]
    found = of(STARTED, *LIFE, *events, ENDED)
    assert path(found) == [A, C]
    assert found.path
    assert known(found.path.seconds) == {
        "plan": 1,
        "ready": 1,
        "queue": 2,
        "node": 3,
        "pull": 4,
        "start": 3,
        "run": 16,
        "end": 10,
    }


def test_a_job_that_is_tried_again_has_waited_for_its_tries_before() -> None:
    lost = job(A, 1, 12, 20, after=[], state="SYSTEM_ERROR", cause="evicted")
    # its end is noted after the next try is given
    again = job(f"{A}-l1", 19.5, 21, 30, after=[], attempt=2)
    found = of(STARTED, *LIFE, *lost, *again, ENDED)
    assert path(found) == [A, f"{A}-l1"]
    assert found.path
    assert sum(found.path.seconds.values()) == pytest.approx(found.seconds)
    assert found.lost == {"evicted": 1}
    assert (found.jobs.tries, found.jobs.again) == (2, 1)


def test_it_is_said_for_how_long_the_api_and_s3_did_not_answer() -> None:
    """Of workers that wait for S3 at once each second counts once, and a wait ends with the job and with the run."""
    events = [
        STARTED,
        *job(A, 1, 2, 20, after=[]),
        *(at(2, "api.away", why="refused"), at(5, "api.back")),
        *(at(3, "s3.away", why="503"), at(6, "s3.away", pod=POD, why="503"), at(8, "s3.back")),
        *(at(30, "s3.away", why="503"), at(31, "api.away", why="refused"), at(34, "run.ended", exit=1)),
    ]
    found = of(*events)
    assert found.away == {"api": 6, "s3": 21}
    assert (as_json(found)["api_away"], as_json(found)["s3_away"]) == (6, 21)
    said = ["The Kubernetes API did not answer for 6.0 s.", "S3 did not answer for 21 s."]
    assert list(text.lines(found))[-2:] == said
    assert all(f"<p>{words}</p>" in told.overview(found) for words in said)
    assert of(*(each for each in events if each["event"] != "run.ended")).away == {"api": 3, "s3": 18}
    assert of(STARTED, *job(A, 1, 2, 20, after=[]), ENDED).away == {"api": 0, "s3": 0}


def test_what_held_back_a_job_is_not_called_planning() -> None:
    found = of(
        STARTED, *job(A, 2, 3, 9, after=[]), *job(B, 10, 11, 20, after=[]), at(20, "run.ended", exit=0)
    )
    assert found.path
    assert known(found.path.seconds) == {"plan": 2, "ready": 8, "queue": 1, "unsplit": 9}


def test_what_passed_while_no_controller_was_at_work_is_said() -> None:
    again = at(30, "run.started", **{**FACTS, "resumed": True})
    first, then = job(A, 1, 2, 8, after=[]), job(B, 31, 32, 40, after=[A])
    found = of(STARTED, *first, at(10, "api.back"), again, *then)
    assert found.path
    assert known(found.path.seconds) == {"plan": 1, "gone": 20, "ready": 3, "queue": 2, "unsplit": 14}


def test_a_record_without_dependencies_has_no_path_and_says_so() -> None:
    found = of(STARTED, *LIFE, *job(A, 1, 12, 20), ENDED)
    assert found.path is None
    assert phrases.NO_PATH in "\n".join(text.lines(found))
    assert phrases.NO_PATH in page(found, {}).decode()


# -- asked for and used --


def rule(*events: Event) -> usage.Rule:
    (found,) = of(STARTED, *LIFE, *events).rules
    return found


def test_what_a_rule_asked_for_and_used() -> None:
    first = job(A, 1, 12, 20, fetch=1, run=6, store=1, threads=4, mem_mb=8000, max_rss=900.5, cpu_time=12)
    second = job(B, 1, 20, 30, fetch=1, run=8, store=1, threads=4, mem_mb=8000, max_rss=1900, cpu_time=5)
    found = rule(*first, *second)
    assert (found.tries, found.done, found.threads, found.mem_mb, found.peak_mb) == (2, 2, 4, 8000, 1900)
    assert (found.median, found.longest, found.cores) == (9, 10, 1.5)
    assert (found.cpu, found.asked) == (17, 72)
    assert found.core_hours == pytest.approx(72 / 3600)
    assert (found.better_mb, found.better_threads) == (2550, 2)
    assert (
        sizes.profile([found.better]) == "set-resources:\n  sort:\n    mem_mb: 2550\nset-threads:\n  sort: 2"
    )
    assert sizes.flags([found.better]) == "--set-resources sort:mem_mb=2550 --set-threads sort=2"


def test_nothing_is_suggested_below_what_ran_out_of_memory() -> None:
    killed = job(A, 1, 12, 20, mem_mb=2000, max_rss=300, state="EXECUTOR_ERROR", cause="out-of-memory")
    assert rule(*killed).better_mb == 3000
    again = job(f"{A}-m1", 21, 22, 30, mem_mb=3000, max_rss=2900, attempt=2)
    assert rule(*killed, *again).better_mb == 3800


def test_nothing_is_suggested_without_a_measurement_or_for_what_is_right() -> None:
    assert rule(*job(A, 1, 12, 20, mem_mb=8000)).better_mb is None
    assert rule(*job(A, 1, 12, 20, mem_mb=1000, max_rss=800)).better_mb is None
    assert rule(*job(A, 1, 12, 20, mem_mb=1000, max_rss=950)).better_mb == 1350
    assert (
        sizes.flags([rule(*job(A, 1, 12, 20)).better])
        == sizes.profile([rule(*job(A, 1, 12, 20)).better])
        == ""
    )


def test_a_group_is_given_no_resources_of_a_rule() -> None:
    group = job(A, 1, 12, 20, rules=["sort", "map"], mem_mb=8000, max_rss=100, cpu_time=1)
    assert rule(*group).is_group
    assert rule(*group).better_mb is None


def test_a_rules_name_may_be_anything_in_yaml_and_in_a_shell() -> None:
    import yaml

    found = rule(*job(A, 1, 12, 20, "it's: #1", max_rss=100))
    assert yaml.safe_load(sizes.profile([found.better])) == {"set-resources": {"it's: #1": {"mem_mb": 300}}}
    assert sizes.flags([found.better]) == """--set-resources 'it'"'"'s: #1:mem_mb=300'"""


# -- what it cost --


def test_hours_and_their_price() -> None:
    life = worker(POD, 0, 0, 900, 1800, 3600, threads=4, mem_mb=8000)
    events = (STARTED, *life, *job(A, 1, 1800, 2700), at(3600, "run.ended", exit=0, state="COMPLETE"))
    found = of(*events, table=Prices("EUR", 0.5, 0.25))
    whole = found.reserved
    assert (whole.whole.cores, whole.whole.gb) == (4, 8)
    assert (whole.starting.cores, whole.busy.cores, whole.idle.cores) == (2, 1, 1)
    assert (found.cost, found.cost_idle, whole.idle_share) == (4, 1, 0.25)
    assert "Cost: 4.00 EUR, of which idle 1.00 EUR." in list(text.lines(found))
    assert of(*events).cost is None


@pytest.mark.parametrize(
    ("content", "words_"),
    [
        ("{", "neither JSON nor YAML"),
        ("[]", "nothing else"),
        ("core_hours: 1", "nothing else"),
        ("core_hour: yes", "core_hour is True"),
        ("core_hour: -1", "core_hour is -1"),
        ("gb_hour: .nan", "gb_hour is nan"),
        ("gb_hour: 1e999", "gb_hour is"),
        ("currency: EUR", "names no price"),
        ("{core_hour: 1, currency: 3}", "currency is a short text"),
        ("a: &a [*a]", "nothing else"),
    ],
)
def test_a_price_table_that_is_wrong_says_so(content: str, words_: str, tmp_path: Path) -> None:
    table = tmp_path / "prices.yaml"
    table.write_text(content)
    with pytest.raises(InputError) as error:
        prices.read(table)
    assert words_ in str(error.value)
    assert str(table) in str(error.value)


def test_a_price_table(tmp_path: Path) -> None:
    table = tmp_path / "prices"
    table.write_text(prices.EXAMPLE)
    assert prices.read(table) == Prices("EUR", 0.04, 0.005)
    table.write_text('{"core_hour": 1}')
    assert prices.read(table) == Prices("", 1, 0)
    with pytest.raises(InputError, match="cannot be read"):
        prices.read(tmp_path)


def test_the_images_that_jobs_ran_in_are_told_by_digest_and_rule() -> None:
    first, second = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
    images = {"snakemake/snakemake:v9": first, "debian:12": second}
    found = of(
        STARTED,
        at(1, "worker.started", pod=POD, node="n", images=images),
        at(2, "worker.started", pod=POD, node="n", cause="node-lost"),
        *job(A, 1, 12, 20),
        *job(B, 1, 21, 22, "index"),
        at(3, "worker.started", pod="other", images={"debian:12": first}),
        ENDED,
    )
    told = [("debian:12", second, ["index", "sort"]), ("snakemake/snakemake:v9", first, ["index", "sort"])]
    assert [(image.name, image.digest, image.rules) for image in found.images] == told
    assert dict(phrases.asked(found))["Digest of debian:12"] == f"{second} (index, sort)"
    assert as_json(found)["images"] == [
        {"name": name, "digest": digest, "rules": rules} for name, digest, rules in told
    ]


# -- what is not known --


def test_what_an_older_record_does_not_have_is_not_recorded_and_not_0() -> None:
    """Of the first version of the schema, cut in the middle of a line."""
    old = {
        "run": RUN,
        "byok8s": "0.0.9",
        "snakemake": "9.19",
        "snakefile": "Snakefile",
        "context": "c",
        "resumed": False,
    }
    events = [at(0, "run.started", **old), at(1, "worker.started", pod=POD), *job(A, 1, 12, 20)]
    data = b"".join(json.dumps(event).encode() + b"\n" for event in in_order(events))
    found = figures(RUN, parsed(data + b'{"schema": "byok8s.ev'), 0, alive=False)
    assert found.state == "LOST"
    assert found.cpu_hours is None
    assert (found.reserved.unknown, found.reserved.idle_share) == (1, None)
    whole = dict(phrases.asked(found))
    assert {whole[label] for label in ("Command", "Commit", "Kubernetes", "Image")} == {"not recorded"}
    shown = page(found, {}).decode()
    assert re.search(r"<dt>Used</dt><dd>not recorded", shown)
    assert re.search(r"<dt>Idle</dt><dd>not recorded", shown)
    assert as_json(found)["critical_path"] is None


@pytest.mark.parametrize(
    "events", [[], [at(0, "moon.rose")], [STARTED], [STARTED, at(1, "run.planned", jobs={"a": 2})]]
)
def test_a_run_of_which_next_to_nothing_is_known_has_a_report(events: list[Event]) -> None:
    found = of(*events)
    assert page(found, {}).startswith(MARK)
    assert list(text.lines(found))
    assert json.loads(json.dumps(as_json(found)))["jobs"]["tries"] == 0


def test_events_with_facts_of_other_kinds_end_no_report() -> None:
    odd: list[Event] = [
        {
            **at(1, "job.given", id=A),
            "after": [3, None],
            "rules": [1],
            "wildcards": {"a": [1]},
            "threads": "2",
        },
        {**at(2, "job.began", id=A), "pod": ["p"]},
        {**at(3, "job.ran", id=A), "seconds": "long"},
        {**at(3, "job.stored", id=A), "seconds": float("inf")},
        {**at(3, "job.fetched", id=A), "seconds": float("nan")},
        {**at(4, "worker.created", pod=POD), "threads": {}, "mem_mb": 10**400},
        {**at(5, "run.started"), "targets": {"a": 1}, "commit": 7, "modified": "x"},
        {**at(6, "job.ended", id=B), "state": 5, "max_rss": True},
    ]
    assert page(of(*odd), {})
    assert "Infinity" not in json.dumps(as_json(of(*odd)))


# -- the page --

ATTACK = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\u202e\x1b[31m\udcff"


def test_nothing_that_others_wrote_is_markup() -> None:
    """By whatever way it comes: the only elements that run or load something are the page's own."""
    named = job(
        A, 1, 12, 20, ATTACK, wildcards={ATTACK: ATTACK}, name=ATTACK, state="EXECUTOR_ERROR", cause=ATTACK
    )
    facts = {**FACTS, "command": ATTACK, "image": ATTACK, "targets": [ATTACK], "commit": ATTACK}
    pods = [
        at(2, "worker.created", pod=ATTACK, threads=1, mem_mb=1),
        at(3, "worker.scheduled", pod=ATTACK, node=ATTACK),
    ]
    found = figures(ATTACK, in_order([at(0, "run.started", **facts), *pods, *named]), 0, alive=False)
    shown = page(found, {ATTACK: Tail(ATTACK, [ATTACK])}).decode()
    assert "Permission is hereby granted" in shown  # the library's licence goes where it goes
    assert len(re.findall(r"<script", shown)) == 3
    assert "<img" not in shown
    assert "onerror=alert" in shown.replace("&quot;", '"')
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "default-src 'none'" in shown


def test_the_tables_numbers_are_those_of_the_record() -> None:
    found = of(
        STARTED, *LIFE, *job(A, 1, 12, 20, fetch=1.25, run=6, max_rss=10.26, io_out=2.52), given(21, B)
    )
    tries = columns(found)["tries"]
    assert isinstance(tries, dict)
    shown = {
        name: tries[name]
        for name in ("given", "waited", "lasted", "fetch", "run", "store", "peak", "written", "exit")
    }
    assert shown == {
        "given": [100, 2000],
        "waited": [1100, -1],
        "lasted": [800, -1],
        "fetch": [125, -1],
        "run": [600, -1],
        "store": [-1, -1],
        "peak": [10.3, -1],
        "written": [2.5, -1],
        "exit": [None, None],
    }


def test_ten_thousand_tries_are_a_page_of_less_than_2_mb() -> None:
    found = figures(RUN, parsed(many(10_000, 50)), 0, alive=False)
    assert len(page(found, {})) < 2_000_000


def test_fifty_failures_are_shown_and_the_rest_counted() -> None:
    failed = [event for n in range(70) for event in job(f"{n:012}", 1, 12, 20, state="EXECUTOR_ERROR")]
    shown = page(of(STARTED, *failed), {}).decode()
    assert shown.count('class="failure"') == 50
    assert "And 20 more" in shown
    assert shown.count("The end of its log is not recorded.") == 50


# -- the file --


def test_only_a_report_is_replaced(tmp_path: Path) -> None:
    place = tmp_path / "report.html"
    file.check(place)
    file.write(place, MARK + b"one")
    file.check(place)
    file.write(place, MARK + b"two")
    assert place.read_bytes() == MARK + b"two"
    place.write_text("<!doctype html>\n<title>my thesis</title>")
    with pytest.raises(InputError, match="no report of byok8s"):
        file.check(place)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_what_is_no_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("folder", "link"):
        with pytest.raises(InputError, match="is no file"):
            file.check(tmp_path / name)
    with pytest.raises(InputError, match="There is no folder"):
        file.check(tmp_path / "nowhere" / "report.html")


def test_bytes_of_files_are_those_of_all_tries_and_unknown_if_no_record_has_them() -> None:
    many = {"fetched_bytes": 1_200_000_000, "cached_bytes": 0, "stored_bytes": 5}
    again = {"fetched_bytes": 0, "cached_bytes": 1_200_000_000, "stored_bytes": 5}
    found = of(STARTED, *LIFE, *job(A, 1, 12, 20, **many), *job(B, 1, 21, 22, **again), ENDED)
    (of_sort,) = found.rules
    assert (of_sort.fetched, of_sort.cached, of_sort.stored) == (1_200_000_000, 1_200_000_000, 10)
    row = "".join(f'<td class="num">{cell}</td>' for cell in ("1.2 GB", "1.2 GB", "10 bytes"))
    assert row in tables.files(found)
    (unknown,) = of(STARTED, *LIFE, *job(A, 1, 12, 20), ENDED).rules
    assert unknown.fetched is None
    assert tables.files(of(STARTED, *LIFE, *job(A, 1, 12, 20), ENDED)) == ""
