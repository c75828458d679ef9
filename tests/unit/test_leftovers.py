"""What a namespace holds, told run by run; and which controllers are dead, by what the cluster knows of them."""

from datetime import UTC, datetime, timedelta

import pytest

from byok8s.errors import InputError
from byok8s.kube.objects import Json
from byok8s.pods.manifest import LEASE_SECONDS
from byok8s.run_objects.leftovers import SILENCE_SECONDS, Part, Run, choose, judge, runs, sort_out
from byok8s.run_objects.objects import RENEW_SECONDS

START = datetime(2026, 11, 22, 19, 30, tzinfo=UTC)
MINUTE = 60


def made(name: str, after: float = 0, run: str | None = "a", **more: Json) -> dict[str, Json]:
    """An object of a run, made some seconds after START."""
    created = (START + timedelta(seconds=after)).isoformat().replace("+00:00", "Z")
    labels: dict[str, Json] = {"byok8s.io/run": run} if run else {}
    return {"metadata": {"name": name, "labels": labels, "creationTimestamp": created}, **more}


def owner(renewed_after: float = 0, run: str = "a") -> dict[str, Json]:
    """A run's Job whose lease was last renewed some seconds after START."""
    return made(f"byok8s-{run}", run=run, spec={"activeDeadlineSeconds": int(LEASE_SECONDS + renewed_after)})


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("renewed_after", "pods_after", "now", "silence", "dead"),
    [
        (0, [], 0, 0, False),
        (0, [5], 3, 0, False),  # the clock of an answer is one of whole seconds
        (0, [5], 10 * MINUTE, 10 * MINUTE - 5, False),
        (0, [], 12 * MINUTE, 12 * MINUTE, False),
        (0, [], SILENCE_SECONDS, SILENCE_SECONDS, False),
        (0, [], SILENCE_SECONDS + 1, SILENCE_SECONDS + 1, True),
        (0, [], 25 * 60 * MINUTE, 25 * 60 * MINUTE, True),
        # a renewed lease, hours after the newest pod
        (5 * 3600, [7], 5 * 3600 + 11 * MINUTE, 11 * MINUTE, False),
        (5 * 3600, [7], 5 * 3600 + SILENCE_SECONDS + 1, SILENCE_SECONDS + 1, True),
        # a pod that is newer than the lease, of a controller that missed more than one renewal
        (600, [7, 3000], 3600, 600, False),
        (600, [3000, 7], 3000 + SILENCE_SECONDS + 1, SILENCE_SECONDS + 1, True),
    ],
)
def test_when_a_controller_is_dead(
    renewed_after: float, pods_after: list[float], now: float, silence: float, dead: bool
) -> None:
    job = owner(renewed_after)
    pods = [made(f"p-{after}", after) for after in pods_after]
    assert judge([*pods, job], job, at(now), jobs_seen=True) == (silence, dead)


def test_a_controller_that_misses_one_renewal_lives() -> None:
    """Each of two tries lasts as long as the client is patient, and the answer of the second comes late."""
    from byok8s.kube.client import PATIENCE_SECONDS
    from byok8s.kube.transport import CONNECT_SECONDS, READ_SECONDS

    attempt = PATIENCE_SECONDS + CONNECT_SECONDS + READ_SECONDS
    latest = 2 * (RENEW_SECONDS + attempt)
    job = owner()
    assert judge([job], job, at(latest), jobs_seen=True) == (latest, False)


def test_without_an_owner_the_newest_object_counts() -> None:
    pods = [made("p-1"), made("p-2", 100)]
    assert judge(pods, None, at(100 + SILENCE_SECONDS), jobs_seen=True) == (SILENCE_SECONDS, False)
    assert judge(pods, None, at(101 + SILENCE_SECONDS), jobs_seen=True) == (SILENCE_SECONDS + 1, True)


def test_nobody_is_dead_where_leases_cannot_be_read() -> None:
    assert judge([made("p")], None, at(1e6), jobs_seen=False) == (1e6, False)


def test_an_owner_without_a_deadline_was_made_at_its_creation() -> None:
    job = made("byok8s-a", spec={})
    assert judge([job], job, at(100), jobs_seen=True) == (100, False)


