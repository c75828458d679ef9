"""What runs inside pods. `worker.py` is delivered alone: it imports Snakemake and the standard library."""
