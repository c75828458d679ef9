"""docker 28, the two commands that are used: `image inspect` exits with 1 for an image that is not there, `save` writes
an archive with a manifest.json (https://github.com/moby/docker-image-spec/blob/main/spec.md). Its images are the
files of the machine's folder `docker-images`, NAME in which / is %.
"""

from __future__ import annotations

import io
import json
import sys
import tarfile
from pathlib import Path

from fake_tools.machine import DOCKER_DOWN, Flags, Machine, dispatch, fail

machine = Machine.of_environment


def main() -> None:
    if machine().has_trouble("docker-down"):
        fail(DOCKER_DOWN, 1)
    dispatch({("image", "inspect"): image_inspect, ("save",): save})


def has(folder: Path, image: str, content: str) -> None:
    """For tests: docker has this image from now on."""
    store = folder / "docker-images"
    store.mkdir(exist_ok=True)
    (store / image.replace("/", "%")).write_text(content)


def content(image: str) -> str:
    file = machine().folder / "docker-images" / image.replace("/", "%")
    if not file.is_file():
        fail(f"Error response from daemon: No such image: {image}", 1)
    return file.read_text()


def image_inspect(arguments: list[str]) -> None:
    flags = Flags()
    flags.add_argument("-f", "--format")
    flags.add_argument("image")
    given = flags.parse_args(arguments)
    assert given.format == "{{.Id}}", "only the id is stood in for"
    print(f"sha256:{content(given.image)}")


def save(arguments: list[str]) -> None:
    flags = Flags()
    flags.add_argument("-o", "--output")
    flags.add_argument("image")
    given = flags.parse_args(arguments)
    if machine().has_trouble("disk-full"):
        fail("write /dev/stdout: no space left on device", 1)
    assert given.output is None, "a docker of snap could not write there"
    sys.stdout.buffer.write(archive([given.image], content(given.image)))


def archive(tags: list[str], content: str) -> bytes:
    manifest = json.dumps([{"Config": f"blobs/sha256/{content}", "RepoTags": tags, "Layers": []}]).encode()
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        member = tarfile.TarInfo("manifest.json")
        member.size = len(manifest)
        tar.addfile(member, io.BytesIO(manifest))
    return file.getvalue()
