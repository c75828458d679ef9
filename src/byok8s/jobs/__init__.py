"""Jobs of Snakemake as data: each is decided once, here, and described for whoever carries it out."""
