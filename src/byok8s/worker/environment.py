"""A conda environment, made in a pod of its own: solved, installed, packed, and put into the bucket.

The pod has no job. What it is to make comes with its arguments, and what has become of it leaves with its status.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import importlib
import json
import os
import re
import shlex
import subprocess
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from byok8s.worker import conda
from byok8s.worker.channels import Access, Hiding
from byok8s.worker.description import Stored, run_from_json
from byok8s.worker.failure import Failure, failure
from byok8s.worker.job_folder import WORK, files
from byok8s.worker.protocol import Result
from byok8s.worker.transfer import connection
from byok8s.worker.workplace import RUN

if TYPE_CHECKING:
    from rattler import Gateway, RepoDataRecord, Subdir

    from snakemake_storage_plugin_byok8s.connection import Connection

NEEDED: Final = ("rattler", "zstandard")
SAID: Final[list[str]] = []  # what a user should read if it fails
# as rattler words an answer of a channel's server
_DENIED: Final = re.compile(r"\((?:401|403) [^)]*\) for url \((\S+)\)")


@dataclass(frozen=True)
class Wanted:
    """What an environment is made of: the texts of its file, its pin file and its post-deploy script, "" for none.

    name: Snakemake's hash. yaml: without channels, which are addresses of their own, the first counts first. No secret
    is among them. bucket, folder: where its archive goes.
    """

    name: str
    yaml: str
    pin: str
    deploy: str
    platform: str
    bucket: str
    folder: str
    channels: Sequence[str] = ()

    def to_argument(self) -> str:
        """Return it as one word of a command line."""
        return base64.b64encode(zlib.compress(json.dumps(asdict(self)).encode())).decode()

    @classmethod
    def of_argument(cls, word: str) -> Wanted:
        """Read what `to_argument` has written."""
        return cls(**json.loads(zlib.decompress(base64.b64decode(word))))


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
    """Make an environment and store it. Raises Failure or StorageError."""
    _check(wanted)
    prefix = conda.prefix_of(wanted.name)
    install(wanted, access, prefix)
    packed = WORK / "environment.tar.zst"
    conda.pack(prefix, packed)
    sha256 = conda.sha256_of(packed)
    key = f"{wanted.folder}/{wanted.name}-{sha256}.tar.zst"
    with connection.explained("upload", f"s3://{wanted.bucket}/{key}"):
        connection.client.upload_file(str(packed), wanted.bucket, key)
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


def install(wanted: Wanted, access: Access, prefix: Path) -> None:
    """Fill a folder with an environment. Raises Failure."""
    import yaml

    _trust_certificates()
    prefix.parent.mkdir(parents=True, exist_ok=True)
    said = yaml.safe_load(wanted.yaml) or {}
    conda_specs, pip_specs = _specs(said.get("dependencies") or [])
    asyncio.run(_install(wanted, access, conda_specs, prefix))
    _lay_variables(said.get("variables") or {}, prefix)
    if pip_specs:
        _pip(pip_specs, access, prefix)
    if wanted.deploy:
        _deploy(wanted.deploy, prefix)


def _trust_certificates() -> None:
    """An image may have no certificates of its own."""
    if not Path("/etc/ssl/certs/ca-certificates.crt").is_file() and "SSL_CERT_FILE" not in os.environ:
        import certifi

        os.environ["SSL_CERT_FILE"] = certifi.where()


def _specs(dependencies: Sequence[Any]) -> tuple[list[str], list[str]]:
    """Return what conda and what pip is to install. Raises Failure for what neither can."""
    conda_specs: list[str] = []
    pip_specs: list[str] = []
    for each in dependencies:
        if isinstance(each, str):
            conda_specs.append(each)
        elif isinstance(each, dict) and set(each) == {"pip"}:
            pip_specs += map(str, each["pip"])
        else:
            raise Failure(
                f"its file has {each!r} among its dependencies, which is no package", "conda-unsolvable"
            )
    if local := next((spec for spec in pip_specs if spec.startswith(("-r", "-e", "-c", "."))), None):
        raise Failure(f"its pip: names {local}, a file that is not in its pod", "conda-install")
    return conda_specs, pip_specs


async def _install(wanted: Wanted, access: Access, specs: list[str], prefix: Path) -> None:
    import rattler
    from rattler import exceptions

    platforms = [rattler.Subdir(wanted.platform), rattler.Subdir("noarch")]
    client = access.client()
    gateway = rattler.Gateway(client=client)
    try:
        records = await _pinned(wanted, platforms, gateway) if wanted.pin else []
        if not records:
            records = await rattler.solve(
                sources=[rattler.Channel(address) for address in wanted.channels],
                specs=specs,
                gateway=gateway,
                platforms=platforms,
                virtual_packages=rattler.VirtualPackage.detect(),
            )
        await rattler.install(
            records=records,
            target_prefix=prefix,
            cache_dir=WORK / "packages",
            execute_link_scripts=True,
            show_progress=False,
            client=client,
        )
    except exceptions.SolverError as error:
        _say(str(error))
        raise Failure("no packages of its channels meet all that it asks for", "conda-unsolvable") from error
    except (exceptions.InvalidMatchSpecError, exceptions.InvalidChannelError) as error:
        raise Failure(f"its file cannot be read: {error}", "conda-unsolvable") from error
    except (exceptions.GatewayError, exceptions.FetchRepoDataError) as error:
        _say(str(error))
        raise _denied(str(error), access) or Failure(
            "a channel cannot be reached", "conda-channel"
        ) from error
    except (exceptions.InstallerError, exceptions.LinkError, exceptions.IoError) as error:
        _say(str(error))
        found = _denied(str(error), access)
        raise found or Failure("its packages cannot be installed", "conda-install") from error


def _denied(words: str, access: Access) -> Failure | None:
    """Return what is told if a channel's server wants other credentials."""
    if not (denied := _DENIED.search(words)):
        return None
    host = urlsplit(denied[1]).hostname or ""
    if access.has_credentials_for(host):
        why = f"{host} refuses the credentials that this machine has for its channel"
    else:
        why = f"{host} wants credentials for its channel, and this machine has none"
    return Failure(why, "conda-denied")


