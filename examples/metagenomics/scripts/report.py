# ruff: noqa: F821 - `snakemake` is put before a script by Snakemake
"""The report: one page, with its pictures and styles in it."""

import base64
import csv
import json
from html import escape
from pathlib import Path

from charts import AFTER, BEFORE, bars, curves, stacked

STYLE = """
:root { --ink: #1d2733; --soft: #5d6b7a; --line: #dfe5eb; --ground: #f6f8fa; --accent: #1f6f8b; }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.5 system-ui, "DejaVu Sans", sans-serif; color: var(--ink); background: var(--ground); }
header { background: linear-gradient(120deg, #123c4d, #1f6f8b 70%, #3fa796); color: white; padding: 2.2rem 0 1.8rem; }
header p { margin: .3rem 0 0; opacity: .85; }
h1 { margin: 0; font-size: 1.9rem; } h2 { margin: 0 0 .2rem; font-size: 1.2rem; }
.wide { max-width: 68rem; margin: 0 auto; padding: 0 1.5rem; }
section { background: white; border: 1px solid var(--line); border-radius: 10px; }
section { padding: 1.3rem 1.5rem; margin: 1.3rem 0; }
section > p { color: var(--soft); margin: 0 0 .9rem; max-width: 52rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; color: var(--soft); font-weight: 600; font-size: .85rem; }
th, td { padding: .35rem .9rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: middle; }
tr:last-child td { border-bottom: 0; }
td.n, th.n { text-align: right; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1.1rem; }
.grid h3 { margin: 0; font-size: 1rem; } svg { width: 100%; height: auto; display: block; }
.no { color: var(--soft); font-style: italic; }
.two { display: grid; grid-template-columns: 1fr 1fr; gap: 1.5rem; align-items: center; }
@media (max-width: 50rem) { .two { grid-template-columns: 1fr; } section { overflow-x: auto; } }
img { max-width: 100%; } footer { color: var(--soft); font-size: .85rem; padding: 0 0 2rem; }
"""


def read_json(path: str) -> dict:
    return json.loads(Path(path).read_text())


def read_rows(path: str, delimiter: str) -> list[list[str]]:
    with Path(path).open(newline="") as file:
        return list(csv.reader(file, delimiter=delimiter))


