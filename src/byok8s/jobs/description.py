"""A job of Snakemake's as a JobDescription: all that was decided here, as data."""

from __future__ import annotations

import base64
import json
import os
import re
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from byok8s import compat
from byok8s.bundle import elsewhere
from byok8s.errors import Byok8sError
from byok8s.jobs import keep, software, unknown
from byok8s.jobs.keep import Kept
from byok8s.worker.description import (
    Action,
    Ensure,
    Environment,
    File,
    JobDescription,
    Member,
    RunDescription,
)
from byok8s.worker.parsed import described
from byok8s.worker.values import Encoded, Unsendable, encode, encode_named
from byok8s.workspace import walk

if TYPE_CHECKING:
    from snakemake.io import _IOFile
    from snakemake.jobs import GroupJob, Job

    from byok8s.jobs.upstream import Upstream

# Snakemake gives these to a rule's code, too; in a pod they mean nothing
NOTHING: Final = dict.fromkeys(
    (
        *("conda_env", "container_img", "env_modules", "bench_record", "bench_iteration", "shadow_dir"),
        *("edit_notebook", "conda_base_path", "sourcecache_path", "runtime_sourcecache_path"),
    )
)
ADDRESS: Final = re.compile(r" at 0x[0-9a-f]+")
LARGEST_FILE_BYTES: Final = 1_000_000  # of a file that is not in the bucket, and goes along with a job
SOURCE_FILES: Final = ".snakemake/source-files"
SYSTEM_TMPDIR: Final = "system_tmpdir"  # Snakemake's default, and what asks for it by name
PATH_CHARACTERS: Final = r"[^\s'\"\\;|&<>()\[\]{},]*"


class Undescribable(Byok8sError):
    """A job that cannot be carried out in a pod, for a reason that has a name."""


