"""Wrappers, and includes by an address: this machine fetches them, and pods have no way to where they are."""

from __future__ import annotations

import pytest

from folders import write_files
from sandbox import Sandbox
from serving import served

WRAPPERS = {
    # the scripts of both have one name, and each finds what is beside it
    f"v1.0/bio/{name}/wrapper.py": "import pathlib, sys\n"
    "sys.path.insert(0, str(pathlib.Path(__file__).parent))\n"
    "from helper import word\n"
    "beside = pathlib.Path(__file__).with_name('data') / 'more.txt'\n"
    "open(snakemake.output[0], 'w').write(word + beside.read_text() + snakemake.params.end)\n"
    for name in ("greet", "part")
} | {
    f"v1.0/bio/{name}/{path}": text.format(name)
    for name in ("greet", "part")
    for path, text in {
        "helper.py": "word = 'I {}'\n",
        "data/more.txt": ", says {}",
        "environment.yaml": "channels: []\ndependencies: []\n",
    }.items()
}
SNAKEFILE = """
rule all:
    input: "greet.txt", "part.txt"
rule greet:
    output: "greet.txt"
    params: end="!"
    group: "both"
    wrapper: "v1.0/bio/greet"
rule part:
    output: "part.txt"
    params: end="."
    group: "both"
    wrapper: "v1.0/bio/part"
"""
ALONE = "open(snakemake.output[0], 'w').write(f'{snakemake.rule} by http')\n"
INCLUDED = """
rule included:
    input: "wrapped.txt"
    output: "included.txt"
    run:
        with open(output[0], "w") as out: out.write(open(input[0]).read() + " and included")
"""


@pytest.mark.parametrize("beside", [True, False])
def test_wrappers_of_a_folder_have_what_is_beside_them(cluster: Sandbox, *, beside: bool) -> None:
    """beside: the workflow, and outside of its folder; else inside."""
    folder = cluster.folder.parent / "wrappers" if beside else cluster.folder / "wrappers"
    write_files(folder, WRAPPERS)
    cluster.write({"Snakefile": SNAKEFILE})
    cluster.run("-s", "Snakefile", "--", "--wrapper-prefix", f"file://{folder}/")
    assert cluster.read("greet.txt") == "I greet, says greet!"
    assert cluster.read("part.txt") == "I part, says part."


def test_pods_need_no_way_to_where_wrappers_and_includes_are_served(cluster: Sandbox) -> None:
    served_files = {"w/v1.0/bio/alone/wrapper.py": ALONE, "more.smk": INCLUDED}
    write_files(cluster.folder.parent / "served", served_files)
    with served(cluster.folder.parent / "served") as address:
        cluster.write(
            {
                "Snakefile": f"include: '{address}/more.smk'\n"
                "rule wrapped:\n    output: 'wrapped.txt'\n    wrapper: 'v1.0/bio/alone'\n"
            }
        )
        cluster.run("-s", "Snakefile", "included.txt", "--", "--wrapper-prefix", f"{address}/w/")
    assert cluster.read("included.txt") == "wrapped by http and included"


def test_a_wrapper_that_is_not_there_is_named_before_anything_is_created(cluster: Sandbox) -> None:
    cluster.write({"Snakefile": "rule a:\n    output: 'a.txt'\n    wrapper: 'v1/none'\n"})
    flags = ("--wrapper-prefix", f"file://{cluster.folder}/wrappers/")
    said = cluster.run("-s", "Snakefile", "--", *flags, expect=2)
    assert "byok8s: The wrapper v1/none cannot be had." in said
    assert "wrapper.py: " in said
    assert 'File "' not in said
    assert cluster.names() == cluster.made() == []
