"""What runs inside pods.

Delivered alone, as an archive that Python runs: it imports the standard library and Snakemake, nothing else.
"""
