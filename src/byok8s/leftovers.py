"""What byok8s has in a namespace, run by run, and whose controller is dead. Values in, values out.

Found by the label app.kubernetes.io/managed-by, whatever version of byok8s made it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from byok8s.errors import InputError
from byok8s.executor.cluster import RENEW_SECONDS
from byok8s.executor.manifest import LEASE_SECONDS
from byok8s.executor.names import RUN_LABEL, Names
from byok8s.kube.json import Object, get_in, text

# Two renewals come RENEW_SECONDS apart, or twice that where one of them fails. The margin is for the requests
# themselves: each of the two is tried for up to a minute, and the last try waits half a minute for its answer.
MARGIN_SECONDS = 240
SILENCE_SECONDS = 2 * RENEW_SECONDS + MARGIN_SECONDS

CONTROLLER_ANNOTATION = "byok8s.io/controller"


@dataclass(frozen=True)
class Part:
    """An object. resource: its kind, as in pods."""

    resource: str
    name: str


@dataclass(frozen=True)
class Run:
    """What there is of one run.

    name: its id; of an object without the label byok8s.io/run, the object's name. started_by: empty where no
    Job tells. age: seconds since its oldest object was made. silence: seconds since its controller was
    certainly alive. dead: whether it certainly is no more.
    """

    name: str
    parts: tuple[Part, ...]
    started_by: str
    age: float
    silence: float
    dead: bool

    def count(self, resource: str) -> int:
        return sum(part.resource == resource for part in self.parts)


def runs(listed: Mapping[str, Sequence[Object]], now: datetime) -> list[Run]:
    """The runs, the oldest first. listed: objects by their resource; one that may not be listed is absent."""
    by_name: dict[str, list[tuple[Part, Object]]] = defaultdict(list)
    for resource, objects in listed.items():
        for obj in objects:
            name = text(obj, "metadata", "name")
            run = text(obj, "metadata", "labels", RUN_LABEL) or name
            by_name[run].append((Part(resource, name), obj))
    found = [_run(name, members, now, jobs_seen="jobs" in listed) for name, members in by_name.items()]
    return sorted(found, key=lambda run: (-run.age, run.name))


def choose(found: Sequence[Run], names: Sequence[str], *, everything: bool) -> list[Run]:
    """The runs to remove: those named, or all, or those whose controller is dead.

    Raises InputError for a name that no run has, and for names beside `everything`.
    """
    if names and everything:
        raise InputError("Runs are named, and --all says all of them: only one can be meant.")
    if unknown := [name for name in names if name not in {run.name for run in found}]:
        raise InputError(
            f"There is nothing of run {unknown[0]!r}.",
            where=f"Runs found: {', '.join(run.name for run in found) or 'none'}.",
        )
    return [run for run in found if everything or (run.name in names if names else run.dead)]


def judge(
    objects: Sequence[Object], owner: Object | None, now: datetime, *, jobs_seen: bool
) -> tuple[float, bool]:
    """How long ago, in seconds, a run's controller was certainly alive; and whether it certainly is dead.

    It was alive when it made the newest of the run's objects, and when it last renewed its lease, which is to
    set the owner's activeDeadlineSeconds to LEASE_SECONDS more than the owner's age. It is dead when it has
    done neither for more than SILENCE_SECONDS. All times are the API server's, no other clock matters.

    objects: all of the run, the owner among them. owner: None where it is gone. jobs_seen: whether Jobs may be
    listed; where they may not, leases are unknown and nobody is dead.
    """
    signs = [_created(obj) for obj in objects]
    deadline = get_in(owner, "spec", "activeDeadlineSeconds") if owner else None
    if owner and isinstance(deadline, int):
        signs.append(_created(owner) + timedelta(seconds=deadline - LEASE_SECONDS))
    silence = max(0.0, (now - max(signs)).total_seconds())
    return silence, jobs_seen and silence > SILENCE_SECONDS


def _run(name: str, members: Sequence[tuple[Part, Object]], now: datetime, *, jobs_seen: bool) -> Run:
    objects = [obj for _, obj in members]
    owner = next((obj for part, obj in members if part == Part("jobs", Names(name).owner)), None)
    silence, dead = judge(objects, owner, now, jobs_seen=jobs_seen)
    return Run(
        name,
        parts=tuple(part for part, _ in members),
        started_by=text(owner, "metadata", "annotations", CONTROLLER_ANNOTATION) if owner else "",
        age=(now - min(map(_created, objects))).total_seconds(),
        silence=silence,
        dead=dead,
    )


def _created(obj: Object) -> datetime:
    return datetime.fromisoformat(text(obj, "metadata", "creationTimestamp"))
