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
SMALL_WORKERS = Path(__file__).parents[2] / "bench" / "small_workers.py"
Plain = Callable[..., Path]

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
    cluster.program = (sys.executable, str(SMALL_WORKERS))  # two threads fit beside other tests' pods
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


REMOTE = """
rule all:
    input: "served.txt"
rule served:
    input: "in/one.txt"
    output: "served.txt"
    params: end="!"
    container: "docker://IMAGE-r"
    script: "ADDRESS/say.R"
"""
SAY = "writeLines(paste0(readLines(snakemake@input[[1]]), snakemake@params$end), snakemake@output[[1]])\n"


def test_a_script_in_r_may_be_at_an_address(flow: Sandbox, plain: Plain) -> None:
    served_files = flow.folder.parent / "served"
    write_files(served_files, {"say.R": SAY})
    with served(served_files, BRIDGE) as address:
        files = {"Snakefile": REMOTE.replace("ADDRESS", address), "in/one.txt": "1\n"}
        flow.write({name: of(text) for name, text in files.items()})
        flow.run("-s", "Snakefile")
        home = plain(files)
    assert flow.read("served.txt") == (home / "served.txt").read_text() == "1!\n"


def cells(*sources: str, language: str) -> str:
    kernel = {"python": "python3", "r": "ir"}[language]
    metadata = {
        "kernelspec": {"name": kernel, "display_name": kernel, "language": language},
        "language_info": {"name": language},
    }
    made: list[dict[str, object]] = [
        {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": source}
        for source in sources
    ]
    return json.dumps({"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 4})


PYTHON_CELLS = (
    "import pathlib, sys\n"
    "sys.path.insert(0, snakemake.scriptdir)\n"
    "from beside import word\n"
    "print(word, snakemake.params.of, snakemake.wildcards.name, snakemake.threads, snakemake.rule)",
    "text = pathlib.Path(snakemake.input[0]).read_text()\n"
    "seen = (dict(snakemake.input.items()), snakemake.params.of, snakemake.config, snakemake.resources.mem_mb)\n"
    "pathlib.Path(snakemake.output[0]).write_text(text + repr(seen))",
)
R_CELLS = (
    "source(file.path(snakemake@scriptdir, 'beside.R'))\nprint(word)\nstr(snakemake@params[['of']])",
    "writeLines(c(readLines(snakemake@input[[1]]), word), snakemake@output[[1]])",
)
NOTEBOOK_FILES = {
    "Snakefile": """
config["where"] = "Zürich"
rule all:
    input: "py-a.txt", "r.txt", "unlogged.txt"
rule py:
    input: one="in/one.txt"
    output: "py-{name}.txt"
    log: notebook="logs/{name}.py.ipynb"
    params: of={"a": [1, [2, None]]}
    threads: 2
    resources: mem_mb=500
    container: "docker://IMAGE-notebook"
    notebook: "notebooks/{wildcards.name}.py.ipynb"
rule r:
    input: "in/one.txt"
    output: "r.txt"
    log: notebook="logs/r.ipynb"
    params: of={"a": [1, "b"]}
    container: "docker://IMAGE-notebook"
    notebook: "notebooks/r.r.ipynb"
rule unlogged:
    input: "in/one.txt"
    output: "unlogged.txt"
    params: of=1
    container: "docker://IMAGE-notebook"
    notebook: "notebooks/r.r.ipynb"
""",
    "in/one.txt": "1\n",
    "notebooks/a.py.ipynb": cells(*PYTHON_CELLS, language="python"),
    "notebooks/r.r.ipynb": cells(*R_CELLS, language="r"),
    "notebooks/beside.py": "word = 'beside'\n",
    "notebooks/beside.R": "word <- 'beside'\n",
}


def executed(notebook: str) -> list[object]:
    """Return what a notebook's cells are and have said, but for Snakemake's own, which has folders in it, and times."""
    first, *rest = json.loads(notebook)["cells"]
    assert first["metadata"]["tags"] == ["snakemake-job-properties"]
    return [(cell["source"], cell["execution_count"], cell["outputs"]) for cell in rest]


def test_notebooks_in_python_and_r_are_run_as_at_home(flow: Sandbox, plain: Plain) -> None:
    flow.write({name: of(text) for name, text in NOTEBOOK_FILES.items()})
    said = flow.run("-s", "Snakefile")
    home = plain(NOTEBOOK_FILES)
    for name in ("py-a.txt", "r.txt", "unlogged.txt"):
        assert flow.read(name) == (home / name).read_text(), name
    for name in ("logs/a.py.ipynb", "logs/r.ipynb"):
        assert executed(flow.read(name)) == executed((home / name).read_text()), name
    assert "beside {'a': [1, [2, None]]} a 2 py" in flow.read("logs/a.py.ipynb")
    assert flow.read("r.txt") == "1\nbeside\n"
    assert "no rule declares" not in " ".join(said.split())


FAILING = """
rule all:
    input: expand("{name}.txt", name=["r", "logged", "noted", "lacks", "julia", "served", "good"])
rule good:
    output: "good.txt"
    container: "docker://IMAGE-r"
    script: "good.R"
rule r:
    output: "r.txt"
    container: "docker://IMAGE-r"
    script: "bad.R"
rule logged:
    output: "logged.txt"
    log: "logged.log"
    container: "docker://IMAGE-r"
    script: "bad.R"
rule noted:
    output: "noted.txt"
    log: notebook="noted.ipynb"
    container: "docker://IMAGE-notebook"
    notebook: "bad.r.ipynb"
rule lacks:
    output: "lacks.txt"
    container: "docker://IMAGE-debian"
    script: "good.R"
rule julia:
    output: out="julia.txt"
    container: "docker://IMAGE-julia"
    script: "bad.jl"
rule served:
    output: "served.txt"
    container: "docker://IMAGE-r"
    script: "ADDRESS/bad.R"
"""
WORDS = {
    "r": ("exit-code", "Error: no column weight in table"),
    "logged": ("exit-code", "Error: no column weight in table"),
    "noted": ("exit-code", "no column weight in table"),
    "lacks": ("exit-code", "Rscript: command not found"),
    "julia": ("exit-code", 'LoadError: error("no such thing")'),
    # what is beside a script at an address is there, and not in the pod
    "served": ("exit-code", "cannot open file 'beside.R': No such file or directory"),
}


def test_a_failure_in_another_language_has_its_words(flow: Sandbox) -> None:
    stop = "stop('no column weight in table')\n"
    bad = "if (length(snakemake@log)) sink(file(snakemake@log[[1]], open = 'wt'), type = 'message')\n" + stop
    flow.write(
        {
            "good.R": "writeLines('good', snakemake@output[[1]])\n",
            "bad.R": bad,
            "bad.r.ipynb": cells("1", stop, language="r"),
            "bad.jl": 'error("no such thing")\n',
        }
    )
    elsewhere = flow.folder.parent / "served"
    write_files(elsewhere, {"bad.R": "snakemake@source('beside.R')\n", "beside.R": "1\n"})
    with served(elsewhere, BRIDGE) as address:
        flow.write({"Snakefile": of(FAILING).replace("ADDRESS", address)})
        run = flow.start("-s", "Snakefile", "--", "--keep-going")
        said, _ = run.communicate()
    assert run.returncode == 1, said
    told = dict(re.findall(r"Error in rule (\w+):\n(.*?)\n    jobid:", said, re.DOTALL))
    assert told.keys() == WORDS.keys(), said
    for rule, (slug, words) in WORDS.items():
        assert words in told[rule], (rule, told[rule])
        assert f"byok8s explain {slug}" in told[rule]
    assert flow.read("good.txt") == "good\n"


JULIA = {
    "Snakefile": """
config["where"] = "Zürich"
rule all:
    input: "a.json"
rule julia:
    input: "in/one.txt", named="in/one.txt"
    output: out="{sample}.json"
    log: "logs/{sample}.log"
    params: "first", nested=[1, [2.5, "b"], {"k": [True, None]}], words="it's \\"so\\""
    threads: 2
    resources: mem_mb=300
    container: "docker://IMAGE-julia"
    script: "scripts/say.jl"
""",
    "in/one.txt": "1\n",
    "scripts/say.jl": 'println("é", snakemake.input[1])\n',
}


def given(said: str, folder: Path | None) -> dict[str, object]:
    """Return what Julia was given, by the name of each value; of resources only what the rule has named."""
    found = json.loads(said)
    values = {name: value for value, name in (line.split(" #", 1) for line in found["values"][:-1])}
    root = str(found["folder"])
    assert folder is None or root == str(folder)
    assert values.pop("scriptdir::String") == f'"{root}/scripts",'
    resources = dict(re.findall(r'"(\w+)" => ([^,)]+)', values.pop("resources::Dict")))
    return values | {"mem_mb": resources["mem_mb"], "script": found["script"]}


def test_a_script_in_julia_is_handed_over_as_at_home(flow: Sandbox, plain: Plain) -> None:
    flow.write({name: of(text) for name, text in JULIA.items()})
    flow.run("-s", "Snakefile")
    home = plain(JULIA)
    there, here = given(flow.read("a.json"), None), given((home / "a.json").read_text(), home)
    assert there == here
    assert there["script"] == JULIA["scripts/say.jl"]
    assert '"named" => "in/one.txt"' in str(there)


# what R would be given in an environment: there is no conda package of R here
RSCRIPT = f"""#!/bin/sh
out=$(sed -n 's/.*output = list(.*"out" = .\\([^'"'"']*\\).*/\\1/p' "$2")
{{ echo "$1"; tail -n 1 "$2"; cat {PLACEHOLDER}/share/of; echo "$R_HOME_OF $CONDA_PREFIX"; }} > "$out"
"""
CONDA = """
rule all:
    input: "conda.txt", "both.txt"
rule conda:
    output: out="conda.txt"
    conda: "envs/r.yaml"
    script: "last.R"
rule both:
    output: out="both.txt"
    conda: "envs/program.yaml"
    container: "docker://IMAGE-r"
    script: "both.R"
"""


def test_a_script_in_r_runs_in_its_environment(flow: Sandbox) -> None:
    channel = Channel(flow.folder.parent / "channels" / "here")
    activate = 'export R_HOME_OF="$CONDA_PREFIX/lib/R"\n'
    files = {"bin/Rscript": RSCRIPT, "share/of": "of conda\n", "etc/conda/activate.d/r.sh": activate}
    channel.add("r-base", "4.3.1", files)
    channel.add(
        "said", "1.0", {"bin/said": f"#!/bin/sh\ncat {PLACEHOLDER}/share/said\n", "share/said": "it\n"}
    )
    flow.write(
        {
            "Snakefile": of(CONDA),
            "last.R": "cat('not by R')\n# the last line\n",
            "both.R": "writeLines(c(system('said', intern = TRUE), basename(R.home())), snakemake@output[['out']])\n",
            "envs/r.yaml": "channels: [here, nodefaults]\ndependencies: [r-base]\n",
            "envs/program.yaml": "channels: [here, nodefaults]\ndependencies: [said]\n",
        }
    )
    with served(flow.folder.parent / "channels", BRIDGE) as address:
        flow.run("-s", "Snakefile", BYOK8S_CHANNEL_ALIAS=address)
    said = flow.read("conda.txt")
    assert re.fullmatch(
        r"--vanilla\n# the last line\nof conda\n(/work/envs/\w+)/lib/R \1\n", said.replace("_", "")
    )
    assert flow.read("both.txt") == "it\nR\n"
