"""byok8s, run on a workflow as a user runs it: the folder's files are in the bucket, and so are the results."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from conformance.place import Place, Shelf
from conformance.workflow import Workflow, copy, digest, digests, environment, execute

WORKSPACE = Path(".byok8s", "workflow")


@dataclass(frozen=True)
class Attempt:
    """What byok8s made of a workflow.

    ended: whether it ended as it should. stored: the keys that it made or changed, with their digests. beside: the same
    of files on disk, in the user's folder or in byok8s' workspace. kept: the files of the folder that are as they were.
    """

    ended: bool
    code: int | None
    words: str
    seconds: float
    stored: Mapping[str, str]
    beside: Mapping[str, str]
    kept: frozenset[str]


def attempt(workflow: Workflow, place: Place, name: str) -> Attempt:
    """Run a copy of the workflow. name: of its prefix in the bucket."""
    with TemporaryDirectory(prefix="attempt-") as scratch:
        folder = copy(workflow, Path(scratch, "workflow"))
        before, shelf = workflow.keyed(digests(folder)), place.shelf(name)
        inputs = folder / (workflow.directory or workflow.start)
        for path in before:
            shelf.put(path, (inputs / path).read_bytes())
        command = _command(workflow, place, shelf, Path(scratch))
        variables = environment(Path(scratch, "home"), place.environment)
        ended = execute(command, folder / workflow.start, variables, place.seconds)
        stored = {key: digest(shelf.get(key)) for key in shelf.all_keys()}
        beside = workflow.keyed(_in_workspace(folder / workflow.start / WORKSPACE) | digests(folder))
    return Attempt(
        ended=ended.as_it_should(workflow),
        code=ended.code,
        words=ended.words,
        seconds=ended.seconds,
        stored={key: value for key, value in stored.items() if before.get(key) != value},
        beside={path: value for path, value in beside.items() if before.get(path) != value},
        kept=frozenset(path for path, value in before.items() if stored.get(path) == value),
    )


def _in_workspace(workspace: Path) -> dict[str, str]:
    """Return what is in the workspace itself: a link there leads to the user's own files."""
    return {path: value for path, value in digests(workspace).items() if not (workspace / path).is_symlink()}


def _command(workflow: Workflow, place: Place, shelf: Shelf, scratch: Path) -> Sequence[str]:
    return [
        *(sys.executable, "-m", "byok8s", *_words(workflow, scratch)),
        *("--s3-bucket", f"{shelf.bucket.name}/{shelf.bucket.prefix}"),
        *("--jobs", str(place.jobs or workflow.cores)),
        *(["--snakefile", workflow.snakefile] if workflow.snakefile else []),
        *place.arguments,
        *(["--", *workflow.flags] if workflow.flags else []),
    ]


def _words(workflow: Workflow, scratch: Path) -> Sequence[str]:
    """Return the words that name no workflow file, the params file if there is one, and the targets."""
    if not workflow.config:
        return ["-", "-", *workflow.targets]
    params = scratch / "params.json"  # outside of the folder, where it cannot be in the way
    params.write_text(json.dumps(workflow.config))
    return ["-", str(params), *workflow.targets]
