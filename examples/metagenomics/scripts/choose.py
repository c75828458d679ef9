# ruff: noqa: F821 - `snakemake` is put before a script by Snakemake
"""Which samples are assembled: those with enough bases left. A line a sample: its name, its bases, yes or no."""

import json
from pathlib import Path


def main(samples: list[str], sources: list[str], least: int, out: str) -> None:
    bases = [json.loads(Path(source).read_text())["after"]["total_bases"] for source in sources]
    rows = [f"{s}\t{n}\t{'yes' if n >= least else 'no'}\n" for s, n in zip(samples, bases, strict=True)]
    Path(out).write_text("".join(rows))


main(snakemake.params.samples, list(snakemake.input), snakemake.params.least, snakemake.output[0])
