"""Many files at once, and of large ones several parts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# what a server far away wants; near one, fewer would do. Each has SENT_AT_ONCE_BYTES at most in memory
_FILES_AT_ONCE: Final = 64
_PARTS_AT_ONCE: Final = 8
T = TypeVar("T")


def each_file(files: Sequence[T], carry_out: Callable[[T, ThreadPoolExecutor], object]) -> None:
    """Carry out something for each file. carry_out: is given the file, and threads for the parts of it.

    Raises what the first that cannot be raises; those under way then come to their end, and no other begins.
    """
    with (
        ThreadPoolExecutor(_PARTS_AT_ONCE, "part") as parts,
        ThreadPoolExecutor(_FILES_AT_ONCE, "file") as pool,
    ):
        under_way = [pool.submit(carry_out, file, parts) for file in files]
        try:
            for one in under_way:
                one.result()
        except BaseException:
            parts.shutdown(wait=False, cancel_futures=True)
            pool.shutdown(wait=False, cancel_futures=True)
            raise
