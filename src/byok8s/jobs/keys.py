"""Paths of a workflow that cannot be keys in the bucket, or would be other ones: found once Snakemake has planned."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING

from byok8s.errors import InputError
from byok8s.jobs.job_files import files_of
from byok8s.s3.naming import names_kept

if TYPE_CHECKING:
    from snakemake.jobs import Job
    from snakemake.workflow import Workflow


LONGEST_BYTES = 1024  # of a key: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
# what some servers turn into something else, or cannot list
ODD = re.compile(r"[\\\x00-\x1f\x7f]")
MOST_NAMED = 5

Ask = Callable[[Iterable[str]], Mapping[str, str]]


@dataclass(frozen=True)
class Stored:
    """A file of a job in the bucket.

    kind: what it is to the rule, as output. path: as the Snakefile has it. key: where it is in the bucket.
    expected: the key that belongs to the path.
    """

    rule: str
    kind: str
    path: str
    key: str
    expected: str

    @property
    def words(self) -> str:
        return f"{self.kind} {self.path!r} of rule {self.rule}"


def check(files: Sequence[Stored], ask: Ask | None) -> None:
    """Raise InputError for a file that cannot be kept under its own name.

    ask: what the server makes of names, by name; None if nothing may be written.
    """
    for why, hint, wrong in _refused(files):
        _refuse(why, hint, wrong)
    odd = {_odd(file.path): file.path for file in files if _odd(file.path)}
    if not odd or ask is None:
        return
    became = ask(odd.values())
    for parts, sample in odd.items():
        if became[sample] != sample:
            _refuse(
                f"is a name that the S3 server does not keep: {became[sample]}",
                "Give it another name.",
                [file for file in files if _odd(file.path) == parts],
            )


def asking(workflow: Workflow) -> Ask:
    """Return what asks the workflow's server, in a folder of the prefix that is empty again afterwards."""
    provider = workflow.storage_registry.default_storage_provider
    bucket, _, prefix = (
        str(workflow.storage_settings.default_storage_prefix).removeprefix("s3://").partition("/")
    )
    folder = f"{prefix.rstrip('/')}/.byok8s/names-{token_hex(4)}".lstrip("/")
    return lambda names: names_kept(provider.client, bucket, folder, names)


def stored(jobs: Iterable[Job], workflow: Workflow) -> Iterator[Stored]:
    """Return the files of jobs that lie in the bucket by the default storage provider."""
    provider = workflow.storage_registry.default_storage_provider
    prefix = f"{workflow.storage_settings.default_storage_prefix or ''}".rstrip("/") + "/"
    within = prefix.removeprefix("s3://").partition("/")[2]
    for job in jobs:
        for kind, file in files_of(job):
            at = file.flags.get("storage_object")
            key = getattr(at, "key", None)  # another plugin may have none
            if at is not None and key and at.provider is provider and at.query.startswith(prefix):
                path = at.query.removeprefix(prefix)
                yield Stored(job.rule.name, kind, path, key, within + path)


def _refused(files: Sequence[Stored]) -> Iterator[tuple[str, str, list[Stored]]]:
    relative = "Name it relative to the working folder; a file that is to stay on this machine is local(...)."
    for why, hint, is_wrong in (
        ("is an absolute path, which no bucket has", relative, _is_absolute),
        ("leads out of the working folder, and so out of the bucket's prefix", relative, _leads_out),
        ("holds characters that are not UTF-8", "Give it another name.", _is_no_text),
        (
            f"makes a key of more than {LONGEST_BYTES} bytes",
            "S3 takes none: shorten it or the prefix.",
            _is_too_long,
        ),
        (
            "becomes another key in the bucket",
            "Give it another name.",
            lambda file: file.key != file.expected,
        ),
    ):
        if wrong := [file for file in files if is_wrong(file)]:
            yield why, hint, wrong


def _is_absolute(file: Stored) -> bool:
    return file.path.startswith("/")


def _leads_out(file: Stored) -> bool:
    return file.path.split("/")[0] == ".."


def _is_no_text(file: Stored) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in file.path)


def _is_too_long(file: Stored) -> bool:
    return len(file.expected.encode(errors="surrogatepass")) > LONGEST_BYTES


def _odd(path: str) -> frozenset[str]:
    return frozenset(ODD.findall(path))


def _refuse(why: str, hint: str, wrong: list[Stored]) -> None:
    named = list(dict.fromkeys(file.words for file in wrong))
    others = named[1:MOST_NAMED] + ([f"{len(named) - MOST_NAMED} more"] if named[MOST_NAMED:] else [])
    first = named[0][0].upper() + named[0][1:]
    raise InputError(
        f"{first} {why}.", where=f"So it is with {', '.join(others)}." if others else "", hint=hint
    )
