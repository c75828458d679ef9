"""script: and notebook: in R, Python and Julia, in a container: what plain Snakemake makes of a rule, and no other."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import julia_standin
from channel import BRIDGE, PLACEHOLDER, Channel
from folders import run_in, write_files
from image_programs import programs, unpacked
from sandbox import Sandbox
from serving import served

IMAGES = os.environ.get("BYOK8S_TEST_TOOL_IMAGES", "")
ARCHIVE = os.environ.get("BYOK8S_TEST_LANGUAGE_ARCHIVE", "")
Plain = Callable[[dict[str, str], str], Path]

pytestmark = [
    pytest.mark.skipif(not ARCHIVE, reason="no images: BYOK8S_TEST_LANGUAGE_ARCHIVE is not set"),
    pytest.mark.xdist_group("languages"),
]


@pytest.fixture(scope="module")
def bin_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the programs of the images, which run on this machine's files."""
    folder = tmp_path_factory.mktemp("image")
    unpacked(Path(ARCHIVE), IMAGES % "notebook", folder / "root")
    programs(folder / "root", ["Rscript", "jupyter-nbconvert"], folder / "bin")
    shutil.copy(str(julia_standin.__file__), folder / "bin/julia")
    (folder / "bin/julia").chmod(0o755)
    return folder / "bin"


@pytest.fixture
def plain(tmp_path: Path, bin_folder: Path) -> Plain:
    """Run files by plain Snakemake, without containers, and return the folder that has what it makes."""

    def run(files: dict[str, str], *arguments: str) -> Path:
        folder = tmp_path / "plain"
        folder.mkdir()
        write_files(folder, files)
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--quiet", "all", *arguments]
        path = {"PATH": f"{bin_folder}:{os.environ['PATH']}"}
        run_in(folder, command, os.environ | path)
        return folder

    return run


@pytest.fixture
def flow(cluster: Sandbox) -> Sandbox:
    cluster.environment["BYOK8S_SOFTWARE"] = "declared"
    cluster.environment["BYOK8S_UPLOAD"] = "yes"
    return cluster


def of(text: str) -> str:
    """Fill in the images' names."""
    return re.sub(r"IMAGE-(\w+)", lambda found: IMAGES % found[1], text)


# all that a script may see, but the number of the job and the folder for temporary files
R_SCRIPT = """
log <- file(snakemake@log[["messages"]], open = "wt")
sink(log, type = "message")
message("its words: ", snakemake@rule)
source(file.path(snakemake@scriptdir, "shared/greeting.R"))
snakemake@source("shared/more.R")
seen <- list(
    input = snakemake@input, output = snakemake@output, params = snakemake@params, wildcards = snakemake@wildcards,
    threads = snakemake@threads, log = snakemake@log, config = snakemake@config, rule = snakemake@rule,
    resources = snakemake@resources[c("mem_mb", "gbases")], iteration = snakemake@bench_iteration
)
lines <- readLines(snakemake@input[["table"]])
write.csv(read.csv(text = lines), snakemake@output[["table"]], row.names = FALSE)
out <- file(snakemake@output[["seen"]], open = "wt")
dput(seen, out)
writeLines(c(greeting(snakemake@wildcards[["sample"]]), more, basename(snakemake@scriptdir)), out)
writeLines(c(Sys.getenv("OMP_NUM_THREADS"), as.character(getRversion()), sprintf("%.17g", pi)), out)
close(out)
"""
R_FILES = {
    "Snakefile": """
configfile: "config.yaml"
rule all:
    input: expand("{sample}.csv", sample=["a", "b c"]), "wrapped.txt"
rule table:
    input: table="in/{sample}.csv", more=["in/one.txt", "in/two.txt"]
    output: table="{sample}.csv", seen="{sample}.txt"
    log: messages="logs/{sample}.log"
    params:
        "first",
        nested=[1, [2.5, "b"], {"k": [True, None], "of": {"deep": []}}], words="it's \\"so\\" \\\\ %s",
        same=[1, 2], nothing=None, no=False, of=lambda w: f"<{w.sample}>"
    threads: 2
    resources: mem_mb=300, gbases="1.5"
    container: "docker://IMAGE-r"
    script: "scripts/table.R"
rule wrapped:
    input: "in/one.txt"
    output: "wrapped.txt"
    log: "logs/wrapped.log"
    container: "docker://IMAGE-r"
    wrapper: "v1/count"
""",
    "config.yaml": "samples: {a: [1, 2], 'b c': []}\nwhere: Zürich\n",
    "in/a.csv": "name,size\nx,1\ny,2.50\n",
    "in/b c.csv": "name,size\n'é',3\n",
    "in/one.txt": "1\n",
    "in/two.txt": "2\n",
    "scripts/table.R": R_SCRIPT,
    "scripts/shared/greeting.R": 'greeting <- function(of) paste("hello", of)\n',
    "scripts/shared/more.R": 'more <- "from beside it"\n',
    "wrappers/v1/count/wrapper.R": "source(file.path(snakemake@scriptdir, 'count.R'))\n"
    "writeLines(count(snakemake@input[[1]]), snakemake@output[[1]])\n"
    "cat('counted\\n', file = snakemake@log[[1]])\n",
    "wrappers/v1/count/count.R": "count <- function(path) as.character(length(readLines(path)))\n",
    "wrappers/v1/count/environment.yaml": "channels: []\ndependencies: []\n",
}


def test_a_script_in_r_sees_and_makes_what_it_does_at_home(flow: Sandbox, plain: Plain) -> None:
    flow.write({name: of(text) for name, text in R_FILES.items()})
    prefix = ("--wrapper-prefix", f"file://{flow.folder}/wrappers/")
    flow.run("-s", "Snakefile", "--", "--sdm", "apptainer", *prefix)
    home = plain(R_FILES, *prefix)
    for name in ("a.csv", "a.txt", "b c.csv", "b c.txt", "logs/a.log", "wrapped.txt", "logs/wrapped.log"):
        assert flow.read(name) == (home / name).read_text(), name
    assert '"hello b c"' not in flow.read("b c.txt")
    assert "hello b c\nfrom beside it\nscripts\n2\n" in flow.read("b c.txt")
    assert flow.read("logs/a.log") == "its words: table\n"
    assert flow.read("wrapped.txt") == "1\n"
