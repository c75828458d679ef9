"""How often each k-mer occurs in the reads of a sample: a line for each, k-mer and count."""

from collections import Counter
from pathlib import Path


def count(fastq: str, k: int) -> Counter[str]:
    """The k-mers of a FASTQ file's reads, which are every fourth line from the second on."""
    counts: Counter[str] = Counter()
    for read in fastq.splitlines()[1::4]:
        counts.update(read[start : start + k] for start in range(len(read) - k + 1))
    return counts


counts = count(Path(snakemake.input[0]).read_text(), snakemake.params.k)
Path(snakemake.output[0]).write_text("".join(f"{kmer}\t{times}\n" for kmer, times in counts.items()))
