"""The documents say what the code does."""

import re
from pathlib import Path

from byok8s.cli.run import EPILOG
from byok8s.executor.words import WORDS
from byok8s.rights import RIGHTS

ROOT = Path(__file__).parents[2]


def test_each_right_is_documented_and_no_other() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (ROOT / "docs" / "rights.md").read_text().splitlines()
        if line.startswith("|")
        if "pods/exec" not in line
    ]
    assert rows[2:-2] == [
        [right.resource + (f".{right.group}" if right.group else ""), right.verb, right.purpose]
        for right in RIGHTS
    ]


def test_the_exit_codes_in_the_readme_are_those_of_help() -> None:
    readme = (ROOT / "README.md").read_text()
    for line in EPILOG.splitlines()[2:]:
        code, _, meaning = line.strip().partition(" ")
        assert f"| {code} | {meaning.strip()} |" in readme


def test_each_word_of_a_pod_is_documented_and_no_other() -> None:
    table = (ROOT / "docs" / "pods.md").read_text().partition("| word | value | in the pod |")[2]
    rows = [line.split("|")[1] for line in table.splitlines()[2:] if line.startswith("|")]
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == WORDS
