"""Runs that take long, two at once, for tests that each look at one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

AT_ONCE = 2
T = TypeVar("T")


def ahead(request: pytest.FixtureRequest, run: Callable[[str], T]) -> Iterator[Callable[[str], T]]:
    """Begin with the runs of all tests of the module that pytest has chosen; yield what waits for one of them.

    The tests have a parameter `name`, which is what `run` takes.
    """
    items = (item for item in request.session.items if item.path == request.path)
    names = [str(item.callspec.params["name"]) for item in items if isinstance(item, pytest.Function)]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        runs = {name: threads.submit(run, name) for name in names}
        yield lambda name: runs[name].result()
        threads.shutdown(cancel_futures=True)
