"""A workflow as a command: its folder becomes an installable Python project.

contents chooses the folder's files, parse has Snakemake read the Snakefile, names says what a package may be called,
project writes it all; catalogue tells what workflows and params a folder holds, also in the command that is made.
"""
