"""Whether a workflow means the same with byok8s as with plain Snakemake, measured with Snakemake's own tests.

    make conformance                       every test of the installed version, here and on the cluster
    make conformance ARGS="--local NAME"   some of them, on this machine alone

corpus has the tests, from Snakemake's source distribution; cases says how each is run, and which are not run; workflow,
oracle and attempt run them; compare and known judge; report tells.
"""
