"""The worker image, where this machine has it: in a container tool's store, or in an archive."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from byok8s.errors import InputError
from byok8s.local_cluster.tools import Tool

STORES: Final = ("docker", "podman")


@dataclass(frozen=True)
class Image:
    """id: changes with its content. place: the program that has it, or the archive that it is in."""

    name: str
    id: str
    place: str | Path


def find(name: str, say: Callable[[str], None]) -> Image | None:
    """Ask the container tools of this machine; none of them has to be there, or to run."""
    for program in STORES:
        store = Tool(program, None, say)
        if not store.is_installed:
            continue
        answer = store.ask("image", "inspect", "--format", "{{.Id}}", name)
        if answer.code == 0:
            return Image(name, answer.output.strip(), program)
    return None


def read(archive: Path, name: str | None) -> Image:
    """Of an archive as `docker save` and `podman save` write it.

    name: None if the archive holds one name. Raises InputError if it cannot be read or has no such image.
    The form: https://github.com/moby/docker-image-spec/blob/main/spec.md, manifest.json.
    """
    try:
        with tarfile.open(archive) as tar:
            member = tar.extractfile("manifest.json")
            assert member is not None
            manifest = json.load(member)
        ids = {tag: str(entry["Config"]) for entry in manifest for tag in entry["RepoTags"] or []}
    except (OSError, tarfile.TarError, AssertionError, LookupError, TypeError, ValueError) as error:
        raise InputError(
            f"{archive} is no image archive that can be read.",
            where=str(error).partition("\n")[0],
            hint="Make one: docker save -o FILE IMAGE",
        ) from error
    found = name or (next(iter(ids)) if len(ids) == 1 else "")
    if found not in ids:
        raise InputError(
            f"{archive} does not hold the image {name}."
            if name
            else f"{archive} does not hold one named image.",
            where=f"It holds: {', '.join(ids) or 'none with a name'}.",
            hint="Name one of them with --image.",
        )
    return Image(found, ids[found], archive.resolve())


@contextmanager
def as_archive(image: Image, folder: Path, say: Callable[[str], None]) -> Iterator[Path]:
    """The image as a file that all drivers take; in `folder`, for it may be too big for /tmp."""
    if isinstance(image.place, Path):
        yield image.place
        return
    with TemporaryDirectory(dir=folder) as scratch:
        archive = Path(scratch) / "image.tar"
        # not by its -o: a docker of snap may not write into folders with a dot
        Tool(image.place, None, say).write(archive, "save", image.name)
        yield archive
