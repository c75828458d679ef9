# ruff: noqa: F821 - `snakemake` is put before a script by Snakemake
"""Takes the reads of one sample out of the packages that ship them: pairs one after another, at most so many.

A sample of several sources is a mixture, in which they take turns: so each has its part however few are taken.
"""

import gzip
from collections.abc import Iterator
from itertools import chain, islice, zip_longest
from pathlib import Path

LINES = 4  # of a read


def reads(path: Path) -> Iterator[bytes]:
    with gzip.open(path) as file:
        while lines := list(islice(file, LINES)):
            yield b"".join(lines)


def fragments(files: list[str], paired: bool) -> Iterator[bytes]:
    """What was sequenced together: a read, or two. files: two with the ends of pairs, or one of all reads."""
    found = [reads(Path(file)) for file in files]
    if len(found) == 1 and paired:
        found *= 2  # the same iterator twice
    return (b"".join(ends) for ends in zip(*found, strict=True))


def main(sources: list[list[str]], paired: bool, most: int, out: str) -> None:
    each = [fragments(files, paired) for files in sources]
    turns = chain.from_iterable(zip_longest(*each, fillvalue=b""))
    # without a name and a time in its head, so that the same reads make the same file
    with Path(out).open("wb") as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as zipped:
        for fragment in islice(filter(None, turns), most):
            zipped.write(fragment)


main(snakemake.params.sources, snakemake.params.paired, snakemake.params.most, snakemake.output[0])
