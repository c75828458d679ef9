"""A server that goes away, for a while and for good; and answers that are no outage."""

from __future__ import annotations

import logging
import os
import threading
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from snakemake_interface_common.exceptions import WorkflowError

import snakemake_storage_plugin_byok8s as plugin
from byok8s import s3
from byok8s.s3 import embedded
from counting_proxy import counting
from provide import Provide, write
from snakemake_storage_plugin_byok8s.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BIG = 20 * 1024 * 1024


class Outage:
    """A server of one's own that can be stopped and started again at the same address."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._running: AbstractContextManager[s3.EmbeddedS3] | None = None
        self.server = self.start()

    def start(self) -> s3.EmbeddedS3:
        self._running = embedded.embedded_server(self._data_dir)
        return self._running.__enter__()

    def stop(self) -> None:
        running, self._running = self._running, None
        if running:
            running.__exit__(None, None, None)


@pytest.fixture
def outage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outage]:
    ports = embedded._free_ports(10)
    monkeypatch.setattr(embedded, "_free_ports", lambda _: ports)
    found = Outage(tmp_path / "s3")
    yield found
    found.stop()


@pytest.fixture
def said() -> Iterator[list[str]]:
    """What the plugin tells the user."""
    words: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: words.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("test")
    logger.addHandler(handler)
    yield words
    logger.removeHandler(handler)


def provider(server: s3.EmbeddedS3, folder: Path) -> plugin.StorageProvider:
    settings = plugin.StorageProviderSettings(
        endpoint_url=server.endpoint_url,
        access_key=server.credentials.access_key,
        secret_key=server.credentials.secret_key,
    )
    return plugin.StorageProvider(folder / "local", logging.getLogger("test"), settings=settings)


def test_every_request_outlasts_an_outage(outage: Outage, tmp_path: Path, said: list[str]) -> None:
    content = os.urandom(BIG)
    storage = provider(outage.server, tmp_path)
    kept, new, old = (storage.object(f"s3://local/p/{name}") for name in ("kept", "new", "old"))
    for item in (kept, new, old):
        write(item, content)
    kept.store_object()
    old.store_object()
    kept.local_path().unlink()
    noted: list[bool] = []
    storage.connection.on_outage(lambda why: noted.append(bool(why)))
    outage.stop()
    with ExitStack() as stack:
        actions: list[Callable[[], object]] = [kept.retrieve_object, new.store_object, old.remove]
        actions.append(lambda: storage.listing("local", "p/"))
        threads = [threading.Thread(target=action) for action in actions]
        for thread in threads:
            thread.start()
            stack.callback(thread.join, 100)
        wait_for(lambda: said)
        outage.start()
    assert not any(thread.is_alive() for thread in threads)
    assert kept.local_path().read_bytes() == content
    assert sorted(storage.listing("local", "p/")) == ["p/kept", "p/new"]
    assert [path.name for path in kept.local_path().parent.iterdir() if path.name.startswith(".")] == []
    assert len(said) == 2
    assert said[0].endswith("waiting up to 120 s for it.")
    assert outage.server.endpoint_url in said[0]
    assert "is back after" in said[1]
    assert noted == [True, False]


def test_after_a_kill_in_mid_transfer_files_are_whole(outage: Outage, tmp_path: Path) -> None:
    content = os.urandom(8 * BIG)
    storage = provider(outage.server, tmp_path)
    up = storage.object("s3://local/big")
    write(up, content)
    thread = threading.Thread(target=up.store_object)
    thread.start()
    wait_for(lambda: any(path.stat().st_size > BIG for path in (tmp_path / "s3/data").rglob("*.dat")))
    outage.stop()
    outage.start()
    thread.join(100)
    assert storage.listing("local", "")["big"].size == len(content)
    down = provider(outage.server, tmp_path / "other").object("s3://local/big")
    down.local_path().parent.mkdir(parents=True)
    down.retrieve_object()
    assert down.local_path().read_bytes() == content


def test_for_good_it_fails_once_after_the_time_and_then_at_once(
    outage: Outage, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BYOK8S_S3_PATIENCE_SECONDS", "6")
    storage = provider(outage.server, tmp_path)
    item = storage.object("s3://local/x")
    write(item, b"x")
    outage.stop()
    with pytest.raises(WorkflowError, match="cannot be reached") as failure:
        item.exists()
    assert "EndpointConnectionError" in str(failure.value)
    assert [words.partition("(")[2] for words in said] == [
        "EndpointConnectionError): waiting up to 6 s for it."
    ]
    attempts: list[object] = []
    storage.client.meta.events.register("before-send.s3", lambda **_: attempts.append(1))
    with pytest.raises(WorkflowError, match="cannot be reached"):
        item.store_object()
    assert len(attempts) == 1
    assert len(said) == 1


@pytest.mark.parametrize(("status", "code"), [(500, "InternalError"), (503, "SlowDown"), (504, "")])
def test_what_the_server_may_soon_be_over_is_tried_again(
    provide: Provide, server: s3.EmbeddedS3, said: list[str], status: int, code: str
) -> None:
    with counting(server.endpoint_url) as proxy:
        item = provide(url=proxy.url).object("s3://local/faults/x")
        write(item, b"x")
        proxy.faults += [(status, code)] * 4
        item.store_object()
        proxy.faults += [(status, code)]
        assert item.exists()
    assert len(said) == 2
    assert (code or f"HTTP status {status}") in said[0]


@pytest.mark.parametrize(
    ("status", "code"), [(403, "AccessDenied"), (404, "NoSuchBucket"), (400, "ExpiredToken")]
)
def test_what_stays_so_is_said_at_once(
    provide: Provide, server: s3.EmbeddedS3, said: list[str], status: int, code: str
) -> None:
    with counting(server.endpoint_url) as proxy:
        item = provide(url=proxy.url).object("s3://local/faults/y")
        write(item, b"x")
        proxy.faults += [(status, code)] * 9
        with pytest.raises(WorkflowError, match=code):
            item.store_object()
        assert len(proxy.requests) == 1
    assert said == []


def test_a_server_that_fails_now_and_then_is_given_up_by_the_request_that_always_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr("snakemake_storage_plugin_byok8s.patience.time", clock)
    patience, request, other = Patience("S3", clock.tell), new_request(), new_request()
    busy, well = (Answer(503), NOTHING), (Answer(200), NOTHING)
    attempts = 0
    while patience.needs_retry(attempts := attempts + 1, request, busy, None):
        assert patience.needs_retry(1, other, well, None) is None
        clock.now += 5
    assert clock.now == 120


def test_long_after_one_outage_the_next_is_waited_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("snakemake_storage_plugin_byok8s.patience.time", clock)
    patience = Patience("S3", clock.tell)
    busy = (Answer(503), NOTHING)
    assert patience.needs_retry(1, new_request(), busy, None)
    clock.now = 120
    assert patience.needs_retry(1, new_request(), busy, None) is None
    clock.now = 200
    assert patience.needs_retry(1, new_request(), busy, None) is None
    clock.now = 321
    assert patience.needs_retry(1, new_request(), busy, None)


def test_after_ctrl_c_nothing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    patience = Patience("S3", clock.tell)
    patience.end()
    assert patience.needs_retry(1, new_request(), (Answer(503), NOTHING), None) is None


NOTHING: dict[str, object] = {}


def new_request() -> dict[str, dict[str, object]]:
    return {"context": {}}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.said: list[str] = []

    def monotonic(self) -> float:
        return self.now

    def tell(self, words: str) -> None:
        self.said.append(words)


class Answer:
    def __init__(self, status_code: int) -> None:
        self.status_code = status_code


def wait_for(happens: Callable[[], object]) -> None:
    for _ in range(3000):
        if happens():
            return
        threading.Event().wait(0.01)
    pytest.fail("It did not happen within 30 s.")
