"""How the workflow's sources, the worker and its libraries reach the pods: as bytes for ConfigMaps.

Which files of the workflow those are, is the business of sources.py.
Nothing is installed in a pod: an image that has Snakemake but no S3 client (as the public snakemake/snakemake
has) finds the client's pure-Python packages, those of this machine, in the libraries' archive.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import importlib.util
import io
import marshal
import os
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from byok8s import workspace
from byok8s.bundle import elsewhere
from byok8s.bundle.sources import chosen
from byok8s.errors import InputError

if TYPE_CHECKING:
    from snakemake.dag import DAG

CONFIG_MAP_BYTES = 900_000  # the API's limit is 1 MiB for a ConfigMap with its metadata
ARCHIVE_BYTES = 16_000_000  # compressed; etcd is no file store

# What snakemake_storage_plugin_s3 imports beyond Snakemake's own dependencies. Of botocore's 20 MB of service
# descriptions only these are needed to speak S3 with any kind of credentials.
LIBRARIES = (
    "boto3",
    "botocore",
    "s3transfer",
    "jmespath",
    "dateutil",
    "six",
    "urllib3",
    "snakemake_storage_plugin_s3",
)
BOTOCORE_DATA = ("s3", "sts", "sso", "sso-oidc")


def worker_files() -> dict[str, bytes]:
    """The worker, as an archive that Python runs, and the storage plugin, by the names that the worker knows."""
    plugin = _module("snakemake_storage_plugin_byok8s").parent
    return {
        "worker.pyz": _worker(),
        **{f"storage_plugin.{path.name}": path.read_bytes() for path in plugin.glob("*.py")},
    }


def _worker() -> bytes:
    """Return the archive, with all modules compiled, too: pods with another Python compile them again."""
    package = _module("byok8s.worker").parent
    modules = {f"byok8s/worker/{path.name}": path.read_bytes() for path in sorted(package.glob("*.py"))}
    main = (package / "__main__.py").read_bytes()
    files = {"__main__.py": main, "byok8s/__init__.py": b"", **modules}
    digest = hashlib.sha256(repr(files).encode()).hexdigest()[:16]
    return _kept(f"worker-{digest}-{sys.implementation.cache_tag}.pyz", lambda: archive_of(files))


def archive_of(files: Mapping[str, bytes]) -> bytes:
    """Return an archive that Python runs, of files by their names. The same bytes for the same content."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
            archive.writestr(zipfile.ZipInfo(f"{name}c"), _compiled(name, content), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _compiled(name: str, source: bytes) -> bytes:
    """Return what a .pyc has that is not compared with its source (PEP 552): it comes with it."""
    code = compile(source, f"worker.pyz/{name}", "exec", dont_inherit=True, optimize=0)
    unchecked = (1).to_bytes(4, "little")
    # a later form of marshal's depends on what else this process has in memory
    return (
        importlib.util.MAGIC_NUMBER + unchecked + importlib.util.source_hash(source) + marshal.dumps(code, 2)
    )


def sources(dag: DAG, tell: Callable[[str], None] = lambda _: None) -> bytes:
    """Return a compressed archive of the workflow's files, by their paths below the workspace's root.

    tell: what pods do not get. Raises InputError for a source outside of the root, and for more than pods can be given.
    """
    found = chosen(dag)
    if found.left_out:
        tell(found.left_out)
    root = workspace.root()
    files = {path: root / path for path in found.files}
    files |= {within: path for path, within in elsewhere.files(dag.workflow, root)}
    archive = pack((path, within) for within, path in sorted(files.items()))
    if len(archive) > ARCHIVE_BYTES:
        largest = max(files, key=lambda within: files[within].stat().st_size)
        raise InputError(
            f"The workflow's sources are {len(archive) // 1_000_000} MB compressed; pods can be given "
            f"{ARCHIVE_BYTES // 1_000_000} MB.",
            where=f"The largest is {largest}.",
            hint="Put data into the bucket and name it as a rule's input.",
        )
    return archive


def libraries() -> bytes:
    """Return a compressed archive of the S3 client's packages."""
    versions = "-".join(
        f"{name}{metadata.version(name)}" for name in ("botocore", "boto3", "snakemake-storage-plugin-s3")
    )
    return _kept(f"libraries-{versions}.tar.gz", lambda: pack(_library_files()))


def _kept(name: str, make: Callable[[], bytes]) -> bytes:
    """Return what the user's cache folder has, made once. Without a home folder it is made each time."""
    cached = _cache() / name
    if cached.is_file():
        return cached.read_bytes()
    made = make()
    with contextlib.suppress(OSError):
        cached.parent.mkdir(parents=True, exist_ok=True)
        unfinished = cached.with_suffix(f".{os.getpid()}")
        unfinished.write_bytes(made)
        unfinished.replace(cached)
    return made


def config_maps(files: dict[str, bytes], archives: dict[str, bytes]) -> list[dict[str, bytes]]:
    """The files, and the archives in numbered parts, shared out so that each share fits a ConfigMap."""
    shares = [dict(files)]
    for name, archive in archives.items():
        for number, start in enumerate(range(0, len(archive), CONFIG_MAP_BYTES)):
            part = archive[start : start + CONFIG_MAP_BYTES]
            if sum(map(len, shares[-1].values())) + len(part) > CONFIG_MAP_BYTES:
                shares.append({})
            shares[-1][f"{name}.{number:03}"] = part
    return shares


def _library_files() -> Iterator[tuple[Path, str]]:
    for name in LIBRARIES:
        module = _module(name)
        if module.name != "__init__.py":
            yield module, module.name
            continue
        for path in sorted(module.parent.rglob("*")):
            within = path.relative_to(module.parent.parent)
            if path.is_file() and _is_needed(within):
                yield path, str(within)


def _is_needed(path: Path) -> bool:
    match path.parts:
        case ("botocore", "data", service, _, *_):
            return service in BOTOCORE_DATA
        case ("boto3", "data" | "examples", *_):
            return "s3" in path.parts
    return path.suffix != ".pyc"


def _module(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin)


def pack(files: Iterable[tuple[Path, str]]) -> bytes:
    """A compressed archive of files, each by the name that it has there.

    The same bytes for the same content: by them a run that goes on knows its own."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=6, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", dereference=True) as archive,
    ):
        for path, name in files:
            archive.add(path, arcname=name, filter=_plain)
    return buffer.getvalue()


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime = member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "byok8s"
