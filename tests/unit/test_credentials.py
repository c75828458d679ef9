"""Credentials are kept while they are good, and renewed once, however many ask."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from byok8s.kube import NoCredentials
from byok8s.kube import credentials as module
from byok8s.kube.credentials import CredentialCache, Credentials


class Clock:
    """The machine's two clocks: a sleep moves the first alone."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.awake = 100.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.awake

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.awake += seconds

    def sleeps(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


class Source:
    """Gives t1, t2, ...; or fails."""

    def __init__(self, life: Callable[[], float] = lambda: module.NEVER) -> None:
        self.runs, self.life, self.fails = 0, life, False

    def __call__(self) -> Credentials:
        self.runs += 1
        if self.fails:
            raise NoCredentials(f"failure {self.runs}")
        return Credentials(f"t{self.runs}", expire=self.life())


def test_kept_until_shortly_before_they_expire(clock: Clock) -> None:
    source = Source(lambda: clock.now + 900)  # as aws eks get-token gives
    cache = CredentialCache(source)
    assert cache.current().authorization == "t1"
    clock.passes(830)
    assert cache.current().authorization == "t1"
    clock.passes(20)
    assert cache.current().authorization == "t2"
    assert source.runs == 2


def test_without_an_expiry_kept_until_refused(clock: Clock) -> None:
    cache = CredentialCache(Source())
    first = cache.current()
    clock.passes(1e7)
    assert cache.current() == first
    assert cache.renewed(first).authorization == "t2"
    assert cache.current().authorization == "t2"


def test_after_an_hour_asleep_they_are_new(clock: Clock) -> None:
    cache = CredentialCache(Source(lambda: clock.now + 900))
    cache.current()
    clock.sleeps(3600)
    assert cache.current().authorization == "t2"


@pytest.mark.parametrize("left", [20.0, 0.0, -7200.0])
def test_a_plugin_with_a_cache_of_its_own_is_not_run_for_each_request(clock: Clock, left: float) -> None:
    """It gives the same until that expires; where our clock is wrong, all that it gives has expired."""
    source = Source(lambda: clock.now + left)
    cache = CredentialCache(source)
    for _ in range(29):
        cache.current()
        clock.passes(1)
    assert source.runs == 1
    clock.passes(1)
    cache.current()
    assert source.runs == 2


def test_of_many_threads_that_are_refused_one_renews() -> None:
    source = Source()

    def slowly() -> Credentials:
        time.sleep(0.1)
        return source()

    cache = CredentialCache(slowly)
    refused = cache.current()
    together = threading.Barrier(16)

    def renew() -> str:
        together.wait()
        return cache.renewed(refused).authorization

    with ThreadPoolExecutor(16) as threads:
        assert {future.result() for future in [threads.submit(renew) for _ in range(16)]} == {"t2"}
    assert source.runs == 2


def test_what_is_refused_again_and_again_is_not_asked_for_again_and_again(clock: Clock) -> None:
    """The plugin may open a browser each time."""
    source = Source()
    cache = CredentialCache(source)
    for _ in range(20):
        cache.renewed(cache.current())
        clock.passes(1)
    assert source.runs == 2
    clock.passes(10)
    cache.renewed(cache.current())
    assert source.runs == 3


def test_a_failure_is_told_to_all_and_tried_again_later(clock: Clock) -> None:
    source = Source()
    source.fails = True
    cache = CredentialCache(source)
    for _ in range(20):
        with pytest.raises(NoCredentials, match="failure 1"):
            cache.current()
        clock.passes(1)
    source.fails = False
    clock.passes(10)
    assert cache.current().authorization == "t2"


def test_a_failure_to_renew_harms_nobody_while_the_old_ones_are_good(clock: Clock) -> None:
    source = Source(lambda: clock.now + 900)
    cache = CredentialCache(source)
    cache.current()
    source.fails = True
    clock.passes(850)
    assert cache.current().authorization == "t1"
    clock.passes(50)
    with pytest.raises(NoCredentials):
        cache.current()


def test_what_was_refused_is_not_shown_again_because_the_renewal_fails(clock: Clock) -> None:
    source = Source()
    cache = CredentialCache(source)
    refused = cache.current()
    source.fails = True
    for _ in range(2):
        with pytest.raises(NoCredentials, match="failure 2"):
            cache.renewed(refused)
        with pytest.raises(NoCredentials, match="failure 2"):
            cache.current()
