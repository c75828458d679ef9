# ruff: noqa: F821 - `snakemake` is put before a script by Snakemake
"""Of what sourmash has gathered: the genomes in a sample, that which explains most of it first.

A line a genome: its name, the share of the sample's k-mers that only it and none before explains (weighted by how
often they are there), how much of the genome is there, and how often it was read on average.
"""

import csv
from pathlib import Path

COLUMNS = ("f_unique_weighted", "f_match_orig", "average_abund")


def main(source: str, out: str) -> None:
    with Path(source).open(newline="") as file:
        rows = [(row["name"], *(f"{float(row[c]):.4f}" for c in COLUMNS)) for row in csv.DictReader(file)]
    heading = ("genome", "share of the sample", "part of the genome", "mean abundance")
    Path(out).write_text("".join("\t".join(row) + "\n" for row in [heading, *rows]))


main(snakemake.input[0], snakemake.output[0])
