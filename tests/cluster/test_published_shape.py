"""A workflow in the shape of published ones, unchanged: workflow/, a sheet, schemas, wrappers, conda, reports.

It is after Snakemake's template for workflows and rna-seq-star-deseq2, small and of our own; its programs come from a
channel made by hand, and pods have neither pandas nor a way out.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from channel import greetings
from sandbox import Sandbox

SNAKEFILE = """
from snakemake.utils import min_version
min_version("8.0.0")
configfile: "config/config.yaml"
report: "report/workflow.rst"
include: "rules/common.smk"
include: "rules/ref.smk"
include: "rules/count.smk"
rule all:
    input: get_final_output()
"""
COMMON = """
import glob
import pandas as pd
from snakemake.utils import validate
validate(config, schema="../schemas/config.schema.yaml")
samples = pd.read_csv(config["samples"], sep="\\t", dtype={"sample_name": str}).set_index("sample_name", drop=False)
validate(samples, schema="../schemas/samples.schema.yaml")
units = pd.read_csv(config["units"], sep="\\t", dtype=str)
units = units.set_index(["sample_name", "unit_name"], drop=False).sort_index()
wildcard_constraints:
    sample="|".join(samples["sample_name"]),
    unit="|".join(units["unit_name"]),
def get_fq(wildcards):
    return units.loc[(wildcards.sample, wildcards.unit), "fq1"]
def get_counts(wildcards):
    return expand("results/counts/{unit.sample_name}-{unit.unit_name}.txt", unit=units.itertuples())
def get_final_output():
    final = ["results/matrix.tsv", "results/qc/report.html"]
    if config["trimming"]["activate"]:
        final.append("results/trimming.done")
    return final
def is_activated(xpath):
    c = config
    for entry in xpath.split("/"):
        c = c.get(entry, {})
    return bool(c.get("activate", False))
"""
REFERENCE = """
rule get_genome:
    output: "resources/genome.fasta"
    log: "logs/get-genome.log"
    params: species=config["ref"]["species"]
    cache: True
    wrapper: "v3.5.3/bio/reference"
rule index:
    input: fasta="resources/genome.fasta"
    output: directory("resources/genome")
    threads: 4
    log: "logs/index.log"
    conda: "../envs/greet.yaml"
    shell: "(mkdir {output} && greet > {output}/words && cat {input.fasta} > {output}/fasta) 2> {log}"
"""
COUNT = """
rule trim:
    input: get_fq
    output: temp("results/trimmed/{sample}-{unit}.fq")
    params: extra=config["trimming"]["extra"], adapters=lambda w: units.loc[(w.sample, w.unit)].get("adapters", "")
    log: "logs/trim/{sample}-{unit}.log"
    conda: "../envs/greet.yaml"
    shell: "tr -d {params.adapters:q} {params.extra} < {input} > {output} 2> {log}"
rule count:
    input: fq="results/trimmed/{sample}-{unit}.fq", index="resources/genome"
    output: "results/counts/{sample}-{unit}.txt"
    log: "logs/count/{sample}-{unit}.log"
    params: extra=f"--genome {config['ref']['species']}"
    threads: 2
    wrapper: "v3.5.3/bio/count"
rule matrix:
    input: get_counts
    output: report("results/matrix.tsv", caption="../report/matrix.rst", category="Counts")
    log: "logs/matrix.log"
    params: samples=units["sample_name"].tolist(), strand=lambda w: get_strandedness(units)
    conda: "../envs/other.yaml"
    script: "../scripts/matrix.py"
def get_strandedness(units):
    return units["strandedness"].tolist() if "strandedness" in units.columns else ["none"] * units.shape[0]
localrules: qc
rule qc:
    input: lambda w: expand("results/counts/{u.sample_name}-{u.unit_name}.txt", u=units.itertuples())
    output: report("results/qc/report.html", category="Quality")
    log: "logs/qc.log"
    run:
        with open(output[0], "w") as out, open(log[0], "w") as said:
            print(f"<p>{len(input)} of {len(samples)} samples, {is_activated('trimming')}</p>", file=out)
            print("done", file=said)
rule trimmed:
    input: get_counts
    output: touch("results/trimming.done")
"""
WRAPPER = "from snakemake.shell import shell\nlog = snakemake.log_fmt_shell(stdout=False, stderr=True)\n"
MATRIX = """
import os, subprocess, sys
sys.stderr = open(snakemake.log[0], "w")
said = subprocess.check_output(["greet"], text=True).splitlines()[0]
with open(snakemake.output[0], "w") as out:
    print("sample", "strand", "count", said, sep="\\t", file=out)
    for file, sample, strand in zip(snakemake.input, snakemake.params.samples, snakemake.params.strand):
        print(sample, strand, open(file).read().strip(), sep="\\t", file=out)
