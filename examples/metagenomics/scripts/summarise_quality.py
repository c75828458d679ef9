# ruff: noqa: F821 - `snakemake` is put before a script by Snakemake
"""Of fastp's account of one sample: what the report shows, and no path."""

import json
from pathlib import Path

KEPT = ("total_reads", "total_bases", "q20_rate", "q30_rate", "gc_content")
DROPPED = ("low_quality_reads", "too_many_N_reads", "too_short_reads")


def mean_curve(facts: dict, when: str) -> list[float]:
    """The mean quality at each position of a read; of the two ends of pairs, of that with the longer reads."""
    curves = [
        facts[f"{end}_{when}_filtering"] for end in ("read1", "read2") if f"{end}_{when}_filtering" in facts
    ]
    longest = max(curves, key=lambda curve: len(curve["quality_curves"]["mean"]))
    return [round(value, 2) for value in longest["quality_curves"]["mean"]]


def main(source: str, out: str) -> None:
    facts = json.loads(Path(source).read_text())
    found = {
        when: {name: facts["summary"][f"{when}_filtering"][name] for name in KEPT}
        for when in ("before", "after")
    }
    found["dropped"] = {name: facts["filtering_result"][name] for name in DROPPED}
    found["curves"] = {when: mean_curve(facts, when) for when in ("before", "after")}
    Path(out).write_text(json.dumps(found, indent=1) + "\n")


main(snakemake.input[0], snakemake.output[0])
