"""One run, from its request to its end: Snakemake's planning and execution, with all that is around it."""
