"""What runs tell of the sizes of rules."""

from __future__ import annotations

import pytest
import yaml
from msgspec.structs import replace

from byok8s.history.event import COMPLETE
from byok8s.history.sizes import Size, flags, learned, profile
from byok8s.history.state import Try

TRY = Try(
    "1",
    rule="sort",
    rules=("sort",),
    threads=4,
    mem_mb=8000,
    state=COMPLETE,
    max_rss=1000.0,
    cpu_time=15.0,
    seconds={"run": 10.0},
)


def test_the_most_that_was_used_counts_with_a_margin_and_room_for_the_worker() -> None:
    (found,) = learned([TRY, replace(TRY, max_rss=2000.0, cpu_time=5.0)])
    assert found.size == Size("sort", 2700, 2)
    assert (found.jobs, found.asked_mb, found.peak_mb, found.cores) == (2, 8000, 2000.0, 1.5)


def test_what_small_jobs_did_well_with_is_enough() -> None:
    (found,) = learned([replace(TRY, mem_mb=300, max_rss=128.0), replace(TRY, mem_mb=500, max_rss=90.0)])
    assert found.size.mem_mb == 300
    (tight,) = learned([replace(TRY, mem_mb=300, max_rss=270.0)])
    assert tight.size.mem_mb == 500


def test_what_a_small_job_did_well_with_is_not_enough_for_a_larger_one() -> None:
    (found,) = learned([replace(TRY, mem_mb=300, max_rss=100.0), replace(TRY, mem_mb=8000, max_rss=200.0)])
    assert found.size.mem_mb == 450


def test_what_was_too_little_is_never_advised_again() -> None:
    failed = replace(TRY, state="EXECUTOR_ERROR", cause="out-of-memory", mem_mb=4000, max_rss=None)
    (found,) = learned([TRY, failed])
    assert found.size.mem_mb == 6000


@pytest.mark.parametrize(
    "unknown",
    [
        replace(TRY, max_rss=None, cpu_time=None),
        replace(TRY, state="EXECUTOR_ERROR", cause="exit-code"),
        replace(TRY, state="", max_rss=None),
    ],
    ids=["not measured", "failed", "not begun"],
)
def test_of_what_is_not_known_nothing_is_advised(unknown: Try) -> None:
    (found,) = learned([unknown])
    assert found.size == Size("sort")
    assert profile([found.size]) == flags([found.size]) == ""


def test_threads_are_never_raised_nor_told_by_a_job_too_short_to_be_measured() -> None:
    (busy,) = learned([replace(TRY, threads=1, cpu_time=30.0)])
    assert busy.size.threads is None
    (short,) = learned([replace(TRY, seconds={"run": 0.3}, cpu_time=0.3)])
    assert short.size.threads is None


GROUP = replace(TRY, rule="group", rules=("sort", "merge", "sort"), at_once=1)


def test_each_of_a_groups_jobs_that_run_one_by_one_asks_for_what_was_enough_for_all() -> None:
    assert [(each.size, each.jobs, each.peak_mb, each.cores) for each in learned([GROUP])] == [
        (
            Size("sort", 1450),
            1,
            1000.0,
            None,
        ),  # of threads nothing: one may have used what all have on average
        (Size("merge", 1450), 1, 1000.0, None),
    ]
    alone = replace(TRY, max_rss=2000.0)
    assert [each.size for each in learned([GROUP, alone])] == [Size("sort", 2700, 2), Size("merge", 1450)]
    failed = replace(GROUP, state="EXECUTOR_ERROR", cause="out-of-memory", mem_mb=2000, max_rss=None)
    assert {each.size.mem_mb for each in learned([GROUP, failed])} == {3000}


@pytest.mark.parametrize("at_once", [2, None], ids=["at once", "not known"])
def test_of_groups_whose_jobs_may_run_at_once_nothing_is_told(at_once: int | None) -> None:
    assert learned([replace(GROUP, at_once=at_once)]) == []


def test_what_many_jobs_did_well_with_is_enough_with_less_room() -> None:
    many = [replace(TRY, mem_mb=1400, max_rss=rss) for rss in (1045.0, 1066.0, 1069.0, 1071.0, 1071.0)]
    assert learned(many)[0].size.mem_mb == 1400
    assert learned(many[1:])[0].size.mem_mb == 1500  # too few
    assert learned([*many[1:], replace(many[0], max_rss=900.0)])[0].size.mem_mb == 1500  # too small
    assert learned([*many[1:], replace(many[0], mem_mb=2000)])[0].size.mem_mb == 1500  # with more
    assert (
        learned([replace(each, mem_mb=1250) for each in many])[0].size.mem_mb == 1500
    )  # without the worker's
    failed = replace(TRY, state="EXECUTOR_ERROR", cause="out-of-memory", mem_mb=1400, max_rss=None)
    assert learned([*many, failed])[0].size.mem_mb == 2100


def test_a_profile_is_one_of_snakemakes() -> None:
    sizes = [Size("sort", 300, 2), Size("module_x@1", 400), Size("merge", None, 1)]
    assert yaml.safe_load(profile(sizes)) == {
        "set-resources": {"sort": {"mem_mb": 300}, "module_x@1": {"mem_mb": 400}},
        "set-threads": {"sort": 2, "merge": 1},
    }
    assert flags(sizes) == (
        "--set-resources sort:mem_mb=300 module_x@1:mem_mb=400 --set-threads sort=2 merge=1"
    )
