"""The layout of published workflows, packaged and run from an empty folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from conformance.oracle import consult
from conformance.place import Place
from conformance.workflow import digest
from folders import write_files
from installed import Installed, install_beside
from layouts import FILES, data
from meaning import Meaning

NAMED = {"workflow-all.yaml": "workflow_target: all\n", "params-none.yaml": "{}\n"}


def made_and_right(
    first: Installed, place: Place, scratch: Path
) -> tuple[Mapping[str, str | None], Mapping[str, str | None]]:
    """Return the digests of the results of a run of the package, and those that plain Snakemake's have.

    first: another package, beside which this one is installed.
    """
    oracle = consult(Meaning(FILES).written(scratch / "plain"))
    assert oracle.ended, oracle.words
    write_files(scratch / "counts", {**FILES, **NAMED})
    counts = install_beside(first, scratch / "counts", "counts", "1", scratch / "installed")
    shelf = place.shelf("packaged")
    for path, content in data("", "lines").items():
        shelf.put(path, content.encode())
    mine = scratch / "mine"
    mine.mkdir()
    bucket = f"{shelf.bucket.name}/{shelf.bucket.prefix}"
    counts.run(
        mine,
        "workflow-all",
        "params-none",
        "--s3-bucket",
        bucket,
        *place.arguments,
        environment=place.environment,
    )
    made = {key: digest(shelf.get(key)) for key in shelf.all_keys()}
    return {path: made.get(path) for path in oracle.files}, oracle.files