async def _pinned(wanted: Wanted, platforms: list[Subdir], gateway: Gateway) -> list[RepoDataRecord]:
    """Return the packages of the pin file; none if not all are there: as with Snakemake, its own file counts then."""
    from rattler import Channel

    lines = [line.strip() for line in wanted.pin.splitlines()]
    urls = [line for line in lines if "://" in line and not line.startswith(("#", "@"))]
    by_channel: dict[str, set[str]] = {}
    for url in urls:
        by_channel.setdefault(url.split("#")[0].rsplit("/", 2)[0], set()).add(_package(url))
    found: dict[str, RepoDataRecord] = {}
    for channel, names in by_channel.items():
        answer: Any = await gateway.query([Channel(channel)], platforms, sorted(names), recursive=False)
        found |= {record.url: record for records in answer for record in records}
    for url in urls:
        address, _, checksum = url.partition("#")
        record = found.get(address)
        if record is None or (checksum and record.md5 and checksum != record.md5.hex()):
            _say(f"The pin file is not used: {address} is not in its channel, or has changed.")
            return []
    return [found[url.partition("#")[0]] for url in urls]


def _package(url: str) -> str:
    return url.split("#")[0].rsplit("/", 1)[1].rsplit("-", 2)[0]


def _lay_variables(variables: Mapping[str, object], prefix: Path) -> None:
    if variables:
        lines = [f"export {name}={shlex.quote(str(value))}\n" for name, value in variables.items()]
        path = prefix / conda.VARIABLES
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines))


def _pip(specs: list[str], access: Access, prefix: Path) -> None:
    if not (prefix / "bin/python").exists():
        raise Failure("its pip: needs pip among its dependencies, and with it Python", "conda-install")
    asked = prefix.with_suffix(".requirements.txt")  # in which pip, as with conda, fills in ${NAME}
    asked.write_text("".join(f"{spec}\n" for spec in specs))
    command = shlex.join(["python", "-m", "pip", "install", "--no-input", "--no-cache-dir", "-r", str(asked)])
    _run(command, prefix, "pip cannot install what it asks for", "conda-install", access.variables)
    asked.unlink()


def _deploy(text: str, prefix: Path) -> None:
    first = text.partition("\n")[0]
    interpreter = first.removeprefix("#!").strip() if first.startswith("#!") else "sh"
    script = prefix.with_suffix(".post-deploy.sh")
    script.write_text(text)
    _run(f"{interpreter} {script}", prefix, "its post-deploy script has failed", "conda-post-deploy")
    script.unlink()


def _run(command: str, prefix: Path, why: str, cause: str, more: Mapping[str, str] | None = None) -> None:
    """Run a command in an environment. more: variables. Raises Failure."""
    conda.lay_base()
    script = f"source {conda.BASE}/bin/activate '{prefix}'; {command}"
    done = subprocess.run(
        ["bash", "-c", script],
        text=True,
        env={**os.environ, **(more or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    _say(done.stdout)
    if done.returncode:
        raise Failure(f"{why}: exit code {done.returncode}", cause)


def _say(text: str) -> None:
    """Write to the pod's log, the last lines of which leave with its status."""
    if text.strip():
        print(text.rstrip(), flush=True)  # noqa: T201
        SAID.append(text.rstrip())
