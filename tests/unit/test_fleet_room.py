"""Which worker may take which task."""

from dataclasses import replace

import pytest

from byok8s.fleet.room import takes
from byok8s.pods.manifest import Shape

POD = Shape(2, 1000, 400)


@pytest.mark.parametrize(
    ("task", "factor", "may"),
    [
        (Shape(2, 1000, 400), 1, True),
        (Shape(1, 500, 200), 2, True),
        (Shape(2, 999, 400), 1, False),
        (Shape(2, 1001, 400), 2, False),
        (Shape(3, 1000, 400), 2, False),
        (Shape(2, 1000, 401), 2, False),
        (Shape(2, 499, 400), 2, False),
        (Shape(2, 499, 400), 2.1, True),
        (Shape(2, 1000, 199), 2, False),
        (Shape(1, 1000, 400), 1.9, False),
        (Shape(2, None, 400), 1, True),
        (Shape(2, 1000, None), 2, False),
        (replace(POD, said='{"spec": {}}'), 2, False),
        (replace(POD, template='{"spec": {}}'), 2, False),
    ],
)
def test_a_pod_of_2_cores_1000_mb_and_400_mb_of_disk(task: Shape, factor: float, may: bool) -> None:
    assert takes(POD, task, factor) is may


def test_a_task_that_asks_for_disk_does_not_go_to_a_pod_that_was_promised_none() -> None:
    assert not takes(Shape(2, 1000), Shape(2, 1000, 1), 2)


def test_the_least_memory_of_a_pod_is_what_counts() -> None:
    assert takes(Shape(1, 250), Shape(1, 10), 1)
