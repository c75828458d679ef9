"""The process that scale.py measures: byok8s' own command, with the workers' work stood in for, and a meter.

usage: controller.py byok8s|null STEP REPORT ARGUMENTS-OF-BYOK8S
    null: an executor in byok8s' place that has each job's output put by another process and does nothing else:
    what such a run takes is Snakemake's own. STEP: a sample is taken each time as many jobs are done.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import subprocess
import sys
import threading
import time
import zipfile
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from snakemake_interface_executor_plugins.executors.base import AbstractExecutor, SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.jobs import JobExecutorInterface
from snakemake_interface_executor_plugins.settings import ExecMode

import snakemake_executor_plugin_byok8s as plugin
import standin
from byok8s.bundle import delivery
from byok8s.executor.executor import Executor
from byok8s.pods import manifest

CPU_REQUEST_SHARE = 0.05  # of a core for each worker, so that many are there at once on a small node
ENTRIES = ("__post_init__", "run_jobs")  # what Snakemake calls of an executor
# Snakemake's own functions, which an executor calls there, and in its threads
THEIRS = ("run_job_pre", "report_job_submission")
THEIRS_IN_THREADS = ("report_job_success",)
THEIR_THREADS = ("MainThread", "ThreadPoolExecutor-", "asyncio_")


@dataclass(frozen=True)
class Sample:
    """At so many jobs done. seconds: of the clock. memory: resident, in MiB. CPU time, in seconds: cpu, of all threads;
    submitting, of the executor where Snakemake calls it; collecting, of the executor's own threads.
    """

    done: int
    seconds: float
    memory: float
    cpu: float
    submitting: float
    collecting: float

    @property
    def own(self) -> float:
        return self.submitting + self.collecting


class Meter:
    """Measures an executor: CPU time in its entry points and its threads, without Snakemake's functions inside."""

    def __init__(self, step: int) -> None:
        self._step = step
        self._lock = threading.Lock()
        self._done = 0
        self._spent: dict[tuple[str, int], float] = {}  # by function and thread
        self._threads: dict[int, float] = {}  # by native id: those of the executor
        self._before: set[int] = set()  # threads that were there before it
        self.samples: list[Sample] = []

    def attach(self, executor: type[AbstractExecutor]) -> None:
        for name in (*ENTRIES, *THEIRS, *THEIRS_IN_THREADS):
            setattr(executor, name, self._timed(name, getattr(executor, name)))

    def _in(self, names: Sequence[str]) -> float:
        return sum(seconds for (name, _), seconds in list(self._spent.items()) if name in names)

    def _timed(self, name: str, function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def timed(*args: object, **kwargs: object) -> None:
            if not self.samples:
                self._before = {thread.native_id or 0 for thread in threading.enumerate()}
                self._sample()
            key = name, threading.get_ident()
            began = time.thread_time()
            try:
                function(*args, **kwargs)
            finally:
                self._spent[key] = self._spent.get(key, 0.0) + time.thread_time() - began
            if name == "report_job_success":
                self._count()

        return timed

    def _count(self) -> None:
        with self._lock:
            self._done += 1
            if self._done % self._step == 0:
                self._sample()

    def _sample(self) -> None:
        for thread in threading.enumerate():
            number = thread.native_id or 0
            if number not in self._before and not _is_snakemakes(thread):
                with contextlib.suppress(OSError):  # it ended just now: what it had at the last sample stays
                    self._threads[number] = _cpu(number)
        sample = Sample(
            done=self._done,
            seconds=time.monotonic(),
            memory=_memory(),
            cpu=time.process_time(),
            submitting=self._in(ENTRIES) - self._in(THEIRS),
            collecting=sum(self._threads.values()) - self._in(THEIRS_IN_THREADS),
        )
        self.samples.append(sample)


def _is_snakemakes(thread: threading.Thread) -> bool:
    return isinstance(thread, threading.Timer) or thread.name.startswith(THEIR_THREADS)


def _cpu(thread: int) -> float:
    return int(Path(f"/proc/self/task/{thread}/schedstat").read_text().split()[0]) / 1e9


def _memory() -> float:
    line = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")
    )
    return int(line.split()[1]) / 1024


class Null(RealExecutor):  # type: ignore[misc]
    """Tells that a job has succeeded when another process has put its output."""

    def __post_init__(self) -> None:
        self._jobs: deque[SubmittedJobInfo] = deque()
        command = [sys.executable, standin.__file__, "beside"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._listen, name="null", daemon=True).start()

    @property
    def cores(self) -> str:
        return "all"

    def get_python_executable(self) -> str:
        return "python"

    def get_exec_mode(self) -> ExecMode:
        return ExecMode.REMOTE

    def run_job(self, job: JobExecutorInterface) -> None:
        info = SubmittedJobInfo(job)
        self.report_job_submission(info)
        self._jobs.append(info)
        assert self._process.stdin
        prefix = self.workflow.storage_settings.default_storage_prefix
        print(standin.output(prefix, job.wildcards["i"]), file=self._process.stdin, flush=True)

    def _listen(self) -> None:
        assert self._process.stdout
        for _ in self._process.stdout:
            self.report_job_success(self._jobs.popleft())

    def shutdown(self) -> None:
        self._process.kill()
        self._process.wait()

    def cancel(self) -> None:
        self.shutdown()


def _worker() -> bytes:
    """The worker's own archive, with the stand-in for its first module."""
    theirs = zipfile.ZipFile(io.BytesIO(_real_files()["worker.pyz"]))
    files = {name: theirs.read(name) for name in theirs.namelist() if name.endswith(".py")}
    return delivery.archive_of({**files, "__main__.py": Path(standin.__file__).read_bytes()})


_real_files: Callable[[], dict[str, bytes]] = delivery.worker_files


def main() -> None:
    side, step, report, *arguments = sys.argv[1:]
    manifest.CPU_REQUEST_SHARE = CPU_REQUEST_SHARE
    delivery.worker_files = lambda: {**_real_files(), "worker.pyz": _worker()}
    executor: type[AbstractExecutor] = Executor
    if side == "null":
        executor = vars(plugin)["Executor"] = Null
    meter = Meter(int(step))
    meter.attach(executor)
    from byok8s.cli import byok8s

    try:
        byok8s(arguments, prog_name="byok8s")
    finally:
        Path(report).write_text(json.dumps([asdict(sample) for sample in meter.samples]))


if __name__ == "__main__":
    main()
