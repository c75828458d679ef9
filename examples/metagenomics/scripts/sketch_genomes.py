# ruff: noqa: F821 - `snakemake` is put before a script by Snakemake
"""Sketches of all genomes in one file, each by its name."""

import csv
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory


def main(genomes: dict[str, str], parameters: str, log: str, out: str) -> None:
    with TemporaryDirectory() as folder, Path(log).open("wb") as words:
        table = Path(folder) / "genomes.csv"
        with table.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("name", "genome_filename", "protein_filename"))
            rows.writerows((name, path, "") for name, path in genomes.items())
        command = ["sourmash", "sketch", "fromfile", "-p", parameters, "-o", out, str(table)]
        subprocess.run(command, stderr=words, check=True)


main(snakemake.params.genomes, snakemake.params.of, snakemake.log[0], snakemake.output[0])