print(os.environ["THIS_PYTHON"], file=sys.stderr)
"""
FILES = {
    "config/config.yaml": "samples: config/samples.tsv\nunits: config/units.tsv\nref: {species: homo_sapiens}\n"
    "trimming: {activate: true, extra: ''}\n",
    "config/samples.tsv": "sample_name\tcondition\n01\ttreated\nb\tuntreated\n",
    "config/units.tsv": "sample_name\tunit_name\tfq1\tadapters\tstrandedness\n"
    "01\tlane1\treads/01.fq\tN\tyes\n01\tlane2\treads/01b.fq\tA\treverse\nb\tlane1\treads/b.fq\tC\tnone\n",
    "reads/01.fq": "ACGTN\nNA\n",
    "reads/01b.fq": "AACG\n",
    "reads/b.fq": "CCT\n",
    "workflow/Snakefile": SNAKEFILE,
    "workflow/rules/common.smk": COMMON,
    "workflow/rules/ref.smk": REFERENCE,
    "workflow/rules/count.smk": COUNT,
    "workflow/envs/greet.yaml": "channels: [greetings, nodefaults]\ndependencies: [greet, 'libgreet=1.2']\n",
    "workflow/envs/other.yaml": "channels: [greetings, nodefaults]\ndependencies: [greet, 'libgreet=1.3', python]\n",
    "workflow/scripts/matrix.py": MATRIX,
    "workflow/report/workflow.rst": "A workflow.\n",
    "workflow/report/matrix.rst": "A matrix of {{ snakemake.wildcards }}.\n",
    "workflow/schemas/config.schema.yaml": '$schema: "https://json-schema.org/draft/2020-12/schema"\ntype: object\n'
    "properties:\n  samples: {type: string}\n  trimming:\n    type: object\n    properties:\n"
    "      activate: {type: boolean}\n      extra: {type: string, default: ''}\nrequired: [samples, units, ref]\n",
    "workflow/schemas/samples.schema.yaml": '$schema: "https://json-schema.org/draft/2020-12/schema"\n'
    "properties:\n  sample_name: {type: string}\n  condition: {type: string}\nrequired: [sample_name, condition]\n",
}
WRAPPERS = {
    "wrappers/v3.5.3/bio/reference/wrapper.py": WRAPPER
    + "shell(\"(echo '>{snakemake.params.species}' > {snakemake.output}; greet >&2) {log}\")\n",
    "wrappers/v3.5.3/bio/reference/environment.yaml": "channels: [greetings, nodefaults]\n"
    "dependencies: [greet, 'libgreet=1.2']\n",
    "wrappers/v3.5.3/bio/count/wrapper.py": WRAPPER + 'extra = snakemake.params.get("extra", "")\n'
    'shell("(wc -c < {snakemake.input.fq}; echo {extra} {snakemake.threads}; cat {snakemake.input.index}/words '
    "{snakemake.input.index}/fasta) | tr '\\\\n' ' ' > {snakemake.output} {log}\")\n",
    "wrappers/v3.5.3/bio/count/environment.yaml": "channels: [greetings, nodefaults]\n"
    "dependencies: [greet, 'libgreet=1.2']\n",
}


@pytest.fixture
def flow(cluster: Sandbox) -> Iterator[Sandbox]:
    assert shutil.which("conda") is None
    with greetings(cluster.folder.parent) as address:
        cluster.environment |= {"BYOK8S_SOFTWARE": "declared", "BYOK8S_CHANNEL_ALIAS": address}
        cluster.write({**FILES, **WRAPPERS})
        yield cluster


@pytest.mark.alone  # a rule of it needs most of the node
def test_a_workflow_in_the_shape_of_published_ones_runs_unchanged(flow: Sandbox) -> None:
    flags = ("--upload", "yes", "--", "--wrapper-prefix", f"file://{flow.folder}/wrappers/")
    flow.run(*flags)
    assert flow.read("results/matrix.tsv").splitlines()[0].endswith("hello from libgreet 1.3")
    rows = [row.split("\t") for row in flow.read("results/matrix.tsv").splitlines()[1:]]
    assert [row[:2] for row in rows] == [["01", "yes"], ["01", "reverse"], ["b", "none"]]
    counts = [row[2].split(" ", 1) for row in rows]
    assert [int(count) for count, _ in counts] == [7, 3, 2]
    assert all(rest.startswith("--genome homo_sapiens 2 hello from libgreet 1.2 ") for _, rest in counts)
    assert all(rest.endswith(">homo_sapiens") for _, rest in counts)
    assert flow.read("results/qc/report.html") == "<p>3 of 2 samples, True</p>\n"
    assert flow.read("logs/matrix.log") == "of-conda\n"
    assert flow.read("logs/get-genome.log").startswith("hello from libgreet 1.2\n")
    made = flow.made()
    assert "results/trimming.done" in made
    assert not any(name.startswith("results/trimmed/") for name in made)
    assert flow.names() == []
    assert "Nothing to be done" in flow.run(*flags)

    # a sheet with another unit runs what that needs
    flow.write({"config/units.tsv": FILES["config/units.tsv"] + "b\tlane2\treads/01.fq\tG\tyes\n"})
    said = flow.run(*flags)
    assert said.count("done: count ") == 1
    assert "done: index" not in said
    assert len(flow.read("results/matrix.tsv").splitlines()) == 5