def test_objects_are_put_together_by_run() -> None:
    annotated = owner()
    annotated["metadata"] |= {"annotations": {"byok8s.io/controller": "ada@laptop"}}  # type: ignore[operator]
    found = runs(
        {
            "pods": [made("p-1", 60), made("p-2", 70), made("q-1", 30, run="b")],
            "secrets": [made("byok8s-a", 1)],
            "configmaps": [made("byok8s-a-0", 2), made("byok8s-c-0", 3, run="c")],
            "jobs": [annotated],
        },
        at(3600),
    )
    assert [(run.name, run.age, run.silence, run.dead) for run in found] == [
        ("a", 3600, 3530, True),
        ("c", 3597, 3597, True),
        ("b", 3570, 3570, True),
    ]
    assert [run.started_by for run in found] == ["ada@laptop", "", ""]
    assert found[0].parts == (
        Part("pods", "p-1"),
        Part("pods", "p-2"),
        Part("secrets", "byok8s-a"),
        Part("configmaps", "byok8s-a-0"),
        Part("jobs", "byok8s-a"),
    )
    assert [found[0].count(kind) for kind in ("pods", "secrets", "configmaps", "jobs")] == [2, 1, 1, 1]


def test_a_job_of_another_name_is_no_owner() -> None:
    """Its deadline is none of a lease."""
    other = made("byok8s-a-align", spec={"activeDeadlineSeconds": 10**6})
    (run,) = runs({"jobs": [other]}, at(SILENCE_SECONDS + 1))
    assert run.dead


def owned(name: str, by: str, uid: str, run: str = "a") -> dict[str, Json]:
    found = made(name, run=run)
    found["metadata"] |= {"ownerReferences": [{"kind": "Job", "name": by, "uid": uid}]}  # type: ignore[operator]
    return found


def a_job(name: str, uid: str, parallelism: int, run: str = "a") -> dict[str, Json]:
    found = made(name, run=run, spec={"parallelism": parallelism})
    found["metadata"] |= {"uid": uid}  # type: ignore[operator]
    return found


def test_labels_alone_make_nothing_a_runs() -> None:
    ours, others = sort_out(
        {
            "pods": [
                owned("ours", "byok8s-a", "1"),
                made("only-labels"),
                owned("of-another-job", "byok8s-b", "1"),
                owned("of-an-earlier-job", "byok8s-a", "0"),
                made("without-a-run", run=None),
            ],
            "configmaps": [owned("of-a-job-that-is-gone", "byok8s-gone", "7", run="gone")],
            "jobs": [
                a_job("byok8s-a", "1", 0),
                a_job("byok8s-work", "2", 3, run="work"),
                a_job("align", "3", 0, run="b"),
            ],
        }
    )
    assert {resource: [obj["metadata"]["name"] for obj in found] for resource, found in ours.items()} == {  # type: ignore[index,call-overload]
        "pods": ["ours"],
        "configmaps": ["of-a-job-that-is-gone"],
        "jobs": ["byok8s-a"],
    }
    assert [part.name for part in others] == [
        *("only-labels", "of-another-job", "of-an-earlier-job", "without-a-run", "byok8s-work", "align")
    ]


def a_run(name: str, *, dead: bool) -> Run:
    return Run(name, (), "", 0, 0, dead)


RUNS = [a_run("x", dead=True), a_run("y", dead=False), a_run("z", dead=True)]


@pytest.mark.parametrize(
    ("names", "everything", "chosen"),
    [
        ((), False, "xz"),
        ((), True, "xyz"),
        (("y",), False, "y"),
        (("z", "y"), False, "yz"),
        (("x", "x"), False, "x"),
    ],
)
def test_what_is_chosen(names: tuple[str, ...], everything: bool, chosen: str) -> None:
    assert [run.name for run in choose(RUNS, names, everything=everything)] == list(chosen)


@pytest.mark.parametrize(
    ("names", "everything", "words"),
    [(("x", "w"), False, "nothing of run 'w'"), (("x",), True, "only one can be meant")],
)
def test_what_cannot_be_chosen(names: tuple[str, ...], everything: bool, words: str) -> None:
    with pytest.raises(InputError, match=words):
        choose(RUNS, names, everything=everything)