class Describer:
    """Describes the jobs of one run. root: the folder that a pod rebuilds, which the working folder lies in. caches:
    folders of this machine with files that values may name. kept: what rules keep of what they do not declare.
    upstream: knows what jobs have made that commands name. environment: returns the one of a job. is_shared: tells
    whether others than a job take one of its inputs.
    """

    def __init__(
        self,
        run: RunDescription,
        root: Path,
        caches: Sequence[str],
        kept: Kept | None = None,
        upstream: Upstream | None = None,
        environment: Callable[[Job], Environment | None] = lambda _: None,
        is_shared: Callable[[str, Job], bool] = lambda *_: False,
    ) -> None:
        self._environment, self._is_shared = environment, is_shared
        self._run, self._root, self._caches, self._kept = run, root, caches, kept
        self._upstream = upstream
        self._wrappers = compat.Wrappers()

    def describe(self, job: Job | GroupJob) -> JobDescription:
        """Raises Undescribable, or whatever the workflow's own functions raise."""
        found = self._group(job) if job.is_group() else JobDescription([[self._member(job)]])
        jobs = list(job) if job.is_group() else [job]
        beside = [*(self._kept.beside(jobs) if self._kept else []), *self._named(found, jobs)]
        return self._with_files(_with_inputs(found, beside))

    def _group(self, group: GroupJob) -> JobDescription:
        """What only members need stays in the pod, until its last user there has ended."""
        unneeded = {str(file) for file in group.dag.get_unneeded_temp_files(group)}
        levels, made, last = [], set[str](), dict[str, int]()
        for number, level in enumerate(compat.levels_of(group)):
            members = [self._member(job, unneeded) for job in level]
            made |= {file.path for member in members for file in member.output}
            used = {file.path for member in members for file in (*member.input, *member.output)}
            last |= dict.fromkeys(used & unneeded, number)
            levels.append(members)
        drop = [[path for path, at in last.items() if at == number] for number in range(len(levels))]
        return JobDescription(levels, drop, cores=int(group.resources.get("_cores", 1)))

    def _member(self, job: Job, unneeded: Collection[str] = ()) -> Member:
        tmpdir = self._tmpdir(job)
        given = self._given(job, tmpdir)
        action = self._action(job, given)
        return Member(
            rule=job.rule.name,
            jobid=job.jobid,
            threads=job.threads,
            action=action,
            input=[self._input(file, job) for file in job.input],
            output=[self._output(file, job, unneeded) for file in job.output],
            log=[self._file(file, job) for file in job.log],
            benchmark=self._file(job.benchmark, job) if job.benchmark else None,
            repeats=job.benchmark_repeats or 1,
            extended=bool(job.rule.workflow.output_settings.benchmark_extended),
            keep=keep.patterns(job),
            shadow=bool(job.rule.shadow_depth),
            tmpdir="" if tmpdir == self._run.tmpdir else tmpdir,
            environment=self._environment(job),
            image=software.image_of(job),
            values=self._values(job, given, action.kind),
        )

    def _given(self, job: Job, tmpdir: str) -> dict[str, object]:
        """What Snakemake gives to the code of the job's rule. tmpdir: the folder for temporary files."""
        from snakemake.iocontainers import ResourceList

        resources = {name: value for name, value in job.resources.items() if name != "tmpdir"}
        unknown.check([job])
        if "tmpdir" in job.resources.keys():  # noqa: SIM118 - a list of Snakemake's, in which only names are keys
            resources["tmpdir"] = tmpdir
        return {
            "input": job.input._plainstrings(),
            "output": job.output._plainstrings(),
            "log": job.log._plainstrings(),
            "params": job.params,
            "wildcards": job.wildcards,
            "threads": job.threads,
            "resources": ResourceList(fromdict=resources),
            "rule": job.rule.name,
            "jobid": job.jobid,
            "is_shell": job.is_shell,
            "basedir": job.rule.basedir,
            "cleanup_scripts": True,
            "use_singularity": False,
            "singularity_args": "",
            "runtime_paths": [],
            **NOTHING,
        }

    def _tmpdir(self, job: Job) -> str:
        """Return the rule's own, or a word for the pod's."""
        rule = job.rule
        if getattr(rule.resources.get("tmpdir"), "raw", None) == SYSTEM_TMPDIR:
            return self._run.tmpdir
        others = [name for name in rule.resources if name not in {"_cores", "tmpdir"}]
        resources = rule.expand_resources(job.wildcards_dict, job.input, job.attempt, skip_evaluation=others)
        said = resources.get("tmpdir")
        return self._run.tmpdir if said in (None, tempfile.gettempdir()) else str(said)

    def _action(self, job: Job, given: Mapping[str, object]) -> Action:
        if job.is_norun:
            return Action("nothing")
        if job.is_run and not job.is_template_engine:
            return self._function(job)
        call = compat.call_of(job.rule, given)
        if call.name == "shell":
            return Action("shell", text=call.arguments["cmd"])
        if call.name == "render_template":
            return Action("render_template", text=call.arguments["engine"])
        if call.name == "cwl":
            return Action(
                "cwl", path=self._within(Path(str(call.arguments["basedir"]), call.arguments["path"]))
            )
        source = compat.source_of(call, job, self._wrappers)
        path = (
            self._within(Path(source.folder, source.name))
            if source.local
            else elsewhere.within(source.folder, source.name)
        )
        return Action("notebook" if call.name == "notebook" else "script", source.text, path)

    def _within(self, path: Path) -> str:
        """Return where a file of this machine is within the root of pods."""
        path = _absolute(path)
        if path.is_relative_to(self._root):
            return path.relative_to(self._root).as_posix()
        return elsewhere.within(str(path.parent), path.name)

    def _function(self, job: Job) -> Action:
        """The variables of the Snakefile go along if they are plain; others are described, to be compared there."""
        sent: dict[str, Encoded] = {}
        told: dict[str, str] = {}
        for name, value in compat.globals_of(job.rule.run_func):
            try:
                sent[name] = encode(value, pickled=False)
            except Unsendable:
                words = described(value)
                if not ADDRESS.search(words):  # which differs in each process
                    told[name] = words
        return Action("function", globals=sent, described=told)

    def _values(self, job: Job, given: Mapping[str, Any], kind: str) -> dict[str, Encoded]:
        names = ["input", "output", "log", "params", "wildcards", "resources"]
        extended = job.benchmark and job.rule.workflow.output_settings.benchmark_extended
        if kind == "shell" and not extended:
            names = ["resources"]  # all else is in the command
        found: dict[str, Encoded] = {}
        for name in names:
            try:
                found[name] = encode_named(given[name])
            except Unsendable as error:
                raise Undescribable(
                    f"The {name} of rule {job.rule.name} cannot be sent to a pod: {error}.",
                    hint="Give it as text, numbers, lists or dictionaries of these.",
                ) from error
        if kind not in {"shell", "function", "nothing"}:
            found["config"] = encode(dict(job.rule.run_func.__globals__["config"]))
        return found

    # -- files --

    def _input(self, file: _IOFile, job: Job) -> File:
        found = self._file(file, job)
        return replace(found, shared=True) if found.stored and self._is_shared(str(file), job) else found

    def _output(self, file: _IOFile, job: Job, unneeded: Collection[str]) -> File:
        found = self._file(file, job)
        if str(file) in unneeded:
            found = replace(found, bucket="", key="")
        ensure = file.flags.get("ensure")
        return replace(
            found,
            directory=bool(file.flags.get("directory")),
            touch=bool(file.flags.get("touch")),
            update=bool(file.flags.get("update")),
            ensure=_ensure(ensure, job) if ensure else None,
        )

    def _file(self, file: _IOFile, job: Job) -> File:
        path, flags = str(file), file.flags
        if flags.get("pipe") or flags.get("service"):
            return File(path, pipe=bool(flags.get("pipe")), service=bool(flags.get("service")))
        if job.is_pipe_or_service_input(file):
            return File(path)
        storage = file.storage_object if file.is_storage else None
        if storage is None:
            return File(path)
        if not storage.retrieve:
            return File(storage.query, remote=True)
        if not hasattr(storage.provider, "known"):
            raise Undescribable(
                f"Rule {job.rule.name} names {storage.query}, whose storage plugin is not known in pods.",
                hint="Have a local rule (localrules: NAME) bring it into the bucket.",
            )
        facts = storage.provider.known(storage.bucket, storage.key)
        return File(
            path,
            storage.bucket,
            storage.key,
            size=facts.size if facts else -1,
            directory=facts.is_dir if facts else None,
        )

    def _named(self, found: JobDescription, jobs: Sequence[Job]) -> Iterator[File]:
        """Yield the files in the bucket that commands name, of jobs that have ended before."""
        if self._upstream is None:
            return
        commands = {m.jobid: m.action.text for m in found.members if m.action.kind == "shell"}
        within = {path for member in found.members for path in _made(member)}
        for job in jobs:
            for file in self._upstream.named(job, commands.get(job.jobid, "")):
                if str(file) not in within and file.is_storage and file.storage_object.exists():
                    yield self._file(file, job)

    def _with_files(self, job: JobDescription) -> JobDescription:
        """Add what the job names and only this machine has: what source_path() and local() give."""
        text = json.dumps([[m.values, m.action.text] for m in job.members], ensure_ascii=False)
        cached = {path: f"{SOURCE_FILES}/{n}/{Path(path).name}" for n, path in enumerate(self._cached(text))}
        files = {within: _content(Path(path)) for path, within in cached.items()}
        made = {file.path for member in job.members for file in member.output}
        for member in job.members:
            for file in member.input:
                if not (file.stored or file.pipe or file.service or file.remote or file.path in made):
                    files |= self._of_this_machine(file.path, member.rule)
        # each by its whole path: that of the root is a part of it
        return replace(job, files=files, places=list(cached.items()))

    def _cached(self, text: str) -> list[str]:
        """Return the files of Snakemake's source caches that a text names, as it names them."""
        found: list[str] = []
        for cache in self._caches:
            if cache in text:
                # with what leads up and down again in them; and those with a space, or a quote, in their names
                found += re.findall(re.escape(cache) + PATH_CHARACTERS, text)
                found += [str(path) for path, _ in walk.files(Path(cache)) if str(path) in text]
                # one lies in the other, which all runs on this machine share, and which may be large
                text = text.replace(cache, "")
        return [path for path in dict.fromkeys(found) if Path(path).is_file()]

    def _of_this_machine(self, path: str, rule: str) -> dict[str, str]:
        file, root = _absolute(path), self._root
        with suppress(OSError):
            if file.is_relative_to(root) and file.is_file() and file.stat().st_size <= LARGEST_FILE_BYTES:
                return {file.relative_to(root).as_posix(): _content(file)}
            if any(file.is_relative_to(cache) for cache in self._caches):
                return {}
        raise Undescribable(
            f"Rule {rule} takes {path}, which is not in the bucket, and cannot go along with a job.",
            hint=f"Files of the working folder of at most {LARGEST_FILE_BYTES // 1_000_000} MB can.",
        )


def _with_inputs(found: JobDescription, beside: Sequence[File]) -> JobDescription:
    """Add files to the inputs which no rule declares as such, and which belong to them."""
    if not beside:
        return found
    (first, *others), *levels = found.levels
    first = replace(first, input=[*first.input, *beside])
    return replace(found, levels=[[first, *others], *levels])


def _made(member: Member) -> Iterator[str]:
    yield from (file.path for file in (*member.output, *member.log))
    if member.benchmark:
        yield member.benchmark.path


def _absolute(path: str | Path) -> Path:
    """Without following links, which would lead out of the root."""
    return Path(os.path.normpath(Path(path).absolute()))


def _content(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _ensure(said: Mapping[str, Any], job: Job) -> Ensure:
    checksum = said.get("checksum")
    if callable(checksum):
        checksum = checksum(job.wildcards)
    return Ensure(bool(said.get("non_empty")), str(checksum or ""), str(said.get("checksum_algorithm") or ""))
