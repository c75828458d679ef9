"""The scheduler plugin beside Snakemake's greedy one, which looks at every ready job at every step."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from snakemake.scheduling import greedy, job_scheduler
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_scheduler_plugin_byok8s import Scheduler, compat
from snakemake_scheduler_plugin_byok8s.choice import Queue, chosen

NAMES = ("_nodes", "_cores", "gpu", "tape")


@dataclass(eq=False)
class File:
    temporary: bool

    def is_flagged(self, flag: str) -> bool:
        return flag == "temp" and self.temporary


@dataclass(eq=False)
class Job:
    """A job, or a group of them: to a scheduler both are this. after: the jobs that it waits for."""

    number: int
    priority: int
    needs: Mapping[str, int]
    input: Sequence[File] = ()
    after: frozenset[int] = frozenset()

    def __hash__(self) -> int:
        return self.number  # so that a set of them has the same order each time

    @property
    def scheduler_resources(self) -> Mapping[str, int]:
        return {"_job_count": 1, "mem_mb": 1000 * self.number, **self.needs}


@dataclass
class World:
    """Jobs as Snakemake has them run. limits: None of a resource that has none."""

    jobs: list[Job]
    limits: dict[str, int]
    done: set[int] = field(default_factory=set)
    running: list[Job] = field(default_factory=list)
    started: set[int] = field(default_factory=set)

    def ready(self) -> set[Job]:
        return {job for job in self.jobs if job.number not in self.started and job.after <= self.done}

    def available(self) -> dict[str, int]:
        return {
            name: limit - sum(job.scheduler_resources.get(name, 0) for job in self.running)
            for name, limit in self.limits.items()
        }


@st.composite
def worlds(draw: st.DrawFn, *, distinct: bool = False) -> World:
    """distinct: no two jobs have the same priority, and none frees a temporary file."""
    number, seed = draw(st.integers(1, 20)), draw(st.integers(0, 1 << 32))
    random = Random(seed)
    priorities = random.sample(range(number), number) if distinct else random.choices(range(3), k=number)
    jobs = [
        Job(
            i,
            priorities[i],
            {
                "_nodes": 1,
                "_cores": random.randint(1, 4),
                random.choice(["gpu", "tape"]): random.randint(0, 3),
            },
            [] if distinct else [File(random.random() < 0.3)],
            frozenset(random.sample(range(i), k=random.randint(0, min(i, 2)))),
        )
        for i in range(number)
    ]
    return World(jobs, {"_job_count": 1 << 40, **{name: random.randint(4, 9) for name in NAMES}})


def greedys(jobs: Iterable[Job], available: Mapping[str, int]) -> list[Job]:
    settings = greedy.SchedulerSettings(omit_prioritize_by_temp_and_input=True)
    scheduler = greedy.Scheduler(None, settings, logging.getLogger())
    return list(scheduler.select_jobs(list(jobs), [], available, {}))


def queued(queue: Queue, world: World) -> list[Job]:
    """What starts, with the queue in between, as in a run of byok8s."""
    queue.add(queue.update(world.ready()), world.limits)  # type: ignore[arg-type]
    offered = queue.offer(world.available())
    selected = Scheduler(None, None, logging.getLogger()).select_jobs(offered, [], world.available(), {})
    queue.remove(selected)
    return list(selected)  # type: ignore[arg-type]


def go_on(data: st.DataObject, world: World, selected: Sequence[Job]) -> None:
    """Have them run, and some of those that run end: one or more, each well or to be tried again."""
    world.running += selected
    world.started |= {job.number for job in selected}
    ends = data.draw(st.sets(st.sampled_from(range(len(world.running))), min_size=1))
    for job in [world.running[i] for i in ends]:
        world.running.remove(job)
        if data.draw(st.integers(0, 4)) < 4:
            world.done.add(job.number)
        else:  # it is ready again, and asks for more
            job.needs = {**job.needs, "_cores": min(4, job.needs["_cores"] + 1)}
            world.started.remove(job.number)


@given(st.data(), worlds(distinct=True))
def test_the_same_as_greedy_where_priorities_decide(data: st.DataObject, world: World) -> None:
    queue = Queue()
    while world.ready() or world.running:
        expected = greedys(world.ready(), world.available()) if world.ready() else []
        selected = queued(queue, world)
        assert {job.number for job in selected} == {job.number for job in expected}
        go_on(data, world, selected)
    assert len(world.done) == len(world.jobs)


@given(st.data(), worlds())
def test_a_choice_that_greedy_could_have_made(data: st.DataObject, world: World) -> None:
    queue = Queue()
    while world.ready() or world.running:
        ready, available = world.ready(), world.available()
        selected = queued(queue, world)
        assert len(set(selected)) == len(selected)
        assert set(selected) <= ready
        left = _left(available, selected)
        assert min(left.values()) >= 0, "no resource is exceeded"
        for job in ready - set(selected):
            assert not _fits(job, left), "all that can start starts"
            others = [one for one in selected if one.priority >= job.priority]
            assert not _fits(job, _left(available, others)), "none is left out for one of lower priority"
        go_on(data, world, selected)
    assert len(world.done) == len(world.jobs)


def _left(available: Mapping[str, int], jobs: Iterable[Job]) -> dict[str, int]:
    taken = list(jobs)
    return {
        name: value - sum(job.scheduler_resources.get(name, 0) for job in taken)
        for name, value in available.items()
    }


def _fits(job: Job, left: Mapping[str, int]) -> bool:
    return all(job.scheduler_resources.get(name, 0) <= value for name, value in left.items())


def test_a_job_that_frees_a_temporary_file_comes_before_others_of_its_priority() -> None:
    jobs = [Job(0, 1, {}), Job(1, 1, {}, [File(temporary=True)]), Job(2, 2, {}), Job(3, 0, {}, [File(True)])]
    assert [job.number for job in chosen(jobs, {"_job_count": 3})] == [2, 1, 0]  # type: ignore[attr-defined]


def test_no_more_are_offered_than_could_start() -> None:
    queue = Queue()
    jobs = {Job(number, 0, {"_nodes": 1}) for number in range(1000)}
    queue.add(queue.update(jobs), ["_nodes"])  # type: ignore[arg-type]
    assert len(queue.offer({"_nodes": 3})) == 3
    assert queue.offer({"_nodes": 0}) == []
    assert queue.update(jobs) == set()  # type: ignore[arg-type]


def test_another_snakemake_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    compat.check(job_scheduler.JobScheduler)

    def run(self: Any, jobs: Any) -> None: ...

    monkeypatch.setattr(job_scheduler.JobScheduler, "run", run)
    with pytest.raises(WorkflowError, match=r"another JobScheduler\.run than byok8s needs"):
        compat.check(job_scheduler.JobScheduler)
