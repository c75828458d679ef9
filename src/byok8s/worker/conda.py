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

from byok8s.worker.description import Environment
from byok8s.worker.job_folder import ENVIRONMENTS

if TYPE_CHECKING:
    from snakemake_storage_plugin_byok8s.connection import Connection

BASE: Final = ENVIRONMENTS / "base"  # where Snakemake looks for conda's own bin/activate
VARIABLES: Final = (
    "etc/conda/byok8s-variables.sh"  # within an environment: what its file says under variables:
)
# what `conda activate` does to a shell that has no environment yet
ACTIVATE: Final = f"""\
export CONDA_PREFIX="$1" CONDA_DEFAULT_ENV="$1" CONDA_SHLVL=1 CONDA_PROMPT_MODIFIER="($1) " PATH="$1/bin:$PATH"
[ -r "$1/{VARIABLES}" ] && . "$1/{VARIABLES}"
for _byok8s in "$1"/etc/conda/activate.d/*.sh; do [ -r "$_byok8s" ] && . "$_byok8s"; done
unset _byok8s
"""
_CHUNK: Final = 1 << 20


class Unusable(Exception):
    """An environment that a job cannot have. cause: the name of that, one of byok8s.pods.cause."""

    def __init__(self, words: str, cause: str) -> None:
        super().__init__(words)
        self.cause = cause


def prefix_of(name: str) -> Path:
    """Return the folder of an environment; with a mark behind it, as Snakemake has it."""
    return ENVIRONMENTS / f"{name}_"


def platform() -> str:
    """Return conda's word for this machine."""
    machine = os.uname().machine
    word = {"x86_64": "64", "arm64": "aarch64"}.get(machine, machine)
    return f"linux-{word}"


def lay_base() -> None:
    """Lay what activates an environment."""
    script = BASE / "bin/activate"
    if not script.is_file():
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(ACTIVATE)


def use_base(image: str) -> None:
    """Have Snakemake take what we have laid for conda, which it would ask several questions that take a second each.

    image: that of the container in which environments are activated; "" for the worker's own.
    """
    from snakemake.deployment.conda import Conda

    conda: Any = object.__new__(Conda)
    conda.prefix_path, conda.platform, conda.info = str(BASE), platform(), {}
    conda.container_img = image or None
    Conda.instances[image or None] = conda


def bring(environment: Environment, connection: Connection) -> None:
    """Fetch an environment, unless an earlier job of this worker has. Raises Unusable or StorageError."""
    prefix = prefix_of(environment.name)
    done = prefix.with_suffix(".env_setup_done")  # Snakemake's own mark
    if done.is_file():
        return
    if environment.platform != (here := platform()):
        raise Unusable(
            f"its conda environment is made for {environment.platform}, and its node is {here}",
            "conda-platform",
        )
    lay_base()
    packed, new = prefix.with_suffix(".packed"), prefix.with_suffix(".new")
    with connection.explained("download", f"s3://{environment.bucket}/{environment.key}"):
        connection.client.download_file(environment.bucket, environment.key, str(packed))
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
    done.touch()


def pack(prefix: Path, packed: Path) -> None:
    """Make one file of an environment."""
    import zstandard

    with (
        packed.open("wb") as file,
        zstandard.ZstdCompressor(level=3, threads=-1).stream_writer(file) as stream,
        tarfile.open(fileobj=stream, mode="w|", bufsize=_CHUNK) as archive,
    ):
        archive.add(prefix, arcname=".")


def unpack(packed: Path, folder: Path) -> None:
    """Undo `pack`."""
    import zstandard

    with (
        packed.open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file, read_size=_CHUNK) as stream,
        tarfile.open(fileobj=stream, mode="r|", bufsize=_CHUNK) as archive,
    ):
        archive.extractall(folder)  # noqa: S202 - it is what a pod of this user has made: its checksum is right


def sha256_of(path: Path) -> str:
    """Return the checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
