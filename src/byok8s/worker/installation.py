"""How a conda environment is made in a folder: solved, installed, its variables, pip's part, its post-deploy script.

It stands alone, but for its neighbours `activation` and `channels`: a Dockerfile has these three, too.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import shlex
import subprocess
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import urlsplit

from byok8s.worker.activation import DONE, VARIABLES, lay_base
from byok8s.worker.channels import Access

if TYPE_CHECKING:
    from rattler import Gateway, RepoDataRecord, Subdir

SAID: Final[list[str]] = []  # what a user should read if it fails
# as rattler words an answer of a channel's server
_DENIED: Final = re.compile(r"\((?:401|403) [^)]*\) for url \((\S+)\)")


class Unmade(Exception):
    """An environment that cannot be made. cause: the name of that, one of byok8s.pods.cause."""

    def __init__(self, why: str, cause: str) -> None:
        super().__init__(why)
        self.why, self.cause = why, cause


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
    channels: Sequence[str] = ()
    bucket: str = ""
    folder: str = ""

    def to_argument(self) -> str:
        """Return it as one word of a command line."""
        return base64.b64encode(zlib.compress(json.dumps(asdict(self)).encode())).decode()

    @classmethod
    def of_argument(cls, word: str) -> Wanted:
        """Read what `to_argument` has written."""
        return cls(**json.loads(zlib.decompress(base64.b64decode(word))))


def install(wanted: Wanted, access: Access, prefix: Path, scratch: Path) -> None:
    """Fill a folder with an environment. scratch: a folder for packages. Raises Unmade."""
    import yaml

    _trust_certificates()
    prefix.parent.mkdir(parents=True, exist_ok=True)
    said = yaml.safe_load(wanted.yaml) or {}
    conda_specs, pip_specs = _specs(said.get("dependencies") or [])
    asyncio.run(_install(wanted, access, conda_specs, prefix, scratch))
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
    """Return what conda and what pip is to install. Raises Unmade for what neither can."""
    conda_specs: list[str] = []
    pip_specs: list[str] = []
    for each in dependencies:
        if isinstance(each, str):
            conda_specs.append(each)
        elif isinstance(each, dict) and set(each) == {"pip"}:
            pip_specs += map(str, each["pip"])
        else:
            raise Unmade(
                f"its file has {each!r} among its dependencies, which is no package", "conda-unsolvable"
            )
    if local := next((spec for spec in pip_specs if spec.startswith(("-r", "-e", "-c", "."))), None):
        raise Unmade(f"its pip: names {local}, a file that is not in its pod", "conda-install")
    return conda_specs, pip_specs


async def _install(wanted: Wanted, access: Access, specs: list[str], prefix: Path, scratch: Path) -> None:
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
            cache_dir=scratch,
            execute_link_scripts=True,
            show_progress=False,
            client=client,
        )
    except exceptions.SolverError as error:
        _say(str(error))
        raise Unmade("no packages of its channels meet all that it asks for", "conda-unsolvable") from error
    except (exceptions.InvalidMatchSpecError, exceptions.InvalidChannelError) as error:
        raise Unmade(f"its file cannot be read: {error}", "conda-unsolvable") from error
    except (exceptions.GatewayError, exceptions.FetchRepoDataError) as error:
        _say(str(error))
        raise _denied(str(error), access) or Unmade("a channel cannot be reached", "conda-channel") from error
    except (exceptions.InstallerError, exceptions.LinkError, exceptions.IoError) as error:
        _say(str(error))
        found = _denied(str(error), access)
        raise found or Unmade("its packages cannot be installed", "conda-install") from error


def _denied(words: str, access: Access) -> Unmade | None:
    """Return what is told if a channel's server wants other credentials."""
    if not (denied := _DENIED.search(words)):
        return None
    host = urlsplit(denied[1]).hostname or ""
    if access.has_credentials_for(host):
        why = f"{host} refuses the credentials that this machine has for its channel"
    else:
        why = f"{host} wants credentials for its channel, and this machine has none"
    return Unmade(why, "conda-denied")


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
        path = prefix / VARIABLES
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines))


def _pip(specs: list[str], access: Access, prefix: Path) -> None:
    if not (prefix / "bin/python").exists():
        raise Unmade("its pip: needs pip among its dependencies, and with it Python", "conda-install")
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
    """Run a command in an environment. more: variables. Raises Unmade."""
    base = prefix.parent / "base"
    lay_base(base)
    script = f"source {base}/bin/activate '{prefix}'; {command}"
    done = subprocess.run(
        ["bash", "-c", script],
        text=True,
        env={**os.environ, **(more or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    _say(done.stdout)
    if done.returncode:
        raise Unmade(f"{why}: exit code {done.returncode}", cause)


def _say(text: str) -> None:
    """Write to the pod's log, the last lines of which leave with its status."""
    if text.strip():
        print(text.rstrip(), flush=True)  # noqa: T201
        SAID.append(text.rstrip())


def main(file: str, folder: str, scratch: str) -> int:
    """Make what a file describes in the folder of all environments, or tell why that cannot be done."""
    wanted = Wanted(**json.loads(Path(file).read_text()))
    prefix = Path(folder) / f"{wanted.name}_"
    try:
        install(wanted, Access(), prefix, Path(scratch))
    except Unmade as error:
        print(f"The conda environment cannot be made: {error}.", file=sys.stderr)  # noqa: T201
        return 1
    prefix.with_suffix(DONE).touch()
    return 0


def end(code: int) -> NoReturn:
    """End the process at once: rattler's threads run on while Python takes itself apart, and some of them crash it."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    end(main(*sys.argv[1:]))
