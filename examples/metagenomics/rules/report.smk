# One page with all that was found, which needs nothing beside it.


rule report:
    input:
        quality=expand("quality/{sample}.json", sample=config["samples"]),
        chosen="assembly/samples.tsv",
        contigs=chosen("assembly/{sample}.json"),
        classification=expand("classification/{sample}.tsv", sample=config["samples"]),
        similarity="comparison/similarity.csv",
        plot="comparison/similarity.png",
    output:
        "report.html",
    params:
        samples=config["samples"],
        title=config["title"],
    script:
        "../scripts/report.py"
