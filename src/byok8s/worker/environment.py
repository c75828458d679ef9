"""A conda environment, made in a pod of its own: solved, installed, packed, and put into the bucket.

The pod has no job. What it is to make comes with its arguments, and what has become of it leaves with its status.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from byok8s.worker import conda
from byok8s.worker.boto import transfers
from byok8s.worker.channels import Access, Hiding
from byok8s.worker.description import Stored, run_from_json
from byok8s.worker.failure import Failure, failure
from byok8s.worker.installation import SAID, Wanted, install
from byok8s.worker.job_folder import WORK, files
from byok8s.worker.protocol import Result
from byok8s.worker.transfer import connection
from byok8s.worker.workplace import RUN

if TYPE_CHECKING:
    from snakemake_storage_plugin_byok8s.connection import Connection

NEEDED: Final = ("rattler", "zstandard")


def attempt(word: str) -> Result:
    """Make what a word describes, and return what became of it."""
    access = Access.read(files())
    # what is printed of an error may have an address in it, with credentials
    out, err = Hiding(sys.stdout, access), Hiding(sys.stderr, access)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        found = _attempt(word, access)
    return replace(found, why=access.hide(found.why), last_lines=access.hide("\n".join(SAID)))


def _attempt(word: str, access: Access) -> Result:
    try:
        run = run_from_json(json.loads((files() / RUN).read_text()))
        stored = make(Wanted.of_argument(word), access, connection(run.storage))
    except BaseException as error:  # noqa: BLE001 - whatever comes, the controller is to know
        found = failure(error)
        return Result(found.code, found.why, cause=found.cause)
    return Result(0, stored=(stored,))


def make(wanted: Wanted, access: Access, connection: Connection) -> Stored:
    """Make an environment and store it, unless the image has it. Raises Failure, Unmade or StorageError."""
    if conda.of_image(wanted.name):
        return Stored(bucket="", key="", mtime=0, size=0)
    _check(wanted)
    prefix = conda.prefix_of(wanted.name)
    install(wanted, access, prefix, WORK / "packages")
    packed = WORK / "environment.tar.zst"
    conda.pack(prefix, packed)
    sha256 = conda.sha256_of(packed)
    key = f"{wanted.folder}/{wanted.name}-{sha256}.tar.zst"
    with connection.explained("upload", f"s3://{wanted.bucket}/{key}"):
        connection.client.upload_file(str(packed), wanted.bucket, key, Config=transfers())
    return Stored(wanted.bucket, key, mtime=0, size=packed.stat().st_size, sha256=sha256)


def _check(wanted: Wanted) -> None:
    for name in NEEDED:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise Failure(
                f"the image has no {'py-rattler' if name == 'rattler' else name}, which makes conda environments",
                "conda-image",
            ) from error
    if wanted.platform != (here := conda.platform()):
        raise Failure(
            f"it is to be made for {wanted.platform}, and the node of its pod is {here}", "conda-platform"
        )
