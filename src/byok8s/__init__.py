"""Bring your own Kubernetes: run a Snakemake workflow on the cluster you already have."""

__version__ = "0.1.0"
