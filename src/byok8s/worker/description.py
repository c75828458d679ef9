"""A job as the controller has decided it, and the run that it is of: all that a pod needs to carry it out.

Nothing of the workflow is decided again in a pod. Paths are relative to the working folder, as the rules name them.
Values are written by `byok8s.worker.values`. A pod of this version takes no description of another: `VERSION` goes
with the protocol's.

    RunDescription  once a run, in the pods' files: where things are, what the Snakefile has set, how to reach S3
    JobDescription  once a job: levels of members, each level after the one before it, the members of one at once
    Member          one Snakemake job: its files, its values and its Action
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from byok8s.worker.values import Encoded


@dataclass(frozen=True)
class Ensure:
    """What an output must be like. algorithm: of the checksum, by hashlib's name."""

    non_empty: bool = False
    checksum: str = ""
    algorithm: str = ""


@dataclass(frozen=True)
class File:
    """An input, output, log or benchmark.

    bucket, key: where it is stored; empty for what only this job's pod has: a pipe, a service's socket, and what
    is needed nowhere else than in its group. size: bytes, -1 when that is not known. directory: None when it is not
    known. update: the former content is there when the job begins. remote: the command itself reads or writes it, and
    path is its address. shared: other jobs take it as an input, too.
    """

    path: str
    bucket: str = ""
    key: str = ""
    size: int = -1
    directory: bool | None = None
    touch: bool = False
    pipe: bool = False
    service: bool = False
    update: bool = False
    remote: bool = False
    shared: bool = False
    ensure: Ensure | None = None

    @property
    def stored(self) -> bool:
        return bool(self.key)


@dataclass(frozen=True)
class Environment:
    """A conda environment in the bucket. name: Snakemake's hash of it. sha256: of the object, as it was made. platform:
    conda's word for the machines that it is for.
    """

    name: str
    bucket: str
    key: str
    sha256: str
    platform: str


@dataclass(frozen=True)
class Action:
    """What a member does: the one call that its rule makes.

    kind: shell, script, notebook, cwl or render_template, Snakemake's functions of these names; function, for a rule's
    run:; nothing, for a rule without any. text: the formatted command, the source of the script or notebook, or the
    template engine. path: of the script, notebook or CWL file, within the root. globals: those of the Snakefile
    that the function uses, by name; described: the same for what cannot be sent, in words.
    """

    kind: str
    text: str = ""
    path: str = ""
    globals: Mapping[str, Encoded] = field(default_factory=dict)
    described: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Member:
    """One Snakemake job.

    values: input, output, log, params, wildcards and resources as named lists, and config.
    repeats: how often it is run for its benchmark. extended: whether the benchmark has all columns. keep: patterns of
    files that no rule declares, and that are stored all the same. shadow: plain Snakemake deletes what else it leaves.
    tmpdir: the rule's own folder for temporary files. environment: what its commands and scripts run in; None for what
    the image has. image: of the container that they run in; "" for the worker's own.
    """

    rule: str
    jobid: int
    threads: int
    action: Action
    input: Sequence[File] = ()
    output: Sequence[File] = ()
    log: Sequence[File] = ()
    benchmark: File | None = None
    repeats: int = 1
    extended: bool = False
    keep: Sequence[str] = ()
    shadow: bool = False
    tmpdir: str = ""
    environment: Environment | None = None
    image: str = ""
    values: Mapping[str, Encoded] = field(default_factory=dict)


@dataclass(frozen=True)
class JobDescription:
    """levels: see above. drop: for each level the paths that nobody needs after it. cores: how many threads the
    members of a level may have together. files: content of further files, as base64, by their path within the root.
    places: like those of the run, of this job alone.
    """

    levels: Sequence[Sequence[Member]]
    drop: Sequence[Sequence[str]] = ()
    cores: int = 1
    files: Mapping[str, str] = field(default_factory=dict)
    places: Sequence[tuple[str, str]] = ()

    @property
    def members(self) -> list[Member]:
        return [member for level in self.levels for member in level]


