"""The controller's core in a world where anything happens at any time: what must hold, holds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet_world import run

# of lists alone most would have a handful
NUMBERS = st.integers(0, 200).flatmap(lambda n: st.lists(st.integers(0, 10_000), min_size=n, max_size=n))


@pytest.mark.parametrize("reuse", [True, False], ids=["workers", "single pods"])
@settings(max_examples=150)
@given(numbers=NUMBERS, limit=st.integers(1, 4))
def test_whatever_happens_each_task_ends_once_in_one_pod_and_no_pod_is_left(
    reuse: bool, numbers: list[int], limit: int
) -> None:
    """That no task runs in two pods at once, and that the limit holds, the world checks at each command."""
    world = run(numbers, limit=limit, reuse=reuse)
    assert not world.unfinished
    assert set(world.ended.values()) <= {1}
    assert [pod.name for pod in world.pods.values() if pod.takes_room] == []