def table(heading: list[str], rows: list[list[str]], words: int = 1) -> str:
    """words: how many columns are words, at the left; the rest are numbers. Cells are HTML."""
    kinds = ['class="w"' if n < words else 'class="n"' for n in range(len(heading))]
    head = "".join(f"<th {kind}>{cell}</th>" for kind, cell in zip(kinds, heading, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td {kind}>{cell}</td>" for kind, cell in zip(kinds, row, strict=True)) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def section(title: str, words: str, *parts: str) -> str:
    return f"<section><h2>{title}</h2><p>{words}</p>{''.join(parts)}</section>"


def quality(found: dict[str, dict]) -> str:
    rows = [
        [
            escape(sample),
            f"{facts['before']['total_reads']:,}",
            f"{facts['after']['total_reads']:,}",
            f"{facts['after']['total_reads'] / facts['before']['total_reads']:.0%}",
            f"{facts['after']['total_bases'] / 1e6:.2f}",
            f"{facts['before']['q30_rate']:.0%}",
            f"{facts['after']['q30_rate']:.0%}",
            f"{facts['after']['gc_content']:.0%}",
        ]
        for sample, facts in found.items()
    ]
    heading = ["sample", "reads", "kept", "share", "megabases kept", "Q30 before", "Q30 after", "GC"]
    pictures = "".join(
        f"<div><h3>{escape(sample)}</h3>{curves(facts['curves']['before'], facts['curves']['after'])}</div>"
        for sample, facts in found.items()
    )
    words = (
        "What fastp has kept. The curves are the mean quality along a read: "
        f"<span style='color:{BEFORE}'>&#9644;</span> as it was, "
        f"<span style='color:{AFTER}'>&#9644;</span> after trimming."
    )
    return section(
        "Reads", words, table(heading, rows), f"<div class='grid' style='margin-top:1.2rem'>{pictures}</div>"
    )


def assembly(chosen: list[list[str]], found: dict[str, dict]) -> str:
    heading = ["sample", "bases of reads", "contigs", "bases", "longest", "N50", "GC", "contigs by length"]
    rows = [
        [
            escape(sample),
            f"{int(bases):,}",
            f"{found[sample]['contigs']:,}",
            f"{found[sample]['bases']:,}",
            f"{found[sample]['longest']:,}",
            f"{found[sample]['n50']:,}",
            f"{found[sample]['gc']:.0%}",
            bars(found[sample]["lengths"]),
        ]
        if verdict == "yes"
        else [
            escape(sample),
            f"{int(bases):,}",
            *["<span class='no'>&ndash;</span>"] * 5,
            "<span class='no'>too few reads</span>",
        ]
        for sample, bases, verdict in chosen
    ]
    return section(
        "Assembly", "Contigs that megahit has made of the samples with enough reads.", table(heading, rows)
    )


def classification(found: dict[str, list[list[str]]]) -> str:
    shares = {sample: [(row[0], float(row[1])) for row in rows] for sample, rows in found.items()}
    heading = ["sample", "genome", "share of the sample", "part of the genome", "mean abundance"]
    rows = [
        [
            escape(sample) if n == 0 else "",
            escape(name),
            f"{float(a):.1%}",
            f"{float(b):.1%}",
            f"{float(c):.1f}",
        ]
        for sample, found_there in found.items()
        for n, (name, a, b, c) in enumerate(found_there)
    ]
    words = (
        "The fewest genomes that cover a sample's k-mers, by sourmash gather. What no genome explains are sequencing "
        "errors, and organisms that are not among the reference."
    )
    return section("Classification", words, stacked(shares), table(heading, rows, words=2))


def comparison(rows: list[list[str]], plot: bytes) -> str:
    names, *values = rows
    heading = ["", *map(escape, names)]
    body = [[escape(name), *(shade(float(v)) for v in row)] for name, row in zip(names, values, strict=True)]
    picture = (
        f"<img alt='similarity of the samples' src='data:image/png;base64,{base64.b64encode(plot).decode()}'>"
    )
    words = "How alike samples are, by the k-mers of their trimmed reads and how often each is there; 1 is the same."
    return section("Comparison", words, f"<div class='two'><div>{table(heading, body)}</div>{picture}</div>")


def shade(value: float) -> str:
    return (
        f"<span style='background:rgba(31,111,139,{value * 0.55:.2f});padding:.15rem .45rem;border-radius:4px'>"
        f"{value:.2f}</span>"
    )


def main() -> None:
    given, samples = snakemake.input, snakemake.params.samples
    by_sample = {Path(path).stem: read_json(path) for path in given.contigs}
    found_reads = {s: read_json(path) for s, path in zip(samples, given.quality, strict=True)}
    found_genomes = {
        s: read_rows(path, "\t")[1:] for s, path in zip(samples, given.classification, strict=True)
    }
    title = escape(snakemake.params.title)
    fragments = sum(facts["before"]["total_reads"] for facts in found_reads.values())
    parts = [
        quality(found_reads),
        assembly(read_rows(given.chosen, "\t"), by_sample),
        classification(found_genomes),
        comparison(read_rows(given.similarity, ","), Path(given.plot).read_bytes()),
    ]
    page = (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{title}</title><style>{STYLE}</style></head><body>"
        f"<header><div class='wide'><h1>{title}</h1><p>{len(samples)} samples, {fragments:,} reads: "
        "quality, assembly, classification, comparison</p></div></header>"
        f"<main class='wide'>{''.join(parts)}</main>"
        "<footer class='wide'>Made by fastp, megahit and sourmash.</footer></body></html>"
    )
    Path(snakemake.output[0]).write_text(page + "\n", encoding="utf-8")


main()
