"""What tests start from a process that has Snakemake loaded, runs as if it had been started by itself."""

import os
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import preloaded
from folders import output_of

SNAKEFILE = """
import os, sys
print(sys.argv[0].rpartition("/snakemake/")[2], sys.path[0] == os.getcwd(), sorted(sys.argv[1:]))
print(os.environ.get("GIVEN"), "PYTEST_CURRENT_TEST" in os.environ, sys.stdin.read(), len(os.listdir("/proc/self/fd")))
if config.get("code"):
    sys.exit(int(config["code"]))
"""


def by_itself(folder: Path, command: list[str], environment: Mapping[str, str]) -> tuple[int, str]:
    return output_of(folder, ["/usr/bin/env", *command], environment)


def in_short(ended: tuple[int, str]) -> tuple[int, list[str]]:
    """Without what is another at each start: the time, and the order of sets."""
    code, said = ended
    lines = said.splitlines()
    return code, [*lines[:2], lines[-1]]


@pytest.mark.parametrize("words", ["-n --quiet all --config code=7", "-n nothing"])
def test_a_program_is_the_same_as_one_that_is_started_by_itself(words: str, tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    environment = {"PATH": os.environ["PATH"], "GIVEN": "ä", "HOME": str(tmp_path)}
    environment |= {
        name: value for name, value in os.environ.items() if name.startswith(("PYTHON", "LC_", "LANG"))
    }
    command = [sys.executable, "-m", "snakemake", *words.split()]
    assert preloaded.can_run(command, environment)
    ended = preloaded.run(tmp_path, command, environment)
    assert in_short(ended) == in_short(by_itself(tmp_path, command, environment))


def test_programs_run_at_once(tmp_path: Path) -> None:
    folders = [tmp_path / str(number) for number in range(3)]
    for folder in folders:
        folder.mkdir()
        (folder / "Snakefile").write_text(f"import sys\nprint('{folder.name}')\nsys.exit({folder.name})")
    command = [sys.executable, "-m", "snakemake"]
    with ThreadPoolExecutor(3) as pool:
        ended = list(pool.map(lambda folder: preloaded.run(folder, command, os.environ), folders))
    assert [code for code, _ in ended] == list(range(3))
    assert [said.split()[0] for _, said in ended] == [str(number) for number in range(3)]


@pytest.mark.parametrize(
    ("command", "more"),
    [
        ([sys.executable, "-m", "snakemake"], {"PYTHONPATH": "/elsewhere"}),
        ([sys.executable, "-m", "snakemake"], {"LANG": "xx_XX"}),
        ([sys.executable, "-m", "pytest"], {}),
        ([sys.executable, "snakemake"], {}),
        (["/usr/bin/python3", "-m", "snakemake"], {}),
    ],
)
def test_what_would_start_in_another_way_starts_by_itself(command: list[str], more: dict[str, str]) -> None:
    assert not preloaded.can_run(command, os.environ | more)
