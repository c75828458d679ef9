"""Snakemake's jobs as pods of a cluster."""
