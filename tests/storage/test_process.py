"""A job's process, forked before its order: it is connected to S3 by then, and the job before it does not harm it."""

from __future__ import annotations

import os
import signal
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import snakemake_storage_plugin_byok8s as plugin
from answering import Answer, answering, authority, keys, server_side
from byok8s import s3
from byok8s.worker.description import Done, File
from byok8s.worker.job import Job
from byok8s.worker.process import Order, Process
from byok8s.worker.protocol import Result
from byok8s.worker.transfer import Transfer
from counting_proxy import Counter, counting
from provide import Provide

SECONDS = 10.0


@dataclass(frozen=True)
class Storing:
    """The work of a job that stores the files named by its order, and is connected ahead."""

    provider: plugin.StorageProvider
    bucket: str

    def get_ready(self) -> None:
        self.provider.connection.open_ahead(self.bucket)

    def carry_out(self, order: Order, root: Path) -> Done:
        names: list[str] = order.description["names"]
        for name in names:
            (root / name).write_text(name)
        self.provider.connection.use_ahead()
        files = [File(name, self.bucket, f"{order.job}/{name}") for name in names]
        return Done(Transfer(self.provider.connection).store(files))


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def run(process: Process, folder: Path, *names: str) -> Result:
    root = folder / "work"
    root.mkdir()
    order = Order(folder.name, {"names": names})
    assert process.begin(order, root)
    job = Job(order, root, process)
    while job.read():
        pass
    return job.result()


@pytest.fixture
def proxy(server: s3.EmbeddedS3) -> Iterator[Counter]:
    with counting(server.bucket.endpoint_url or "") as counter:
        yield counter


@pytest.fixture
def work(provide: Provide, server: s3.EmbeddedS3, proxy: Counter) -> Storing:
    return Storing(provide(url=proxy.url), server.bucket.name)


def test_a_job_finds_its_connections_open_and_the_server_was_asked_nothing(
    work: Storing, proxy: Counter, tmp_path: Path
) -> None:
    process = Process(work)
    until(lambda: proxy.connections == 2)
    assert proxy.requests == []
    result = run(process, tmp_path, "out.txt", "log.txt")
    assert (result.why, len(result.stored)) == ("", 2)
    assert (proxy.connections, len(proxy.of("PUT"))) == (2, 2)


def test_a_connection_that_was_opened_long_ago_is_not_trusted(
    work: Storing, proxy: Counter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("snakemake_storage_plugin_byok8s.connection._STALE_S", -1.0)
    process = Process(work)
    until(lambda: proxy.connections == 2)
    assert run(process, tmp_path, "out.txt").why == ""
    assert proxy.connections == 3


def test_what_cannot_be_connected_ahead_is_connected_when_it_is_wanted(
    server: s3.EmbeddedS3, provide: Provide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Storing(provide(), server.bucket.name)
    monkeypatch.setattr(
        type(work.provider.connection), "open_ahead", lambda *_: (_ for _ in ()).throw(OSError())
    )
    assert run(Process(work), tmp_path, "out.txt").why == ""


def test_one_that_was_stopped_goes_on_when_it_gets_its_order(work: Storing, tmp_path: Path) -> None:
    process = Process(work)
    os.kill(process.pid, signal.SIGSTOP)
    assert run(process, tmp_path, "out.txt").why == ""


def test_one_that_was_killed_takes_no_order(work: Storing, tmp_path: Path) -> None:
    process = Process(work)
    os.kill(process.pid, signal.SIGKILL)
    until(lambda: os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None)
    assert not process.begin(Order("1", {}), tmp_path)
    process.end()
    with pytest.raises(ChildProcessError):
        os.waitpid(process.pid, 0)


def test_one_that_is_not_wanted_any_more_ends(work: Storing) -> None:
    process = Process(work)
    process.end()
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


@pytest.mark.usefixtures("bare_environment")
def test_a_server_that_cannot_prove_who_it_is_is_not_connected_ahead(
    provide: Provide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca = authority(tmp_path)
    tls = server_side(keys(ca, tmp_path, "127.0.0.1"))
    with answering(lambda _: Answer(200, b""), tls) as served:
        with pytest.raises(ssl.SSLError):
            provide(url=served.url).connection.open_ahead("bucket")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(ca.certificate))
        connection = provide(url=served.url).connection
        connection.open_ahead("bucket")
        assert served.requests == []
        time.sleep(0.1)  # TLS' tickets come after the handshake
        connection.use_ahead()
        connection.client.head_bucket(Bucket="bucket")
        assert [request.connection in {1, 2} for request in served.requests] == [True]
