"""What a Dockerfile says, and what comes of its steps where there is no Docker: in a folder that is made the root."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_HERE: Final = re.compile(r"<<'(\w+)' (\S+)$")


@dataclass(frozen=True)
class Step:
    """An instruction. words: what is behind it. content: of a file that stands in the Dockerfile."""

    instruction: str
    words: str
    content: str = ""


def steps(dockerfile: str) -> Iterator[Step]:
    """Read a Dockerfile of instructions of one line, and files that stand in it."""
    lines = iter(dockerfile.splitlines())
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        instruction, _, words = line.partition(" ")
        assert instruction in {"ARG", "FROM", "USER", "RUN", "COPY"}, line
        content = ""
        if here := _HERE.fullmatch(words):
            words = here[2]
            while (within := next(lines)) != here[1]:
                content += f"{within}\n"
        yield Step(instruction, words, content)


def unpack(archive: Path, name: str, root: Path) -> None:
    """Make a root of an image in an archive, as `docker save` makes them."""
    with tarfile.open(archive) as images:
        listed = images.extractfile("manifest.json")
        assert listed is not None
        image = next(each for each in json.load(listed) if each["RepoTags"] == [name])
        for layer in image["Layers"]:
            content = images.extractfile(layer)
            assert content is not None
            with tarfile.open(fileobj=content) as files:
                files.extractall(root, filter="fully_trusted")
    if not (root / "dev/null").exists():
        os.mknod(root / "dev/null", 0o020666, os.makedev(1, 3))


def carry_out(dockerfile: str, root: Path, variables: Mapping[str, str], layer: Path) -> str:
    """Carry out the steps of a Dockerfile, all stages of which begin with what is in a root.

    variables: of the image. layer: a new file, of what its last stage copies from another. Returns what was said.
    """
    said = ""
    with tarfile.open(layer, "w") as archive:
        for step in steps(dockerfile):
            if step.instruction == "RUN":
                command = ["/usr/sbin/chroot", str(root), "/bin/sh", "-c", step.words]
                done = subprocess.run(
                    command, env=dict(variables), stdin=subprocess.DEVNULL, capture_output=True, text=True
                )
                said += done.stdout + done.stderr
                assert done.returncode == 0, said
            elif step.instruction == "COPY" and step.words.startswith("--from="):
                _, made, kept = step.words.split()
                archive.add(root / made.lstrip("/"), arcname=kept.lstrip("/"))
            elif step.instruction == "COPY":
                path = root / step.words.lstrip("/")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(step.content)
    return said
