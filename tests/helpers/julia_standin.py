#!/usr/bin/env python3
"""What stands in for Julia, which tests cannot have: writes down what Snakemake gives to it, into the job's output.

usage: julia FILE. It ends like Julia's own parser, with 1, if the file does not begin with Snakemake's preamble.
"""

import json
import re
import sys
from pathlib import Path

HEAD, VALUES, END = (
    "######## snakemake preamble start",
    "snakemake = Snakemake(",
    "######## snakemake preamble end",
)


def main(file: str) -> None:
    preamble, end, rest = Path(file).read_text(encoding="utf-8").partition(END)
    head, call, values = preamble.partition(VALUES)
    if not (head.strip().startswith(HEAD) and call and end):
        sys.exit("ERROR: LoadError: UndefVarError: `snakemake` not defined")
    script = rest.partition("\n")[2]
    said = {
        "folder": str(Path.cwd()),
        "values": [line.strip() for line in values.splitlines() if line.strip() not in ("", ")")],
        "script": script,
    }
    output = re.search(r'"out" => "([^"]+)"', call + values)
    assert output
    if "error(" in script:
        sys.exit(f"ERROR: LoadError: {script.strip()}")
    Path(output[1]).write_text(json.dumps(said, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
