"""Packs layers (tar files) into an archive of images that `ctr images import` takes: no Docker, no registry.

oci_image.py OUT.tar [--env NAME=VALUE]... [--command PROGRAM] --image NAME LAYER.tar... [--image ...]
Layers that several images share are stored once.
"""

import argparse
import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path
from typing import Any

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def add_bytes(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))


def add_layer(archive: tarfile.TarFile, layer: Path) -> str:
    """Add a layer under the name of its SHA-256, unless it is there already; return that digest."""
    with layer.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if f"{digest}.tar" not in archive.getnames():
        archive.add(layer, arcname=f"{digest}.tar")
    return digest


def image_config(digests: list[str], env: list[str], command: str) -> bytes:
    config: dict[str, Any] = {
        "architecture": ARCHITECTURES[platform.machine()],
        "os": "linux",
        "config": {"Env": env, "Cmd": [command]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
    }
    return json.dumps(config).encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--command", default="/bin/bash")
    parser.add_argument("--image", action="append", nargs="+", required=True, metavar=("NAME", "LAYER"))
    args = parser.parse_args()

    manifest = []
    with tarfile.open(args.out, "w") as archive:
        for name, *layers in args.image:
            digests = [add_layer(archive, Path(layer)) for layer in layers]
            config = image_config(digests, args.env, args.command)
            config_name = f"{hashlib.sha256(config).hexdigest()}.json"
            add_bytes(archive, config_name, config)
            manifest.append(
                {"Config": config_name, "RepoTags": [name], "Layers": [f"{digest}.tar" for digest in digests]}
            )
        add_bytes(archive, "manifest.json", json.dumps(manifest).encode())


if __name__ == "__main__":
    main()
