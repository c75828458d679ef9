"""Programs of an image of the rig's, for plain Snakemake on this machine, which has no containers and no R."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

# in a mount namespace of its own, which has the image's software and this machine's files. $0: the image's root.
RUN = 'mount --bind "$0/usr" /usr && mount --bind "$0/etc" /etc && exec "$@"'


def unpacked(archive: Path, image: str, root: Path) -> None:
    """Lay an image of an archive in a folder. Its layers must not take anything away from those below them."""
    root.mkdir()
    with tarfile.open(archive) as images:
        manifest = images.extractfile("manifest.json")
        assert manifest
        for entry in json.load(manifest):
            for layer in entry["Layers"] if image in entry["RepoTags"] else ():
                images.extract(layer, root.parent, filter="data")
                subprocess.run(["tar", "-C", root, "-xf", root.parent / layer], check=True)
                (root.parent / layer).unlink()


def programs(root: Path, names: Sequence[str], folder: Path) -> None:
    """Make programs of these names in a folder, which are those of the image laid in root. They want root's rights."""
    folder.mkdir()
    for name in names:
        program = folder / name
        program.write_text(f"#!/bin/sh\nexec unshare --mount sh -c '{RUN}' {root} /usr/bin/{name} \"$@\"\n")
        program.chmod(0o755)
