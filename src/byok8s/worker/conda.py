"""Conda environments in a pod: fetched once, and activated as conda does. No conda is needed.

An environment has its own path written into it, so that path is the same in all pods. Its name is Snakemake's hash of
what it is made of, of which that path is a part.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from byok8s.worker import activation
from byok8s.worker.activation import DONE
from byok8s.worker.boto import transfers
from byok8s.worker.description import Environment
from byok8s.worker.job_folder import ENVIRONMENTS

if TYPE_CHECKING:
    from snakemake_storage_plugin_byok8s.connection import Connection

BASE: Final = ENVIRONMENTS / "base"  # where Snakemake looks for conda's own bin/activate
OF_IMAGE: Final = Path("/opt/byok8s/envs")  # in an image that was made with environments
_CHUNK: Final = 1 << 20
_BUFFER: Final = 1 << 16


class Unusable(Exception):
    """An environment that a job cannot have. cause: the name of that, one of byok8s.pods.cause."""

    def __init__(self, words: str, cause: str) -> None:
        super().__init__(words)
        self.cause = cause


def prefix_of(name: str) -> Path:
    """Return the folder of an environment; with a mark behind it, as Snakemake has it."""
    return ENVIRONMENTS / f"{name}_"


def of_image(name: str) -> Path | None:
    """Return the folder in which the image has an environment, None if it has not."""
    folder = OF_IMAGE / prefix_of(name).name
    return folder if folder.with_suffix(DONE).is_file() else None


def check_use() -> None:
    """Raise Unusable if the image was made with environments, for rules that are to do without."""
    if OF_IMAGE.is_dir():
        raise Unusable(
            "its image has the conda environments of rules, which --software image leaves unused",
            "conda-image",
        )


def platform() -> str:
    """Return conda's word for this machine."""
    machine = os.uname().machine
    word = {"x86_64": "64", "arm64": "aarch64"}.get(machine, machine)
    return f"linux-{word}"


def lay_base() -> None:
    """Lay what activates an environment."""
    activation.lay_base(BASE)


def use_base(image: str) -> None:
    """Have Snakemake take what we have laid for conda, which it would ask several questions that take a second each.

    image: that of the container in which environments are activated; "" for the worker's own.
    """
    from snakemake.deployment.conda import Conda

    conda: Any = object.__new__(Conda)
    conda.prefix_path, conda.platform, conda.info = str(BASE), platform(), {}
    conda.container_img = image or None
    Conda.instances[image or None] = conda


def bring(environment: Environment, connection: Connection, *, linked: bool) -> None:
    """Bring an environment to its place, unless an earlier job of this worker has: from the image, or the bucket.

    linked: what the image has need not be copied, as no other container is to have it. Raises Unusable or StorageError.
    """
    prefix = prefix_of(environment.name)
    done = prefix.with_suffix(DONE)
    if done.is_file():
        return
    if environment.platform != (here := platform()):
        raise Unusable(
            f"its conda environment is made for {environment.platform}, and its node is {here}",
            "conda-platform",
        )
    lay_base()
    if built := of_image(environment.name):
        if linked:
            prefix.symlink_to(built)
        else:
            shutil.copytree(built, prefix, symlinks=True)
    else:
        _fetch(environment, prefix, connection)
    done.touch()


def _fetch(environment: Environment, prefix: Path, connection: Connection) -> None:
    if not environment.key:
        raise Unusable(
            "its pod's image lacks its conda environment, which the run's image has", "conda-image"
        )
    packed, new = prefix.with_suffix(".packed"), prefix.with_suffix(".new")
    with connection.explained("download", f"s3://{environment.bucket}/{environment.key}"):
        connection.client.download_file(environment.bucket, environment.key, str(packed), Config=transfers())
    if sha256_of(packed) != environment.sha256:
        packed.unlink()
        raise Unusable(
            f"its conda environment s3://{environment.bucket}/{environment.key} is not what was made",
            "conda-changed",
        )
    shutil.rmtree(new, ignore_errors=True)
    unpack(packed, new)
    packed.unlink()
    new.replace(prefix)


def pack(prefix: Path, packed: Path) -> None:
    """Make one file of an environment."""
    import zstandard

    with (
        packed.open("wb") as file,
        zstandard.ZstdCompressor(level=3, threads=-1).stream_writer(file) as stream,
        # in the other format a time with a fraction of a second has a header of its own, as almost each file has
        tarfile.open(fileobj=stream, mode="w|", bufsize=_CHUNK, format=tarfile.GNU_FORMAT) as archive,
    ):
        archive.add(prefix, arcname=".")


def unpack(packed: Path, folder: Path) -> None:
    """Undo `pack`."""
    import zstandard

    with (
        packed.open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file, read_size=_CHUNK) as stream,
        # tarfile copies what is left of its buffer for each piece that it takes from it
        tarfile.open(fileobj=stream, mode="r|", bufsize=_BUFFER) as archive,
    ):
        archive.extractall(folder)  # noqa: S202 - it is what a pod of this user has made: its checksum is right


def sha256_of(path: Path) -> str:
    """Return the checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
