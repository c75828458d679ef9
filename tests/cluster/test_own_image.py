"""An image with the conda environments of a workflow: its Dockerfile is carried out in a root of its own, and used."""

from __future__ import annotations

import os
import re
import shutil
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from channel import greetings
from dockerfiles import carry_out, unpack
from image_registry import PROGRAM, registry
from sandbox import Sandbox

ARCHIVE = os.environ.get("BYOK8S_TEST_IMAGE_ARCHIVE", "")
BASE = os.environ.get("BYOK8S_IMAGE", "")
TOOLS = os.environ.get("BYOK8S_TEST_TOOL_IMAGES", "")
PATH = "/opt/venv/bin:/usr/local/bin:/usr/bin:/bin"
SNAKEFILE = """
rule all:
    input: "shell.txt", "tool.txt", "script.txt"
rule shell:
    output: "shell.txt"
    conda: "envs/greet.yaml"
    shell: "(greet; echo $SAID $(readlink -f $CONDA_PREFIX); cat $CONDA_PREFIX/deployed) > {output}"
rule tool:
    output: "tool.txt"
    conda: "envs/greet.yaml"
    container: "docker://TOOL"
    shell: "greet > {output}; cat /etc/tool >> {output}"
rule script:
    output: "script.txt"
    conda: "envs/other.yaml"
    script: "say.py"
"""
GREET = "channels: [greetings, nodefaults]\ndependencies: [greet, 'libgreet=1.2']\nvariables: {SAID: so}\n"
OTHER = "channels: [greetings, nodefaults]\ndependencies: [greet, 'libgreet=1.3', python]\n"
FILES = {
    "Snakefile": SNAKEFILE.replace("TOOL", TOOLS % "debian" if TOOLS else ""),
    "envs/greet.yaml": GREET,
    "envs/greet.post-deploy.sh": "greet > $CONDA_PREFIX/deployed\n",
    "envs/other.yaml": OTHER,
    "say.py": "import os, subprocess\nsaid = subprocess.check_output(['greet'], text=True)\n"
    "open(snakemake.output[0], 'w').write(os.environ['THIS_PYTHON'] + ' ' + said)\n",
}


@pytest.fixture
def flow(cluster: Sandbox) -> Iterator[Sandbox]:
    if not (ARCHIVE and shutil.which(PROGRAM)):
        pytest.skip(f"BYOK8S_TEST_IMAGE_ARCHIVE is not set (the rig's environment has it), or no {PROGRAM}")
    with greetings(cluster.folder.parent) as address:
        cluster.environment["BYOK8S_CHANNEL_ALIAS"] = address
        cluster.write(FILES)
        yield cluster


@pytest.mark.timeout(900)  # it makes, pushes and pulls an image of several hundred MB
def test_an_image_of_the_printed_dockerfile_has_the_environments_of_the_workflow(flow: Sandbox) -> None:
    printed = flow.run("-s", "Snakefile", "--base", BASE, command="image dockerfile")
    root, layer = flow.folder.parent / "root", flow.folder.parent / "layer.tar"
    root.mkdir()
    unpack(Path(ARCHIVE), BASE, root)
    carry_out(printed, root, {"PATH": PATH}, layer)
    shutil.rmtree(root)
    with tarfile.open(layer) as content:
        marks = [name for name in content.getnames() if name.endswith("_.env_setup_done")]
    assert len(marks) == 2
    with registry(flow.folder.parent / "registry") as images:
        own = images.push(Path(ARCHIVE), BASE, f"own:{uuid.uuid4().hex[:8]}", layer)
        images.make_secret(flow.client, flow.namespace, "pull")
        with_own = ("--image", own, "--pod", "image_pull_secrets=pull", "--software", "declared")

        said = flow.run("-s", "Snakefile", *with_own)
        assert said.count("The image has the conda environment") == 2
        first, _, where, deployed, _ = flow.read("shell.txt").splitlines()
        assert (first, deployed) == ("hello from libgreet 1.2", first)
        assert re.fullmatch(r"so /opt/byok8s/envs/\w{32}_", where)
        assert flow.read("tool.txt").splitlines()[::2] == ["hello from libgreet 1.2", "debian"]
        assert flow.read("script.txt").startswith("of-conda hello from libgreet 1.3\n")
        assert [key for key in flow.kept() if "/envs/" in key] == []

        # without being asked for they would not be used, which nobody would notice
        said = flow.run("-s", "Snakefile", *with_own[:-1], "image", "-f", "script.txt", expect=1)
        assert "which --software image leaves unused" in said
        assert "byok8s explain conda-image" in said

        # what has changed since is not what the image has
        flow.write({"envs/greet.yaml": GREET.replace("1.2", "1.3")})
        said = flow.run("-s", "Snakefile", *with_own)
        assert said.count("Made the conda environment envs/greet.yaml") == 1
        assert flow.read("shell.txt").startswith("hello from libgreet 1.3\n")
        assert flow.names() == []
