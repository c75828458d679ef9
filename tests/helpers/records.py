"""Events as of a run: made up, for what a real one cannot be made to show."""

from __future__ import annotations

import random
from collections.abc import Iterator

from byok8s.history.event import Event, line, parsed

START = 1_767_225_600_000  # 2026-01-01
RUN = "20260101-000000-abcd"
FACTS = {
    "run": RUN,
    "byok8s": "0.1.0",
    "snakemake": "9.27.1",
    "snakefile": "/home/ada/rnaseq/Snakefile",
    "command": "byok8s workflow-alpha params-blue --s3-bucket=lab/rnaseq",
    "commit": "9f2c" * 10,
    "modified": False,
    "bucket": "s3://lab/rnaseq",
    "context": "lab",
    "namespace": "ada",
    "kubernetes": "v1.29.3",
    "image": "snakemake/snakemake@sha256:" + "ab12" * 16,
    "resumed": False,
}


def at(second: float, name: str, /, **facts: object) -> Event:
    """Return an event as a reader has it."""
    (event,) = parsed(written(second, name, **facts))
    return event


def written(second: float, name: str, /, **facts: object) -> bytes:
    return line(START + round(second * 1000), name, facts)


def given(second: float, job: str, rule: str = "sort", /, **facts: object) -> Event:
    own = {"job": job.partition("-")[0], "name": f"{rule}-{job}", "attempt": 1, "threads": 1}
    return at(second, "job.given", **{"id": job, "rule": rule, **own, **facts})


def worker(pod: str, *times: float, threads: int = 2, mem_mb: int = 1000) -> list[Event]:
    """times: when it is created, scheduled, started, idle and gone, as far as they are said."""
    facts: dict[str, dict[str, object]] = {
        "created": {"threads": threads, "mem_mb": mem_mb},
        "scheduled": {"node": "n"},
        "started": {"node": "n"},
        "idle": {},
        "gone": {},
    }
    return [
        at(time, f"worker.{what}", pod=pod, **facts[what]) for time, what in zip(times, facts, strict=False)
    ]


def many(
    jobs: int, workers: int, *, rules: tuple[str, ...] = ("trim", "align", "count"), seed: int = 1
) -> bytes:
    """Return the record of a run in which each sample goes through the rules, on workers that take what comes."""
    chance = random.Random(seed)
    events: list[tuple[float, str, dict[str, object]]] = [(0, "run.started", dict(FACTS))]
    samples = -(-jobs // len(rules))
    events.append((2, "run.planned", {"jobs": dict.fromkeys(rules, samples)}))
    free = []
    for number in range(workers):
        times = [2.5, 2.7 + 5 * chance.random(), 9 + 20 * chance.random(), 31.0]
        pod = f"byok8s-{RUN}-worker-{number}-{chance.getrandbits(48):012x}"
        events += [
            (times[0], "worker.created", {"pod": pod, "threads": 4, "mem_mb": 8000}),
            (times[1], "worker.scheduled", {"pod": pod, "node": f"node-{number % 3}"}),
            (times[2], "worker.started", {"pod": pod, "node": f"node-{number % 3}"}),
        ]
        free.append((times[3], pod, f"node-{number % 3}"))
    done: dict[tuple[int, int], float] = {}
    for number in range(jobs):
        level, sample = divmod(number, samples)
        free.sort(reverse=True)
        when, pod, node = free.pop()
        ready = done.get((level - 1, sample), 2.6)
        begin = max(when, ready) + 0.01
        events += _job(
            chance, rules[level], f"{level:04x}{sample:08x}", (level, sample), (ready, begin), (pod, node)
        )
        end = done[level, sample] = events[-1][0]
        free.append((end + 0.02, pod, node))
    last = max(done.values()) + 1
    events += [(last, "worker.gone", {"pod": pod}) for _, pod, _ in free]
    events.append((last + 1, "run.ended", {"exit": 0, "state": "COMPLETE"}))
    return b"".join(
        written(second, name, **facts) for second, name, facts in sorted(events, key=lambda e: e[0])
    )


def _job(
    chance: random.Random,
    rule: str,
    id_: str,
    place: tuple[int, int],
    times: tuple[float, float],
    where: tuple[str, str],
) -> Iterator[tuple[float, str, dict[str, object]]]:
    level, sample = place
    (ready, begin), (pod, node) = times, where
    fetch, run, store = chance.random(), 0.5 + chance.lognormvariate(1, 0.7), chance.random()
    end = begin + fetch + run + store + 0.2
    after = [f"{level - 1:04x}{sample:08x}"] if level else []
    asked = {"threads": 1 + level, "mem_mb": 2000, "attempt": 1, "wildcards": {"sample": f"S{sample:05d}"}}
    yield (
        ready,
        "job.given",
        {"id": id_, "job": id_, "rule": rule, "name": f"{rule}-{id_}", "after": after, **asked},
    )
    yield begin, "job.began", {"id": id_, "pod": pod}
    for when, phase, seconds in (
        (begin + fetch, "fetched", fetch),
        (end - 0.1, "ran", run),
        (end - 0.1, "stored", store),
    ):
        yield when, f"job.{phase}", {"id": id_, "seconds": round(seconds, 3)}
    used = {
        "max_rss": round(chance.uniform(100, 900), 2),
        "io_in": round(chance.expovariate(0.1), 4),
        "io_out": round(chance.expovariate(0.01), 4),
        "cpu_time": round(run * chance.uniform(0.2, 0.9), 2),
    }
    yield end, "job.ended", {"id": id_, "state": "COMPLETE", "exit": 0, "pod": pod, "node": node, **used}
