#!/usr/bin/env python3
"""What stands in for Julia, which tests cannot have: writes down what Snakemake gives to it, into the job's output.

usage: julia FILE. It ends like Julia's own parser, with 1, if the file does not begin with Snakemake's preamble.
"""

import json
import os
import re
import sys

HEAD, VALUES, END = "######## snakemake preamble start", "snakemake = Snakemake(", "######## snakemake preamble end"


def main(file: str) -> None:
    with open(file, encoding="utf-8") as content:
        preamble, end, rest = content.read().partition(END)
    head, call, values = preamble.partition(VALUES)
    if not (head.strip().startswith(HEAD) and call and end):
        sys.exit("ERROR: LoadError: UndefVarError: `snakemake` not defined")
    said = {
        "folder": os.getcwd(),
        "values": [line.strip() for line in values.splitlines() if line.strip() not in ("", ")")],
        "script": rest.partition("\n")[2],
    }
    output = re.search(r'"out" => "([^"]+)"', call + values)
    assert output
    if "error(" in said["script"]:
        sys.exit(f"ERROR: LoadError: {said['script'].strip()}")
    with open(output[1], "w", encoding="utf-8") as file_out:
        json.dump(said, file_out, indent=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
