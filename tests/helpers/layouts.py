"""The layouts that published workflows have, small: a workflow/ folder with its config beside it, and a .test folder.

They read a sheet while they are parsed, validate it and the config by schemas, and have includes, a script, an
environment, a profile and a command that names a path of its own.
"""

from __future__ import annotations

from meaning import Meaning

CODE = {
    "workflow/Snakefile": """
configfile: "config/config.yaml"
include: "rules/common.smk"
include: "rules/count.smk"
rule all:
    input: "results/report.txt"
""",
    "workflow/rules/common.smk": """
import csv
from snakemake.utils import validate

validate(config, "../schemas/config.schema.yaml")
with open(config["samples"]) as sheet:
    SAMPLES = {row["sample"]: row for row in csv.DictReader(sheet, delimiter="\\t")}
for row in SAMPLES.values():
    validate(row, "../schemas/samples.schema.yaml")

def reads(wildcards):
    return SAMPLES[wildcards.sample]["reads"]
""",
    "workflow/rules/count.smk": """
rule count:
    input: reads
    output: "results/counts/{sample}.txt"
    log: "logs/count/{sample}.log"
    params: unit=config["count"]["unit"]
    conda: "../envs/count.yaml"
    script: "../scripts/count.py"

rule report:
    input: expand("results/counts/{sample}.txt", sample=SAMPLES)
    output: "results/report.txt"
    log: "logs/report.log"
    threads: 8
    shell: "(echo {resources.mem_mb} {config[count][title]:q}; cat results/counts/*.txt) > {output} 2> {log}"
""",
    "workflow/scripts/count.py": """
from pathlib import Path

from counting import count

content = Path(snakemake.input[0]).read_text()
words = [snakemake.wildcards.sample, str(count(content, snakemake.params.unit)), str(snakemake.threads)]
Path(snakemake.output[0]).write_text(" ".join(words) + "\\n")
Path(snakemake.log[0]).write_text(f"counted {snakemake.input[0]}\\n")
""",
    "workflow/scripts/counting.py": """
def count(content, unit):
    return len(content.splitlines() if unit == "lines" else content.split())
""",
    "workflow/envs/count.yaml": "channels: [conda-forge]\ndependencies: [python =3.12]\n",
    "workflow/schemas/config.schema.yaml": """
$schema: "http://json-schema.org/draft-07/schema#"
type: object
properties:
  samples: {type: string}
  count:
    type: object
    default: {}
    properties:
      unit: {type: string, enum: [lines, words], default: lines}
      title: {type: string, default: "it's the \\"default\\""}
required: [samples]
""",
    "workflow/schemas/samples.schema.yaml": """
$schema: "http://json-schema.org/draft-07/schema#"
type: object
properties:
  sample: {type: string}
  reads: {type: string}
required: [sample, reads]
""",
    "workflow/profiles/default/config.yaml": "default-resources:\n  mem_mb: 150\nset-threads:\n  count: 1\n",
}


def data(folder: str, unit: str) -> dict[str, str]:
    """Return what the workflow is run on, below a folder."""
    files = {
        "config/config.yaml": f"samples: config/samples.tsv\ncount:\n  unit: {unit}\n",
        "config/samples.tsv": "sample\treads\nA\tdata/a.txt\nB\tdata/b.txt\n",
        "data/a.txt": "one\ntwo three\n",
        "data/b.txt": "four\n",
    }
    return {f"{folder}{path}": content for path, content in files.items()}


FILES = {**CODE, **data("", "lines"), **data(".test/", "words")}
LAYOUTS = {
    "a workflow folder with its config": Meaning(FILES),
    "a workflow folder, run from .test": Meaning(FILES, snakefile="../workflow/Snakefile", start=".test"),
    "a workflow folder, with --directory .test": Meaning(
        FILES, flags=["--directory", ".test"], directory=".test"
    ),
}
