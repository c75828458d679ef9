"""A table with a row for each sample."""

from pathlib import Path

COLUMNS = ("sample", "reads", "kmers", "distinct", "commonest", "times")


def row(sample: str, fastq: str, ranked: str) -> tuple[str, ...]:
    """ranked: lines of k-mer and count, the commonest first."""
    counts = [line.split("\t") for line in ranked.splitlines()]
    reads = len(fastq.splitlines()) // 4
    kmers = sum(int(times) for _, times in counts)
    return (sample, str(reads), str(kmers), str(len(counts)), *counts[0])


rows = [
    row(sample, Path(fastq).read_text(), Path(ranked).read_text())
    for sample, fastq, ranked in zip(
        snakemake.params.samples, snakemake.input.reads, snakemake.input.ranked, strict=True
    )
]
Path(snakemake.output[0]).write_text("".join("\t".join(cells) + "\n" for cells in [COLUMNS, *rows]))