@dataclass(frozen=True)
class ShellSettings:
    """What the Snakefile has said of all shell commands. prefix: None for Snakemake's own."""

    prefix: str | None = None
    suffix: str = ""
    executable: str = "bash"


@dataclass(frozen=True)
class Snakefile:
    """For rules with run:, whose code only the Snakefile has. path: within the root. start: the folder within the root
    in which it is read. config, cores, nodes: as given to Snakemake, None when they were not.
    """

    path: str
    start: str = ""
    config: Encoded = None
    cores: int | None = None
    nodes: int | None = None


@dataclass(frozen=True)
class RunDescription:
    """cwd: the working folder within the root. places: absolute paths of the controller and what they are within the
    root; the longest that fits counts. tmpdir: stands in values for the pod's folder for temporary files. environment:
    what the Snakefile has set, by name: before (None for nothing) and after. storage: the S3 plugin's settings. bucket:
    the one that most files are in. prefix: what is put before a path, within the working folder, to make its key there.
    unused_environments: whether rules declare conda environments, and get what the image has in their place. scripts:
    whether rules have scripts or notebooks.
    """

    snakefile: Snakefile
    cwd: str = ""
    places: Sequence[tuple[str, str]] = ()
    tmpdir: str = "/byok8s/tmpdir"
    environment: Mapping[str, tuple[str | None, str]] = field(default_factory=dict)
    shell: ShellSettings = ShellSettings()
    storage: Mapping[str, Encoded] = field(default_factory=dict)
    bucket: str = ""
    prefix: str = ""
    unused_environments: bool = False
    scripts: bool = False


@dataclass(frozen=True)
class Stored:
    """What is known of an object that a job has stored. mtime: seconds since 1970, by the server's clock. sha256: of a
    conda environment's archive, which is all that has one.
    """

    bucket: str
    key: str
    mtime: int
    size: int
    directory: bool = False
    etag: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Left:
    """Files that a job has left, that no rule declares and that were not kept.

    rule: whose job it was; of several at once all their names. paths: the first of them, within the working folder.
    count: how many there are.
    """

    rule: str
    paths: tuple[str, ...]
    count: int


@dataclass(frozen=True)
class Done:
    """What a job that went well has stored, and what it has left."""

    stored: Sequence[Stored]
    left: Sequence[Left] = ()


def job_from_json(data: Mapping[str, Any]) -> JobDescription:
    """Read a JobDescription from JSON. Raises TypeError or KeyError for what this version does not know."""
    levels = [[member_from_json(member) for member in level] for level in data["levels"]]
    return JobDescription(**{**data, "levels": levels})


def run_from_json(data: Mapping[str, Any]) -> RunDescription:
    """Read a RunDescription from JSON."""
    snakefile, shell = Snakefile(**data["snakefile"]), ShellSettings(**data["shell"])
    return RunDescription(**{**data, "snakefile": snakefile, "shell": shell})


def wants_snakefile(data: Mapping[str, Any]) -> bool:
    """Return whether a JobDescription in JSON has a rule with run:, whose code only the Snakefile has."""
    return any(member["action"]["kind"] == "function" for level in data["levels"] for member in level)


def member_from_json(data: Mapping[str, Any]) -> Member:
    """Read one member of a JobDescription from JSON."""
    files = {name: [_file(file) for file in data[name]] for name in ("input", "output", "log")}
    benchmark = _file(data["benchmark"]) if data["benchmark"] else None
    environment = Environment(**data["environment"]) if data["environment"] else None
    action = Action(**data["action"])
    return Member(**{**data, **files, "benchmark": benchmark, "action": action, "environment": environment})


def _file(data: Mapping[str, Any]) -> File:
    return File(**{**data, "ensure": Ensure(**data["ensure"]) if data["ensure"] else None})
