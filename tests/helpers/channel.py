"""A conda channel made by hand: packages of a few files each, without conda and without its build tools."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import zstandard

from serving import served

# replaced by the environment's folder, as in any conda package
PLACEHOLDER = "/opt/placeholder_" + "x" * 200
ACTIVATE = "etc/conda/activate.d/greet.sh"


class Channel:
    """A channel in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._packages: dict[str, Any] = {}
        self._write()

    def add(
        self, name: str, version: str, files: Mapping[str, str | bytes], needs: Sequence[str] = ()
    ) -> str:
        """Add a package and return its file's name. files: contents by their paths; those of bin/ can be run."""
        index = {
            "name": name,
            "version": version,
            "build": "0",
            "build_number": 0,
            "depends": [*needs],
            "subdir": "linux-64",
            "arch": "x86_64",
            "platform": "linux",
            "timestamp": 1700000000000,
        }
        contents = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        paths = [_path(path, content) for path, content in contents.items()]
        information = {
            "info/index.json": json.dumps(index).encode(),
            "info/paths.json": json.dumps({"paths_version": 1, "paths": paths}).encode(),
        }
        stem = f"{name}-{version}-0"
        pack = zstandard.ZstdCompressor(3).compress
        target = self._folder / "linux-64" / f"{stem}.conda"
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("metadata.json", json.dumps({"conda_pkg_format_version": 2}))
            archive.writestr(f"info-{stem}.tar.zst", pack(_tar(information)))
            archive.writestr(f"pkg-{stem}.tar.zst", pack(_tar(contents)))
        data = target.read_bytes()
        sums = {of: hashlib.new(of, data).hexdigest() for of in ("md5", "sha256")}
        self._packages[target.name] = {**index, **sums, "size": len(data)}
        self._write()
        return target.name

    def _write(self) -> None:
        for subdir, packages in {"linux-64": self._packages, "noarch": {}}.items():
            folder = self._folder / subdir
            folder.mkdir(parents=True, exist_ok=True)
            content = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": packages}
            (folder / "repodata.json").write_text(json.dumps(content))


BRIDGE = "10.88.0.1"  # where pods of the rig reach this machine


@contextmanager
def greetings(folder: Path) -> Iterator[str]:
    """Have the channel `greetings`, below a folder, at an address that pods reach: that of all channels there."""
    greeting(folder / "channels" / "greetings")
    with served(folder / "channels", BRIDGE) as address:
        yield address


def greeting(folder: Path) -> Channel:
    """Make a channel with a program that greets, a library that it needs, in two versions, and a Python of its own."""
    channel = Channel(folder)
    for version in ("1.2", "1.3"):
        channel.add("libgreet", version, {"share/greet/words": f"hello from libgreet {version}\n"})
    greet = f"#!/bin/sh\ncat {PLACEHOLDER}/share/greet/words\necho home $GREET_HOME prefix $CONDA_PREFIX\n"
    activate = 'export GREET_HOME="$CONDA_PREFIX/share/greet"\n'
    channel.add("greet", "2.0", {"bin/greet": greet, ACTIVATE: activate}, ["libgreet >=1"])
    # the pod's Python, by another way: what matters is whether a script runs in the environment's
    python = '#!/bin/sh\nexec env THIS_PYTHON=of-conda /usr/bin/python3 "$@"\n'
    channel.add("python", "3.11.0", {"bin/python": python})
    return channel


def _path(path: str, content: bytes) -> dict[str, object]:
    entry: dict[str, object] = {
        "_path": path,
        "path_type": "hardlink",
        "sha256": hashlib.sha256(content).hexdigest(),
        "size_in_bytes": len(content),
    }
    if PLACEHOLDER.encode() in content:
        entry |= {"prefix_placeholder": PLACEHOLDER, "file_mode": "text"}
    return entry


def _tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755 if name.startswith("bin/") else 0o644
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
