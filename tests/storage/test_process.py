"""A job's process, forked before its order: it is connected to S3 by then, and the job before it does not harm it."""

from __future__ import annotations

import gc
import os
import signal
import ssl
import subprocess
import sys
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
from byok8s.worker.measured import Disks
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
    process.begin(order, root)
    job = Job(order, root, process, Disks())
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


@pytest.mark.parametrize(("size", "asked"), [(0, False), (1024 * 1024, False), (1024 * 1024 + 1, True)])
def test_only_for_a_large_file_the_server_is_asked_whether_it_takes_it(
    provide: Provide, server: s3.EmbeddedS3, tmp_path: Path, *, size: int, asked: bool
) -> None:
    connection, seen = provide().connection, list[bool]()
    connection.client.meta.events.register(
        "before-send.s3.PutObject", lambda request, **_: seen.append("Expect" in request.headers)
    )
    (tmp_path / "file").write_bytes(b"x" * size)
    stored = Transfer(connection).store([File(str(tmp_path / "file"), server.bucket.name, "asked/file")])
    assert (seen, stored[0].size) == ([asked], size)


def test_one_that_was_stopped_goes_on_when_it_gets_its_order(work: Storing, tmp_path: Path) -> None:
    process = Process(work)
    os.kill(process.pid, signal.SIGSTOP)
    assert run(process, tmp_path, "out.txt").why == ""


@pytest.mark.parametrize("waited_for", [False, True])
def test_one_that_was_killed_is_known_to_be_dead_and_leaves_nothing(
    work: Storing,
    waited_for: bool,
) -> None:
    """waited_for: by what clears up after the job that has killed it."""
    process = Process(work)
    assert process.is_alive()
    os.kill(process.pid, signal.SIGKILL)
    if waited_for:
        os.waitpid(process.pid, 0)
    until(lambda: not process.is_alive())
    process.end()
    with pytest.raises(ChildProcessError):
        os.waitpid(process.pid, 0)


def test_a_job_whose_process_dies_as_it_begins_is_told_to_be_killed(work: Storing, tmp_path: Path) -> None:
    """So may each new one, as when memory is short: that is the job's end, and it is not tried again here."""
    process = Process(work)
    os.kill(process.pid, signal.SIGKILL)
    until(lambda: not process.is_alive())
    result = run(process, tmp_path, "out.txt")
    assert (result.code, result.cause) == (137, "signal")


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


def test_nobody_can_look_into_one_before_it_has_its_order(tmp_path: Path) -> None:
    """The kernel says so of each process (prctl's PR_GET_DUMPABLE): 0 while it waits, 1 once the job is its own."""
    script = f"""
import ctypes, pathlib, sys
from byok8s.worker import seclusion
from byok8s.worker.description import Done
from byok8s.worker.job import Job
from byok8s.worker.measured import Disks
from byok8s.worker.process import Order, Process
PR_GET_DUMPABLE = 3
root = pathlib.Path({str(tmp_path)!r}) / "work"
root.mkdir()
class Telling:
    def get_ready(self):
        (root / "before").write_text(str(ctypes.CDLL(None).prctl(PR_GET_DUMPABLE)))
    def carry_out(self, order, folder):
        (root / "after").write_text(str(ctypes.CDLL(None).prctl(PR_GET_DUMPABLE)))
        return Done([])
seclusion.close_to_others()
order, process = Order("1", {{}}), Process(Telling())
process.begin(order, root)
job = Job(order, root, process, Disks())
while job.read():
    pass
sys.exit(job.result().code)
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    assert ((tmp_path / "work/before").read_text(), (tmp_path / "work/after").read_text()) == ("0", "1")


class Collecting:
    """The work of a job that collects what is no longer used while it has a file open."""

    def get_ready(self) -> None: ...

    def carry_out(self, order: Order, root: Path) -> Done:
        name = root / order.description["name"]
        files = [name.with_suffix(f".{number}").open("wb") for number in range(40)]
        gc.collect()
        for file in files:
            os.fstat(file.fileno())
            file.close()
        return Done([])


@pytest.fixture
def uncollected() -> Iterator[None]:
    """What is no longer used stays, as between two runs of the collector."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
def test_what_the_worker_held_closes_nothing_of_a_jobs(tmp_path: Path) -> None:
    process = Process(forgotten_files())
    root = tmp_path / "work"
    root.mkdir()
    order = Order("1", {"name": "out"})
    process.begin(order, root)
    job = Job(order, root, process, Disks())
    while job.read():
        pass
    assert job.result().code == 0


def forgotten_files() -> Collecting:
    """Open files that only the collector will close, whose numbers are those that a job's first files get."""
    for _ in range(30):
        held: list[object] = [os.fdopen(os.open(os.devnull, os.O_RDONLY))]
        held.append(held)
    return Collecting()
