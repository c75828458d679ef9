# ruff: noqa: F821 - `snakemake` is put before a script by Snakemake
"""Sketches of all genomes in one file, each by its name."""

import gzip
import json
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory


def sequences(path: Path) -> bytes:
    """A FASTA file's content, with each record on a line of its own: one of the packages' files ends without."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return content.rstrip() + b"\n"


def sketch(name: str, path: Path, parameters: str, log: str) -> list[object]:
    with TemporaryDirectory() as folder, Path(log).open("ab") as words:
        made = Path(folder) / "one.sig"
        command = ["sourmash", "sketch", "dna", "-p", parameters, "--name", name, "-o", str(made), "-"]
        subprocess.run(command, input=sequences(path), stderr=words, check=True)
        return list(json.loads(made.read_text()))


def main(genomes: dict[str, str], parameters: str, log: str, out: str) -> None:
    sketches = [s for name, path in genomes.items() for s in sketch(name, Path(path), parameters, log)]
    Path(out).write_text(json.dumps(sketches))


main(snakemake.params.genomes, snakemake.params.of, snakemake.log[0], snakemake.output[0])
