# How alike the samples are, by the k-mers of their trimmed reads.


rule compare:
    input:
        expand("sketches/{sample}.sig", sample=config["samples"]),
    output:
        table="comparison/similarity.csv",
        plot="comparison/similarity.png",
    log:
        "logs/compare.log",
    params:
        ksize=config["ksize"],
    shell:
        "folder=$(mktemp -d); trap 'rm -r $folder' EXIT; exec 2> {log}\n"
        "sourmash compare --ksize {params.ksize} --output $folder/similarity --csv {output.table} {input}\n"
        "sourmash plot --labels --output-dir $folder $folder/similarity\n"
        "mv $folder/similarity.matrix.png {output.plot}"
