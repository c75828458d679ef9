"""Reads from random places of a random genome, the same ones for the same sample and parameters."""

from pathlib import Path
from random import Random


def fastq(sample: str, genome_length: int, count: int, length: int) -> str:
    """So many reads of one length, in FASTQ."""
    random = Random(sample)
    genome = "".join(random.choices("ACGT", k=genome_length))
    starts = [random.randrange(genome_length - length + 1) for _ in range(count)]
    reads = [genome[start : start + length] for start in starts]
    return "".join(f"@{sample}.{number}\n{read}\n+\n{'I' * length}\n" for number, read in enumerate(reads, 1))


params = snakemake.params
Path(snakemake.output[0]).write_text(
    fastq(snakemake.wildcards.sample, params.genome_length, params.reads, params.length)
)
