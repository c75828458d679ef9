"""Snakemake's own records of a folder, with those of the bucket before them.

Snakemake keeps what it knows of a made file in `.snakemake/`. Of files of the bucket the bucket's records are asked
first, and what Snakemake notes is added to them. Names of Snakemake's that are not public are used here; `check` looks
for them.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from byok8s.provenance.book import Book, Known
from byok8s.provenance.line import Stored

if TYPE_CHECKING:
    from snakemake.dag import DAG
    from snakemake.jobs import Job
    from snakemake.persistence import MetadataRecord

    from snakemake_storage_plugin_byok8s.facts import Facts

# what is called or replaced, and its parameters
USED: Final = {
    "snakemake.persistence:PersistenceBase._read_record": "self key",
    "snakemake.persistence:PersistenceBase._filter_incomplete_keys": "self keys",
    "snakemake.persistence:PersistenceBase._software_stack_changed": "self job file",
    "snakemake.persistence:PersistenceBase._software_stack_hash": "self job",
    "snakemake.persistence:PersistenceBase._get_key": "self f",
    "snakemake.persistence:PersistenceBase._clear_cache": "self",
    "snakemake.persistence:PersistenceBase.started": "self job external_jobid",
    "snakemake.persistence:PersistenceBase.finished": "self job",
    "snakemake.persistence.file:FilePersistence._read_record": "self key",
    "snakemake.persistence.db:DbPersistence._read_record": "self key",
    "snakemake.jobs:Job.outputs_older_than_script_or_notebook": "self",
    "snakemake.jobs:Job._path_to_source_file": "self path",
}


def check() -> None:
    """Raise WorkflowError for a Snakemake that has other names."""
    from snakemake_storage_plugin_byok8s import compat

    compat.check(USED)


def recorded(base: type[Any], records: Records) -> type[Any]:
    """Return one of Snakemake's persistences, as a class that asks the bucket's records first."""

    class Recorded(base):  # type: ignore[misc]
        def _read_record(self, key: str) -> MetadataRecord | None:
            return records.record(key, super()._read_record(key))

        def _filter_incomplete_keys(self, keys: Iterable[str]) -> set[str]:
            own, ours = records.split(keys)
            incomplete: set[str] = super()._filter_incomplete_keys(own)
            return incomplete | records.in_doubt(self.dag, ours)

        def _software_stack_changed(self, job: Job, file: Any = None) -> bool:
            key = self._get_key(file)
            told = records.told(key, super()._read_record(key))
            if told is None:
                return bool(super()._software_stack_changed(job, file))
            return told.software not in ("", _software(self.dag, job))

        def started(self, job: Job, external_jobid: str | None = None) -> None:
            records.begun(self.dag, map(self._get_key, job.output))
            super().started(job, external_jobid)

        async def finished(self, job: Job) -> None:
            keys = list(map(self._get_key, job.output))
            records.begun(self.dag, keys)
            await super().finished(job)
            self._clear_cache()  # in which a file without a record is one for ever
            for key in keys:
                records.made(self.dag, job, key, super()._read_record(key))

    return Recorded


class Records:
    """The records of a bucket, in Snakemake's words: a file's key is its query."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._parsed = lru_cache(maxsize=256)(self._parse)
        # as they were when they were first looked at: what jobs get is what was there when the run began
        self._scripts: dict[str, str] = {}

    def record(self, key: str, local: MetadataRecord | None) -> MetadataRecord | None:
        """Return the record of a file that counts. local: this folder's."""
        return local if self.told(key, local) is None else self._parsed(key) or local

    def told(self, key: str, local: MetadataRecord | None) -> Known | None:
        """Return what the bucket tells of a file, if that counts more than this folder's own record."""
        known = self._book.known(key)
        if known and known.generation == 0 and local and (local.endtime or 0.0) >= known.ended:
            return None  # which is from before there were records in the bucket
        return known

    def _parse(self, key: str) -> MetadataRecord | None:
        from snakemake.persistence import MetadataRecord

        known = self._book.known(key)
        if known is None:
            return None
        try:
            fields = {
                name: known.record[name] for name in MetadataRecord.model_fields if name in known.record
            }
            return MetadataRecord.model_validate(fields)
        except ValueError:  # of what no Snakemake has written
            return None

    def split(self, keys: Iterable[str]) -> tuple[set[str], set[str]]:
        """Return the files of which this folder's notes tell whether they are complete, and those of the bucket's."""
        all_keys = set(keys)
        ours = set(filter(self._book.governs, all_keys))
        return all_keys - ours, ours

    def in_doubt(self, dag: DAG, keys: Iterable[str]) -> set[str]:
        """Return the files that have to be made again, as nobody knows how they were made."""
        return {key for key in keys if self._book.is_in_doubt(key, partial(_stored, dag))}

    def begun(self, dag: DAG, keys: Iterable[str]) -> None:
        """Note that a job begins. A checkpoint may have shown it to be needed, and others."""
        if not self._book.begun(keys) and _is_recorded(dag):
            self._announce(dag)

    def made(self, dag: DAG, job: Job, key: str, record: MetadataRecord | None) -> None:
        """Add how a file was made, as Snakemake has just noted it."""
        self._book.ended(key)
        if record is not None and self._book.path(key) and _is_recorded(dag):
            self._book.made(
                key, record.model_dump(), _stored(dag, key), self.script(job), _software(dag, job)
            )

    def planned(self, dag: DAG) -> None:
        """Say what the jobs of a plan are going to make; and add what is known in this folder alone."""
        if self._book.is_written and _is_recorded(dag):
            for job in dag.jobs:
                if not dag.needrun(job):
                    self._adopt(dag, job)
            self._announce(dag)
            self._book.flush()

    def _announce(self, dag: DAG) -> None:
        jobs = list(dag.needrun_jobs())
        for job in jobs:
            self.script(job)
        self._book.announce(str(file.storage_object.query) for job in jobs for file in _of_storage(job))

    def _adopt(self, dag: DAG, job: Job) -> None:
        persistence = dag.workflow.persistence
        for file in _of_storage(job):
            key = str(file.storage_object.query)
            if self._book.governs(key) or (stored := _stored(dag, key)) is None:
                continue
            record = persistence.metadata(file)
            if record is None or record.endtime is None:
                continue
            unchanged = record.software_stack_hash == persistence._software_stack_hash(job)
            path = _script_path(job)
            script = self.script(job) if path and path.stat().st_mtime <= record.endtime else ""
            self._book.adopt(
                key, record.model_dump(), stored, script, _software(dag, job) if unchanged else ""
            )

    def script(self, job: Job) -> str:
        """Return the checksum of a job's script or notebook, if it is a file of this machine; else ""."""
        path = _script_path(job)
        if path is None:
            return ""
        if str(path) not in self._scripts:
            self._scripts[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
        return self._scripts[str(path)]

    def recorded_scripts(self, job: Job) -> list[str]:
        """Return the checksums of the script that has made a job's outputs, one each; none if one is not known."""
        known = [self._book.known(str(file.storage_object.query)) for file in _of_storage(job)]
        found = [each.script for each in known if each and each.script]
        return found if len(found) == len(job.output) else []


def _is_recorded(dag: DAG) -> bool:
    return bool(not dag.workflow.dryrun and dag.workflow.execution_settings.keep_metadata)


def _of_storage(job: Job) -> Iterator[Any]:
    return (file for file in job.output if file.is_storage)


def _stored(dag: DAG, key: str) -> Stored | None:
    """Return what is in the bucket, which planning has listed and jobs have reported."""
    from snakemake_storage_plugin_byok8s.connection import split

    provider = dag.workflow.storage_registry.default_storage_provider
    facts: Facts | None = provider.facts(*split(key), "existence")
    return Stored(facts.mtime, facts.size, facts.etag) if facts else None


def _software(dag: DAG, job: Job) -> str:
    """Return a checksum of what Snakemake's own is of, but for the folder that environments are in."""
    from snakemake.settings.types import DeploymentMethod

    methods = dag.workflow.deployment_settings.deployment_method
    parts = [
        job.conda_env.content_hash if DeploymentMethod.CONDA in methods and job.conda_env else "",
        job.container_img_url if DeploymentMethod.APPTAINER in methods and job.container_img_url else "",
        job.env_modules.hash if job.env_modules else "",
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _script_path(job: Job) -> Path | None:
    from snakemake.sourcecache import LocalSourceFile

    named = job.rule.script or job.rule.notebook
    source = job._path_to_source_file(named) if named else None
    path = Path(source.get_path_or_uri(secret_free=True)) if isinstance(source, LocalSourceFile) else None
    return path if path and path.is_file() else None


def older_than_script(original: Callable[..., Any], records: Records) -> Callable[..., Any]:
    """Tell a script that has changed by its content if that is recorded: a checkout gives every file a new time."""

    async def outputs_older_than_script_or_notebook(self: Job) -> AsyncIterator[Any]:
        now, then = records.script(self), records.recorded_scripts(self)
        if not now or not then:
            async for file in original(self):
                yield file
            return
        for file, script in zip(self.output, then, strict=True):
            if script != now:
                yield file

    return outputs_older_than_script_or_notebook
