"""Workflows with inputs that only this machine has."""

SNAKEFILE = """
rule all:
    input: "out/a.txt", "out/b.txt", "n.txt"
rule one:
    input: "data/{s}.txt"
    output: "out/{s}.txt"
    params: first=lambda wildcards, input: open(input[0]).read(1)
    shell: "echo {params.first} > {output}; cat {input} >> {output}"
rule folder:
    input: "data/dir"
    output: "n.txt"
    shell: "find {input} -type f | sort | xargs cat > {output}"
"""
FILES = {
    "Snakefile": SNAKEFILE,
    "data/a.txt": "one\n",
    "data/b.txt": "two\n",
    "data/dir/1": "1\n",
    "data/dir/deep/2": "2\n",
}
# which shows only then that data/a.txt and data/b.txt are needed
CHECKPOINT = """
rule all:
    input: "all.txt"
checkpoint choose:
    output: directory("chosen")
    shell: "mkdir {output}; touch {output}/a {output}/b"
def chosen(wildcards):
    folder = checkpoints.choose.get().output[0]
    return expand("data/{s}.txt", s=sorted(glob_wildcards(folder + "/{s,[a-z]+}").s))
rule gather:
    input: chosen
    output: "all.txt"
    shell: "cat {input} > {output}"
"""
