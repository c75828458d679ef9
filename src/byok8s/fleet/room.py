"""Which worker may take which task: one whose pod has at least what the task asks for, and not much more."""

from __future__ import annotations

from collections.abc import Iterable

from byok8s.pods.manifest import Shape

DEFAULT_REUSE_FACTOR = 2.0


def takes(pod: Shape, task: Shape, factor: float) -> bool:
    """Return whether a pod of one shape may run a task of another. factor: how many times what it asks for."""
    if pod == task:
        return True
    return (
        (pod.said, pod.template, pod.tool) == (task.said, task.template, task.tool)
        and task.cores <= pod.cores <= task.cores * factor
        and task.memory_mb <= pod.memory_mb <= task.memory_mb * factor
        and _has_disk(pod, task, factor)
    )


def _has_disk(pod: Shape, task: Shape, factor: float) -> bool:
    """A task that says nothing of its disk has no limit, so a pod that has one does not do; nor the other way round."""
    if not pod.disk_mb or not task.disk_mb:
        return not pod.disk_mb and not task.disk_mb
    return task.disk_mb <= pod.disk_mb <= task.disk_mb * factor


def smallest(shapes: Iterable[Shape]) -> Shape | None:
    """Return the smallest of these shapes; None if there is none."""
    return min(shapes, key=_size, default=None)


def largest(shapes: Iterable[Shape]) -> Shape | None:
    """Return the largest of these shapes; None if there is none."""
    return max(shapes, key=_size, default=None)


def _size(shape: Shape) -> tuple[int, int, int]:
    return shape.memory_mb, shape.cores, shape.disk_mb or 0
