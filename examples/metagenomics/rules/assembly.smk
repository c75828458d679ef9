# Contigs of the samples that the checkpoint has chosen.


def chosen(pattern):
    """An input function: the pattern for each sample that is assembled."""

    def files(wildcards):
        with checkpoints.choose.get().output[0].open() as table:
            rows = [line.split() for line in table]
        return expand(pattern, sample=[sample for sample, _, verdict in rows if verdict == "yes"])

    return files


rule assemble:
    input:
        "trimmed/{sample}.fastq.gz",
    output:
        "assembly/{sample}.fasta",
    log:
        "logs/assemble/{sample}.log",
    params:
        reads=lambda wildcards: "--12" if paired(wildcards) else "--read",
        length=config["contig_length"],
    # one thread: with more, contigs come in any order
    shell:
        "folder=$(mktemp -d); trap 'rm -r $folder' EXIT\n"
        "megahit --num-cpu-threads 1 {params.reads} {input} --min-contig-len {params.length} -o $folder/megahit 2> {log}\n"
        "mv $folder/megahit/final.contigs.fa {output}"


rule measure_contigs:
    input:
        "assembly/{sample}.fasta",
    output:
        "assembly/{sample}.json",
    script:
        "../scripts/measure_contigs.py"
