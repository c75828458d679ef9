"""Parts that a run's killed pods, or a controller before this one, have left of uploads: removed at its end, no others.

Outputs are known by their keys, which nobody else makes. Files that rules keep without declaring them, and conda
environments, have names that another run may use: of these only what was begun since this run began is its own, and
only if nobody else can have been at work below the prefix.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime

from byok8s import errors, s3
from byok8s.data.targets import Targets
from byok8s.pods.names import began
from byok8s.run.plan import RunPlan
from byok8s.s3 import Unfinished
from byok8s.s3.prefix_lock import is_held_by
from byok8s.software.store import UNDER
from byok8s.worker.pattern import expression


def abort(plan: RunPlan, targets: Targets) -> None:
    """Remove the parts, once no job of the run is at work any more.

    What may not be listed is left to the bucket's owner, and what a second Ctrl-C leaves to `byok8s clean`.
    """
    made = targets.made()
    if not made:
        return
    with contextlib.suppress(errors.BucketError, errors.InputError, KeyboardInterrupt):
        found = s3.unfinished(plan.bucket)
        seconds = (datetime.now(UTC) - began(plan.run)).total_seconds() if found and _is_alone(plan) else 0.0
        top = f"{plan.bucket.prefix}/" if plan.bucket.prefix else ""
        s3.abort(plan.bucket, own(found, made, targets.kept(), top, seconds))


def own(
    found: Sequence[Unfinished], made: Collection[str], kept: Iterable[str], top: str, seconds: float
) -> list[Unfinished]:
    """Return the uploads that are a run's own.

    made: the keys of its outputs. kept: patterns of what its rules keep. top: what all keys begin with. seconds: for
    how long nobody else has been at work there; 0 if that is not known.
    """
    outputs = s3.of_files(found, made)
    patterns = [*map(expression, kept)]

    def is_own(each: Unfinished) -> bool:
        path = each.key.removeprefix(top)
        return path.startswith(f"{UNDER}/") or any(pattern.fullmatch(path) for pattern in patterns)

    return [
        *outputs,
        *(each for each in found if each.age <= seconds and each not in outputs and is_own(each)),
    ]


def _is_alone(plan: RunPlan) -> bool:
    """Return whether the run has had the prefix for itself. The embedded bucket is its folder's."""
    request = plan.request
    if request.bucket is None:
        return True
    return not request.ignore_lock and is_held_by(request.bucket, plan.run)
