"""Files are taken by few threads, and by many where those wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from snakemake_storage_plugin_byok8s.parallel import Took, each_file, is_far


class Counted:
    """How many threads were within it at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = self.most = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        yield
        with self._lock:
            self._now -= 1


def test_each_is_taken_once_and_by_many_that_wait() -> None:
    counted, taken = Counted(), list[int]()

    def take(number: int, _: object) -> None:
        with counted.one():
            time.sleep(0.05)
            taken.append(number)

    each_file(range(300), take)
    assert sorted(taken) == list(range(300))
    assert counted.most == 64


@pytest.mark.parametrize("count", [0, 1, 7])
def test_few(count: int) -> None:
    taken = list[int]()
    each_file(range(count), lambda number, parts: taken.extend(parts.map(int, [number])))
    assert sorted(taken) == list(range(count))


@pytest.mark.parametrize(
    ("took", "far"),
    [
        ([], False),
        # eight threads, of which one runs
        ([Took(0.008, 0.001)] * 8, False),
        ([Took(0.052, 0.001)] * 8, True),
        # the first of them is slow, and the others wait for it
        ([Took(0.03, 0.02), *[Took(0.03, 0.001)] * 7], False),
    ],
)
def test_what_is_far(took: list[Took], far: bool) -> None:
    assert is_far(took) == far


def test_after_the_first_that_fails_no_other_begins() -> None:
    taken = list[int]()

    def take(number: int, _: object) -> None:
        taken.append(number)
        time.sleep(0.02)
        if number == 5:
            raise ValueError(number)

    with pytest.raises(ValueError, match="5"):
        each_file(range(1000), take)
    assert len(taken) < 100
