"""What byok8s has in a namespace, run by run, and whose controller is dead. Values in, values out.

Found by the label app.kubernetes.io/managed-by, whatever version of byok8s made it; but anybody can give an object our
labels, so it counts only when it is a run's owner, or is owned by one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from byok8s.errors import InputError
from byok8s.kube.objects import Object, get_in, items, text
from byok8s.pods.manifest import LEASE_SECONDS
from byok8s.pods.names import RUN_LABEL, Names
from byok8s.run_objects.objects import RENEW_SECONDS

# Two renewals come RENEW_SECONDS apart, or twice that where one of them fails. The margin is for the requests
# themselves: each of the two is tried for up to a minute, and the last try waits half a minute for its answer.
MARGIN_SECONDS = 240
SILENCE_SECONDS = 2 * RENEW_SECONDS + MARGIN_SECONDS

CONTROLLER_ANNOTATION = "byok8s.io/controller"


@dataclass(frozen=True)
class Part:
    """An object. resource: its kind, as in pods. uid: by which it differs from a later one of its name."""

    resource: str
    name: str
    uid: str = field(default="", compare=False)


@dataclass(frozen=True)
class Run:
    """What there is of one run.

    name: its id. started_by: empty if no
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


Listed = Mapping[str, Sequence[Object]]


def sort_out(listed: Listed) -> tuple[Listed, list[Part]]:
    """Tell what runs have made from what only bears their labels. listed: as for `runs`."""
    jobs = {text(job, "metadata", "uid"): job for job in listed.get("jobs", ())}
    ours: dict[str, list[Object]] = {}
    others: list[Part] = []
    for resource, objects in listed.items():
        ours[resource] = []
        for obj in objects:
            if _is_owner(obj) if resource == "jobs" else _is_owned(obj, jobs):
                ours[resource].append(obj)
            else:
                others.append(_part(resource, obj))
    return ours, others


def _is_owner(job: Object) -> bool:
    """Return whether a Job is of the kind that owns a run: named after it, and starting no pod."""
    named = text(job, "metadata", "name") == Names(text(job, "metadata", "labels", RUN_LABEL)).owner
    return named and get_in(job, "spec", "parallelism") == 0


def _is_owned(obj: Object, jobs: Mapping[str, Object]) -> bool:
    """Return whether the object is owned by its run's Job, be it one of these or one that is gone. jobs: by uid."""
    name = Names(text(obj, "metadata", "labels", RUN_LABEL)).owner
    named = [of for of in items(obj, "metadata", "ownerReferences") if text(of, "kind") == "Job"]
    uids = [text(of, "uid") for of in named if text(of, "name") == name]
    if any(text(job, "metadata", "name") == name for job in jobs.values()):
        return any(uid in jobs and _is_owner(jobs[uid]) for uid in uids)
    return bool(uids)


def runs(listed: Listed, now: datetime) -> list[Run]:
    """The runs, the oldest first. listed: objects by their resource; one that may not be listed is absent."""
    by_name: dict[str, list[tuple[Part, Object]]] = defaultdict(list)
    for resource, objects in listed.items():
        for obj in objects:
            run = text(obj, "metadata", "labels", RUN_LABEL)
            by_name[run].append((_part(resource, obj), obj))
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

    objects: all of the run, the owner among them. owner: None if it is gone. jobs_seen: whether Jobs may be
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


def _part(resource: str, obj: Object) -> Part:
    return Part(resource, text(obj, "metadata", "name"), text(obj, "metadata", "uid"))


def _created(obj: Object) -> datetime:
    return datetime.fromisoformat(text(obj, "metadata", "creationTimestamp"))
