# What is in the samples, by the genomes whose k-mers cover theirs.
# sourmash reads from its standard input, so that no sketch holds the path of the reads.


rule sketch_reads:
    input:
        "trimmed/{sample}.fastq.gz",
    output:
        "sketches/{sample}.sig",
    log:
        "logs/sketch/{sample}.log",
    params:
        of=f"k={config['ksize']},scaled={config['scaled']},abund",
    group:
        "classify"
    shell:
        "zcat {input} | sourmash sketch dna -p {params.of} --name {wildcards.sample} -o {output} - 2> {log}"


rule sketch_genomes:
    output:
        "sketches/genomes.sig",
    log:
        "logs/sketch-genomes.log",
    params:
        genomes=GENOMES,
        of=f"dna,k={config['ksize']},scaled={config['scaled']}",
    script:
        "../scripts/sketch_genomes.py"


rule gather:
    input:
        reads="sketches/{sample}.sig",
        genomes="sketches/genomes.sig",
    output:
        # holds the path of the genomes' sketches
        temp("classification/{sample}.gather.csv"),
    log:
        "logs/gather/{sample}.log",
    params:
        ksize=config["ksize"],
        least=config["overlap_bases"],
    group:
        "classify"
    shell:
        "sourmash gather {input.reads} {input.genomes} --ksize {params.ksize} --threshold-bp {params.least}"
        " --create-empty-results --output {output} 2> {log}"


rule name_what_is_there:
    input:
        "classification/{sample}.gather.csv",
    output:
        "classification/{sample}.tsv",
    group:
        "classify"
    script:
        "../scripts/name_what_is_there.py"
