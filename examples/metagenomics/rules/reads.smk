# The reads of a sample, as they are and as they are once what is bad is cut off. Ends of a pair follow each other.


rule take_reads:
    output:
        temp("reads/{sample}.fastq.gz"),
    params:
        sources=lambda wildcards: SOURCES[wildcards.sample],
        paired=paired,
        most=config["fragments"],
    # where data come from is the least certain part of a workflow, even where it is an image
    retries: 2
    script:
        "../scripts/take_reads.py"


rule trim:
    input:
        "reads/{sample}.fastq.gz",
    output:
        reads="trimmed/{sample}.fastq.gz",
        # holds fastp's command line, and so paths
        facts=temp("quality/{sample}.fastp.json"),
    log:
        "logs/trim/{sample}.log",
    params:
        interleaved=lambda wildcards: "--interleaved_in" if paired(wildcards) else "",
        quality=config["quality"],
        length=config["min_length"],
    # fastp took 1,038 to 1,075 MB at its peak, for 1,000 reads and for 40,000. With the 1,000 MB of a rule that says
    # nothing, the kernel ends it.
    resources:
        mem_mb=lambda wildcards, attempt: config["trim_memory_mb"] * attempt,
    retries: 1
    group:
        "quality"
    shell:
        "fastp --thread 1 --in1 {input} {params.interleaved} --stdout --json {output.facts} --html /dev/null"
        " --qualified_quality_phred {params.quality} --length_required {params.length} 2> {log}"
        " | gzip --no-name > {output.reads}"


rule summarise_quality:
    input:
        "quality/{sample}.fastp.json",
    output:
        "quality/{sample}.json",
    group:
        "quality"
    script:
        "../scripts/summarise_quality.py"


checkpoint choose:
    # Which samples are worth an assembly: what is assembled is known once all reads are trimmed.
    input:
        expand("quality/{sample}.json", sample=config["samples"]),
    output:
        "assembly/samples.tsv",
    params:
        samples=config["samples"],
        least=config["assembly_bases"],
    script:
        "../scripts/choose.py"
