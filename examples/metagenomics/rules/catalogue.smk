# Where the packages of packages.txt have the reads and the genomes. README.md says of what and by whom they are.

DOC = "/usr/share/doc"
PLASMIDS = "/usr/share/unicycler-data/sample_data"
BEES = f"{DOC}/gasic/examples"

LAMBDA_READS = [f"{DOC}/bowtie2/examples/reads/reads_{end}.fq.gz" for end in (1, 2)]
PLASMID_READS = [f"{PLASMIDS}/short_reads_{end}.fastq.gz" for end in (1, 2)]

# By sample: its sources, each of one file or of two with the ends of pairs. Two sources are mixed.
SOURCES = {
    "lambda": [LAMBDA_READS],
    "plasmids": [PLASMID_READS],
    "bees": [[f"{BEES}/reads/SRR059298_subset.fastq.gz"]],
    "isolate": [[f"{DOC}/any2fasta/examples/test.fq.gz"]],
    "mixture": [LAMBDA_READS, PLASMID_READS],
}
SINGLE = {"isolate"}  # all others are of pairs

GENOMES = {
    "Enterobacteria phage lambda": f"{DOC}/bowtie2/examples/reference/lambda_virus.fa.gz",
    "Escherichia coli 536": f"{DOC}/bowtie/examples/genomes/NC_008253.fna.gz",
    "Shigella sonnei 53G plasmids": f"{PLASMIDS}/reference.fasta",
    "Deformed wing virus": f"{BEES}/genomes/dwv.fasta.gz",
    "Varroa destructor virus 1": f"{BEES}/genomes/vdv1.fasta.gz",
    "VDV-1-DWV-No-5 (recombinant)": f"{BEES}/genomes/vdv1dwv5.fasta.gz",
    "VDV-1-DWV-No-9 (recombinant)": f"{BEES}/genomes/vdv1dwv9.fasta.gz",
}


wildcard_constraints:
    sample="|".join(SOURCES),


def paired(wildcards):
    return wildcards.sample not in SINGLE
