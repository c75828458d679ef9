"""Plain Snakemake, run here: what it makes of a workflow is what byok8s has to make of it.

Each workflow is run twice, in two folders. What differs between them (times, process ids, absolute paths) has no right
value, so only its being there can be compared. Nor has a benchmark, be it twice the same by chance. Results are kept,
because they depend on nothing but the workflow and the installed packages.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from conformance.corpus import cache as cache_folder
from conformance.workflow import Ended, Workflow, copy, digests, environment, execute, files, measured

SECONDS = 90.0
EDITION = 1  # of what is kept: raise it with a change here that makes another result


@dataclass(frozen=True)
class Oracle:
    """What plain Snakemake made of a workflow.

    ended: whether it ended as it should. files: the path of each that it made or changed, and its digest, None for one
    that is another each time. outputs: those of them that it knows as a job's. gone: what it removed. absent, other: of
    the workflow's expected-results those that are missing, and those with another content.
    """

    ended: bool
    words: str
    files: Mapping[str, str | None]
    outputs: frozenset[str]
    gone: frozenset[str]
    absent: Sequence[str]
    other: Sequence[str]


def consult(workflow: Workflow) -> Oracle:
    """Return what plain Snakemake makes of the workflow, from the last time if nothing has changed since."""
    kept = cache_folder() / "oracle" / f"{_fingerprint(workflow)}.json"
    if kept.is_file():
        return _read(kept)
    oracle = _run_twice(workflow)
    kept.parent.mkdir(parents=True, exist_ok=True)
    half = kept.with_suffix(".half")
    half.write_text(json.dumps(asdict(oracle), default=sorted))
    half.replace(kept)
    return oracle


def _read(path: Path) -> Oracle:
    found = json.loads(path.read_text())
    return Oracle(**found | {name: frozenset(found[name]) for name in ("outputs", "gone")})


def _run_twice(workflow: Workflow) -> Oracle:
    with TemporaryDirectory(prefix="oracle-") as scratch:
        once, again = (_run(workflow, Path(scratch, name)) for name in ("once", "and-again"))
    made = {path: once.made[path] for path in once.made.keys() & again.made.keys()}
    return Oracle(
        ended=once.ended.as_it_should(workflow) and again.ended.as_it_should(workflow),
        words=once.ended.words,
        files={
            path: value if again.made[path] == value and path not in once.measured else None
            for path, value in made.items()
        },
        outputs=frozenset(path for path in made if once.outputs & {path, *map(str, Path(path).parents)}),
        gone=once.gone & again.gone,
        absent=once.absent,
        other=once.other,
    )


@dataclass(frozen=True)
class _Run:
    ended: Ended
    made: Mapping[str, str]
    outputs: frozenset[str]
    gone: frozenset[str]
    measured: frozenset[str]
    absent: Sequence[str]
    other: Sequence[str]


def _run(workflow: Workflow, place: Path) -> _Run:
    folder = copy(workflow, place / "workflow")
    before = workflow.keyed(digests(folder))
    ended = execute(
        _command(workflow, place), folder / workflow.start, environment(place / "home", {}), SECONDS
    )
    after, expected = workflow.keyed(digests(folder)), _expected(workflow.folder)
    return _Run(
        ended=ended,
        made={path: value for path, value in after.items() if before.get(path) != value},
        outputs=frozenset(_outputs(folder / (workflow.directory or workflow.start))),
        gone=frozenset(before.keys() - workflow.keyed({str(path): "" for path in files(folder)}).keys()),
        measured=frozenset(workflow.keyed(dict.fromkeys(measured(folder), ""))),
        absent=[name for name in expected if name not in after],
        other=[name for name in expected if name in after and _differ(folder / name, expected[name])],
    )


def _expected(folder: Path) -> dict[str, Path]:
    """Return the files of a test's expected-results, as upstream's harness finds them."""
    results = folder / "expected-results"
    found = (path for path in sorted(results.rglob("*")) if path.is_file())
    return {
        str(path.relative_to(results)): path
        for path in found
        if not path.name.endswith("_WIN") and not _hidden(path.relative_to(results))
    }


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _differ(path: Path, expected: Path) -> bool:
    return path.read_bytes().strip() != expected.read_bytes().strip()


def _command(workflow: Workflow, place: Path) -> Sequence[str]:
    config = place / "config.json"
    config.write_text(json.dumps(workflow.config))
    return [
        *(sys.executable, "-m", "snakemake", *workflow.targets),
        *("--cores", str(workflow.cores), "--show-failed-logs"),
        *(["--snakefile", workflow.snakefile] if workflow.snakefile else []),
        *(["--configfile", str(config)] if workflow.config else []),
        *workflow.flags,
    ]


def _outputs(folder: Path) -> Iterator[str]:
    """Yield the files that jobs have made as their outputs: Snakemake keeps a record of each, named by its path."""
    metadata = folder / ".snakemake" / "metadata"
    for path in metadata.rglob("*"):
        if path.is_file():
            encoded = "".join(path.relative_to(metadata).parts).replace("@", "")
            name = base64.b64decode(encoded, altchars=b"-_").decode(errors="replace")
            yield os.path.relpath(folder / name, folder)


def _fingerprint(workflow: Workflow) -> str:
    """Return a name for the run that is another when anything in it is."""
    said = [
        workflow.targets,
        workflow.snakefile,
        workflow.config,
        workflow.flags,
        workflow.cores,
        workflow.fails,
    ]
    where = [workflow.start, workflow.directory] if workflow.start or workflow.directory else []
    # of an earlier edition, what is kept of all others is right
    if any(b"benchmark" in (workflow.folder / path).read_bytes() for path in digests(workflow.folder)):
        where.append("benchmarks are not compared")
    folder = sorted(digests(workflow.folder).items())
    whole = json.dumps([said, *where, folder, _packages(), EDITION], sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()[:32]


@cache
def _packages() -> list[str]:
    return sorted(f"{found.name}=={found.version}" for found in importlib.metadata.distributions())
