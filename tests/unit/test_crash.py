"""What should never happen, while the executor begins before Snakemake has made its scheduler."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from byok8s.executor.executor import Executor


def executor(scheduler: object) -> Executor:
    """An executor that has begun."""
    begun: Future[None] = Future()
    begun.set_result(None)
    made = Executor.__new__(Executor)
    made.workflow = SimpleNamespace(scheduler=scheduler, rules=[])
    made._starting, made._crash, made._environments = begun, None, None
    return made


def test_a_crash_before_there_is_a_scheduler_ends_the_run_with_its_first_jobs() -> None:
    ours = executor(None)
    ours._crashed(RuntimeError("the watch"))
    with pytest.raises(RuntimeError, match="the watch"):
        ours.run_jobs([])


def test_a_crash_later_is_the_schedulers() -> None:
    told: list[Exception] = []
    ours = executor(SimpleNamespace(executor_error_callback=told.append))
    crash = RuntimeError("the watch")
    ours._crashed(crash)
    assert told == [crash]
