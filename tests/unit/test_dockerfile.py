"""The Dockerfile of a workflow's environments. It is built, and used, in tests/cluster/test_own_image.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from byok8s.errors import InputError
from byok8s.software.channels import Channels
from byok8s.software.dockerfile import Declared, dockerfile
from byok8s.software.spec import Spec
from dockerfiles import Step, steps

SPEC = Spec(
    "envs/a.yaml", "channels: [lab]\ndependencies: [x=1]\n", "", "#!/bin/bash\necho 'BYOK8S'\nBYOK8S\n"
)


def made(folder: Path, *specs: Spec, variables: dict[str, str] | None = None) -> list[Step]:
    declared = [Declared(spec, ("a", "b")) for spec in specs]
    return list(steps(dockerfile(declared, Channels("", variables or {}, folder), "base:1", "Snakefile")))


def test_an_environment_is_made_at_the_path_that_its_hash_is_of(tmp_path: Path) -> None:
    said = made(tmp_path, SPEC)
    (wanted,) = [step for step in said if step.words.endswith(".json")]
    assert wanted.words == f"/byok8s/{SPEC.name}.json"
    told = json.loads(wanted.content)
    assert (told["name"], told["deploy"]) == (SPEC.name, SPEC.deploy)
    assert told["channels"] == ["https://conda.anaconda.org/lab"]
    (run,) = [step.words for step in said if SPEC.name in step.words and step.instruction == "RUN"]
    assert f"/byok8s/{SPEC.name}.json /work/envs /packages" in run
    assert [step.words for step in said if step.instruction == "FROM"] == [
        "--platform=linux/amd64 ${BASE} AS base",
        "base AS environments",
        "base",
    ]
    assert said[-2].words == "--from=environments /work/envs /opt/byok8s/envs"


def test_what_makes_it_stands_alone(tmp_path: Path) -> None:
    for step in made(tmp_path, SPEC):
        if step.words.endswith(".py"):
            path = tmp_path / step.words.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.content)
    for package in ("byok8s/byok8s", "byok8s/byok8s/worker"):
        (tmp_path / package / "__init__.py").touch()
    script = "import byok8s.worker.installation as it; print(it.__file__)"
    command = [sys.executable, "-S", "-c", script]
    done = subprocess.run(
        command, env={"PYTHONPATH": str(tmp_path / "byok8s")}, capture_output=True, text=True
    )
    assert done.stdout.strip() == str(tmp_path / "byok8s/byok8s/worker/installation.py"), done.stderr


def test_a_file_with_a_line_end_in_its_name_adds_no_instruction(tmp_path: Path) -> None:
    hostile = Spec("envs/a\nRUN false\n.yaml", SPEC.yaml, "", "")
    assert [step for step in made(tmp_path, hostile) if "false" in step.words] == []


@pytest.mark.parametrize(
    "files",
    [
        {".netrc": "machine host login me password word\n"},
        {".condarc": "mirrored_channels: {lab: ['https://m/lab']}"},
    ],
)
def test_what_layers_of_an_image_would_show_is_refused(files: dict[str, str], tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    spec = Spec("envs/a.yaml", "channels: [lab, 'https://host/lab']\n", "", "")
    with pytest.raises(InputError, match="wants credentials, variables or mirrors"):
        made(tmp_path, spec)
