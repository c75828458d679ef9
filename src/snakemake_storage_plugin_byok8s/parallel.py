"""Many files at once, and of large ones several parts."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# near a server, more threads would only wait for each other, as Python runs one of them at a time; one that is far away
# wants many. Each has SENT_AT_ONCE_BYTES at most in memory
_NEAR: Final = 8
_FAR: Final = 64
_LOOK_SECONDS: Final = 0.1
_LATEST: Final = (
    256  # that many files tell how far away the server is: all of a million would take long to look at
)
_PARTS_AT_ONCE: Final = 8
T = TypeVar("T")


def each_file(files: Sequence[T], carry_out: Callable[[T, ThreadPoolExecutor], object]) -> None:
    """Carry out something for each file. carry_out: is given the file, and threads for the parts of it.

    Raises what the first that cannot be raises; those under way then come to their end, and no other begins.
    """
    waiting, took = deque(files), deque[Took](maxlen=_LATEST)

    def take() -> None:
        while waiting:
            began, before = time.monotonic(), time.thread_time()
            try:
                file = waiting.popleft()
            except IndexError:  # another thread has just taken the last
                return
            carry_out(file, parts)
            took.append(Took(time.monotonic() - began, time.thread_time() - before))

    with (
        ThreadPoolExecutor(_PARTS_AT_ONCE, "part") as parts,
        ThreadPoolExecutor(_FAR, "file") as pool,
    ):
        threads = [pool.submit(take) for _ in range(min(_NEAR, len(files)))]
        try:
            left = set(threads)
            while left:
                done, left = wait(threads, _LOOK_SECONDS, FIRST_EXCEPTION)
                for thread in done:
                    thread.result()
                if left and len(threads) == _NEAR and is_far(tuple(took)):
                    threads += [pool.submit(take) for _ in range(_NEAR, _FAR)]
        except BaseException:
            waiting.clear()
            parts.shutdown(wait=False, cancel_futures=True)
            raise


class Took(NamedTuple):
    """What a file took: seconds, and those of them in which its thread ran."""

    seconds: float
    processor: float


def is_far(took: Sequence[Took]) -> bool:
    """Return whether threads wait for more than each other."""
    return sum(each.seconds for each in took) > 2 * _NEAR * sum(each.processor for each in took)
