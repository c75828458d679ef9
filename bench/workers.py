"""What many workers at once cost the controller: its core, loop and streams are real; the pods and their API stand in.

usage: PYTHONPATH=tests/helpers .venv/bin/python bench/workers.py --workers 1000

Streams are WebSockets over TLS to another process, which answers as workers do. No node of the rig has room for so many
pods; and Snakemake has no part in this, while bench/scale.py has both, with fewer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import multiprocessing
import os
import resource
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketHandler

from answering import Keys, authority, keys, server_side
from byok8s.fleet.effects import Effects
from byok8s.fleet.events import Closed, Event, Expected, Hello, PodGone, PodMade, PodSeen, Submitted
from byok8s.fleet.fleet import Fleet, Options
from byok8s.fleet.loop import Loop
from byok8s.fleet.record import Record
from byok8s.fleet.retries import RetryPolicy
from byok8s.kube import Context, ExecStream, KubeClient
from byok8s.kube.exec import STDOUT
from byok8s.pods.manifest import PodPlan, Shape, Task
from byok8s.pods.names import Names
from byok8s.pods.outcome import Outcome, State
from byok8s.run_objects.objects import RunObjects
from byok8s.worker import protocol

SHAPE = Shape(1, 256)
TASKS = 10  # for each worker
IDLE_SECONDS = 45.0  # two heartbeats; workers that have had nothing to do for a minute are let go
ADDRESS = "127.0.0.1"


# -- the API server's end --


class Worker(WebSocketHandler):
    """Answers as a worker: each job is over at once."""

    def select_subprotocol(self, subprotocols: list[str]) -> str:
        return subprotocols[0]

    async def open(self, *_: str, **__: str) -> None:
        await self.say({"is": "hello", "version": protocol.VERSION, "jobs": {}})

    async def on_message(self, message: str | bytes) -> None:
        for row in cast(bytes, message)[1:].splitlines():
            asked = json.loads(row)
            if asked["do"] == "run":
                await self.say(protocol.done(asked["job"], protocol.Result(0)))
            elif asked["do"] == "ping":
                await self.say({"is": "pong"})

    async def say(self, message: protocol.Message) -> None:
        await self.write_message(bytes([STDOUT]) + protocol.line(message), binary=True)


def serve(told: Connection, own: Keys) -> None:
    logging.disable()  # it would tell of streams that are cut in the end

    async def run() -> None:
        sockets = bind_sockets(0, ADDRESS, backlog=4096)
        server = HTTPServer(Application([(r"/.*/exec", Worker)]), ssl_options=server_side(own))
        server.add_sockets(sockets)
        told.send(sockets[0].getsockname()[1])
        await asyncio.Event().wait()

    asyncio.run(run())


@contextmanager
def served(folder: Path) -> Iterator[Context]:
    """Have streams answered in another process. Yields the way there."""
    ca = authority(folder)
    told, tells = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(
        target=serve, args=(tells, keys(ca, folder, ADDRESS)), daemon=True
    )
    process.start()
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [
            {
                "name": "c",
                "cluster": {
                    "server": f"https://{ADDRESS}:{told.recv()}",
                    "certificate-authority": str(ca.certificate),
                },
            }
        ],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    (folder / "kubeconfig").write_text(json.dumps(config))
    yield Context(files=[folder / "kubeconfig"])
    process.kill()


# -- the controller's end --


class Pods:
    """Pods that run as soon as they are asked for."""

    def __init__(self, client: KubeClient, put: Callable[[Event], None]) -> None:
        self.names, self._client, self._put = Names("bench"), client, put

    def create_pod(self, plan: PodPlan) -> None:
        self._put(PodMade(plan.name))
        self._put(PodSeen(plan.name, Outcome(State.RUNNING, node="node")))

    def delete_pod(self, pod: str) -> None:
        self._put(PodGone(pod))

    def open_stream(self, pod: str) -> ExecStream:
        return ExecStream(self._client, f"/api/v1/namespaces/bench/pods/{pod}", "worker", ["talk"])

    def stop_waiting(self) -> None:
        """Nothing waits."""


class Controller:
    """What a run has of the controller, without Snakemake."""

    def __init__(self, client: KubeClient, workers: int) -> None:
        self.hellos, self.ended = threading.Semaphore(0), threading.Semaphore(0)
        self.submitted: dict[str, float] = {}  # monotonic seconds, by job
        self.seconds: list[float] = []  # from each job's start to its end
        self._loop = Loop(print)
        cluster = cast(RunObjects, Pods(client, self.put))
        record = Record("bench", print)
        self._effects = Effects(
            cluster, record, logging.getLogger(), self.put, lambda *_: None, self.on_end, print
        )
        options = Options(RetryPolicy(), workers, reuse=True, pending_timeout=None)
        self._loop.start(Fleet(cluster.names, options), self._effects)

    def put(self, event: Event) -> None:
        self._loop.put(event)
        if isinstance(event, Hello):
            self.hellos.release()

    def submit(self, job: str) -> None:
        self.submitted[job] = time.monotonic()
        self.put(Submitted(Task(job, "rule", SHAPE, {"bucket": "b", "key": job})))

    def on_end(self, task: Task, _pod: str, _outcome: Outcome) -> None:
        self.seconds.append(time.monotonic() - self.submitted[task.job])
        self.ended.release()

    def close(self) -> None:
        self._effects.end()
        self.put(Closed())


def memory_mib() -> float:
    resident = int(Path("/proc/self/statm").read_text().split()[1])
    return resident * resource.getpagesize() / 2**20


@contextmanager
def timed() -> Iterator[tuple[Callable[[], float], Callable[[], float]]]:
    """Yield what returns the seconds since then, and those of processors."""
    began, used = time.monotonic(), time.process_time()
    yield lambda: time.monotonic() - began, lambda: time.process_time() - used


def connect(controller: Controller, workers: int) -> None:
    before = memory_mib()
    with timed() as (passed, used):
        controller.put(Expected((SHAPE,) * workers))
        for _ in range(workers):
            controller.hellos.acquire()
        each = 1000 * used() / workers
        print(f"{workers} workers: connected after {passed():.1f} s, {each:.1f} ms of a processor each")
    grown, all_ = memory_mib() - before, memory_mib()
    print(
        f"  memory: {1024 * grown / workers:.0f} KiB each, {all_:.0f} MiB in all; {threading.active_count()} threads"
    )


def idle(seconds: float) -> None:
    with timed() as (passed, used):
        time.sleep(seconds)
        print(f"  with nothing to do: {100 * used() / passed():.1f} % of a processor for all of them")


def work(controller: Controller, workers: int) -> None:
    jobs = workers * TASKS
    with timed() as (passed, used):
        for number in range(jobs):
            if number >= workers:  # as Snakemake, which gives no more than its limit
                controller.ended.acquire()
            controller.submit(f"job{number}")
        for _ in range(workers):
            controller.ended.acquire()
        each = 1000 * used() / jobs
        print(f"  {jobs} jobs that are over at once: {passed():.1f} s, {each:.2f} ms of a processor each")
    print(f"  from a job's submission to its end: median {statistics.median(controller.seconds):.3f} s")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--idle", type=float, default=IDLE_SECONDS, help="seconds with nothing to do (45)")
    options = parser.parse_args()
    with TemporaryDirectory() as folder, served(Path(folder)) as context:
        os.chdir(folder)  # the record of a run is in its folder
        controller = Controller(KubeClient(context), options.workers)
        connect(controller, options.workers)
        idle(options.idle)
        work(controller, options.workers)
        controller.close()


if __name__ == "__main__":
    main()
