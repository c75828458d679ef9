# ruff: noqa: F821 - `snakemake` is put before a script by Snakemake
"""The size of an assembly: contigs, bases, the longest, N50 and the share of G and C."""

import json
from pathlib import Path


def contigs(path: str) -> list[str]:
    """The sequences of a FASTA file."""
    records = Path(path).read_text().split(">")[1:]
    return ["".join(record.splitlines()[1:]) for record in records]


def n50(lengths: list[int]) -> int:
    """The length of the contig with which half of all bases are reached, the longest taken first."""
    reached = 0
    for length in sorted(lengths, reverse=True):
        reached += length
        if 2 * reached >= sum(lengths):
            return length
    return 0


def main(source: str, out: str) -> None:
    found = contigs(source)
    lengths = [len(contig) for contig in found]
    gc = sum(contig.count("G") + contig.count("C") for contig in found)
    measured = {
        "contigs": len(found),
        "bases": sum(lengths),
        "longest": max(lengths, default=0),
        "n50": n50(lengths),
        "gc": round(gc / sum(lengths), 4) if found else 0.0,
        "lengths": sorted(lengths, reverse=True),
    }
    Path(out).write_text(json.dumps(measured) + "\n")


main(snakemake.input[0], snakemake.output[0])
