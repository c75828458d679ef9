"""A workflow in a git repository: an include, a script with a module beside it, and files that link to others."""

FLOW = {
    "workflow/Snakefile": 'include: "rules/more.smk"\nrule all:\n    input: "out.txt"\n',
    "workflow/rules/more.smk": 'rule made:\n    output: "out.txt"\n    script: "../scripts/make.py"\n',
    "workflow/scripts/make.py": "from helper import words\n"
    'with open(snakemake.output[0], "w") as out:\n'
    '    print(words, snakemake.config["name"], file=out)\n',
    "workflow/scripts/helper.py": 'words = "one"\n',
    "workflow-all.yaml": "workflow_target: all\n",
    "params-theirs.yaml": "name: theirs\n",
}
