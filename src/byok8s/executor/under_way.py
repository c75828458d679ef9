"""Jobs, from when Snakemake gives them until it is told of their ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

from byok8s import compat
from byok8s.executor.environments import Unmade
from byok8s.executor.preparation import Prepared
from byok8s.executor.starts import Starts
from byok8s.executor.stored_outputs import ids
from byok8s.fleet.record import Record
from byok8s.jobs import tasks
from byok8s.jobs.orders import Orders
from byok8s.jobs.split import SplitGroup, wants_split
from byok8s.pods.manifest import Task
from byok8s.pods.outcome import Outcome, State

if TYPE_CHECKING:
    from logging import Logger

    from snakemake.jobs import Job
    from snakemake.workflow import Workflow
    from snakemake_interface_executor_plugins.executors.real import RealExecutor
    from snakemake_interface_executor_plugins.jobs import GroupJobExecutorInterface, JobExecutorInterface


class UnderWay:
    """The jobs of one run that are under way.

    snakemake: the executor by which Snakemake is told of jobs. decide: returns a job's task; raises Undescribable, or
    what the workflow's own functions raise. start: has a task carried out, whose begin and end are told here, by
    another thread.
    """

    def __init__(
        self,
        snakemake: RealExecutor,
        prepared: Prepared,
        starts: Starts,
        record: Record,
        orders: Orders,
        decide: Callable[[JobExecutorInterface], Task],
        start: Callable[[Task], None],
    ) -> None:
        self._snakemake, self._starts, self._record, self._orders = snakemake, starts, record, orders
        self._workflow: Workflow = snakemake.workflow
        self._logger: Logger = snakemake.logger
        self._files, self._outputs, self._between = prepared.files, prepared.outputs, prepared.between
        self._decide, self._start = decide, start
        self._lock = threading.Lock()
        self._group_lock = threading.Lock()
        self._jobs: dict[str, SubmittedJobInfo] = {}  # by the name of the job
        self._groups: dict[str, SplitGroup] = {}  # by the name of the member under way

    def __len__(self) -> int:
        return len(self._jobs)

    # -- from Snakemake --

    def take(self, job: JobExecutorInterface) -> None:
        """Have a job carried out, if the cache between workflows has not what it makes."""
        if self._between.is_for(job):
            self._between.take(job, partial(self._on_cache, job))
        else:
            self._submit(job)

    def _on_cache(self, job: JobExecutorInterface, found: bool | Exception) -> None:
        """The cache between workflows was asked for a job's outputs."""
        if found is False:
            self._submit(job)
            return
        info = SubmittedJobInfo(job)
        self._snakemake.report_job_submission(info)
        task = tasks.here(job)
        self._record.given(task)
        if found is True:
            self._record.succeeded_here(task)
        self._end_of_cached(info, found)

    def _submit(self, job: JobExecutorInterface) -> None:
        try:
            if job.is_group() and wants_split(job):
                self._snakemake.report_job_submission(SubmittedJobInfo(job))
                SplitGroup(job, self._submit_member).next_level()
                return
            task = self._decide(job)
        except Exception as error:  # noqa: BLE001 - of the workflow's own functions: the job fails, and no other
            self._report(SubmittedJobInfo(job), _of_submission(error))
            return
        info = SubmittedJobInfo(job, external_jobid=task.id)
        with self._lock:
            self._jobs[task.job] = info
        self._snakemake.report_job_submission(info)
        self._start(task)

    def _submit_member(self, member: JobExecutorInterface, group: SplitGroup) -> Task:
        task = self._decide(member)
        with self._lock:
            self._jobs[task.job] = SubmittedJobInfo(member, external_jobid=task.id)
            self._groups[task.job] = group
        self._start(task)
        return task

    # -- from the cluster, in other threads --

    def on_begin(self, task: Task, pod: str) -> None:
        """A try of a task has begun in a pod."""
        with self._lock:
            info = self._jobs.get(task.job)
        # such a program may open a log as soon as it is told of it
        if compat.logger_plugins(self._workflow):
            self._record.add_output(task, ())
        if info:
            self._starts.began(task.job, ids(info.job), pod)

    def on_end(self, task: Task, pod: str, found: Outcome) -> None:
        """The last try of a task has ended."""
        self._starts.tell(task.job)
        with self._lock:
            info = self._jobs.pop(task.job, None)
            group = self._groups.pop(task.job, None)
        if info is None:
            return
        try:
            self._orders.remove(task)
            if found.state is State.SUCCEEDED:
                found = self._outputs.learn(info.job, found)
                self._files.tell_of_left(found)
            if group:
                self._go_on_with(group, task, pod, found)
            else:
                self._end_of_task(info, task, pod, found)
        except Exception as error:  # noqa: BLE001 - a job that is not reported would be waited for without end
            self._workflow.scheduler.executor_error_callback(error)

    def _end_of_task(self, info: SubmittedJobInfo, task: Task, pod: str, found: Outcome) -> None:
        well = found.state is State.SUCCEEDED
        if not well and info.job.is_group():
            self._keep(info.job, self._outputs.done_members(info.job, found))
        self._report(info, "" if well else self._words(task, pod, found))

    def _go_on_with(self, group: SplitGroup, task: Task, pod: str, found: Outcome) -> None:
        """A member of a group has ended, whose members run one by one."""
        with self._group_lock:
            if not group.ended(task, pod, found, well=found.state is State.SUCCEEDED):
                return
            words = self._words(*group.failed) if group.failed else ""
            try:
                if not words and group.next_level():
                    return
            except Exception as error:  # noqa: BLE001 - of the workflow's own functions
                words = _of_submission(error)
            if words:
                self._keep(group.group, group.done)
        self._report(SubmittedJobInfo(group.group), words)

    def _keep(self, group: GroupJobExecutorInterface, done: Sequence[Job]) -> None:
        """Keep what members of a group have made that is about to fail because of another."""
        for job in done:
            compat.keep_outputs(job)
        if done:
            rules = ", ".join(dict.fromkeys(job.rule.name for job in done))
            jobs = f"{len(done)} of {len(group.jobs)} jobs"
            self._logger.info(f"Of group {group.groupid}, {jobs} were done ({rules}): their outputs stay.")

    # -- to Snakemake --

    def _report(self, info: SubmittedJobInfo, words: str) -> None:
        """words: why it has failed; nothing when it has not."""
        if not words and self._between.is_for(info.job):
            self._between.fill(info.job, partial(self._end_of_cached, info))
            return
        self._end(info, words)

    def _end_of_cached(self, info: SubmittedJobInfo, found: bool | Exception) -> None:
        """A job's outputs are in the bucket and in the cache between workflows, or something was wrong."""
        self._end(info, f"Failed: {found}" if isinstance(found, Exception) else "")

    def _end(self, info: SubmittedJobInfo, words: str) -> None:
        self._starts.announce(ids(info.job))
        if not words:
            self._snakemake.report_job_success(info)
            return
        if info.job.is_group():
            self._logger.error(words)  # of a group, Snakemake drops what it is told
        self._snakemake.report_job_error(info, msg=words)

    def _words(self, task: Task, pod: str, found: Outcome) -> str:
        return found.words(pod, self._record.said(task), self._record.log(task).stem)


def _of_submission(error: Exception) -> str:
    """Return what is told of a job that could not be submitted."""
    return str(error) if isinstance(error, Unmade) else f"Failed: {error}"
