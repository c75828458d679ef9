"""Upstream: Snakemake's own Kubernetes executor and S3 storage plugin, in an environment of their own.

Upstream's pods install the storage plugin with pip each time they start. The pods of the test rig have no way
to a package index, so they get the same wheels from this machine's disk, by a server that lives as long as
the bench does. That is faster than the internet: it is in upstream's favour.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import venv
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from byok8s import s3
from common import CACHE, BenchError, say
from namespace import BenchNamespace

REQUIREMENTS = Path(__file__).with_name("upstream.txt")
PIP_ARCHIVE = "pip.tar"
PASSED_ON = ("PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_TRUSTED_HOST")


class Upstream:
    """The environment, made when it is not there yet.

    wheels: folder with everything that is installed in it, and pip as an archive.
    """

    def __init__(self) -> None:
        python = ".".join(map(str, sys.version_info[:3]))
        key = hashlib.sha256(REQUIREMENTS.read_bytes() + python.encode()).hexdigest()[:16]
        self._folder = CACHE / f"upstream-{key}"
        self.wheels = self._folder / "wheels"
        self.snakemake = self._folder / "venv" / "bin" / "snakemake"
        complete = self._folder / "complete"
        if not complete.exists():
            say("installing upstream (once, a minute or two)")
            shutil.rmtree(self._folder, ignore_errors=True)  # of an interrupted attempt
            self._install()
            complete.touch()

    def _install(self) -> None:
        environment = self._folder / "venv"
        venv.create(environment, with_pip=True)
        pip = [str(environment / "bin" / "pip"), "--disable-pip-version-check", "--quiet"]
        # `wheel` and not `download`: one of the packages comes as source only, and pods have no compiler
        _check(
            [*pip, "wheel", "--require-hashes", "--no-deps", "-w", str(self.wheels), "-r", str(REQUIREMENTS)]
        )
        _check([*pip, "install", "--no-index", "--no-deps", *map(str, self.wheels.glob("*.whl"))])
        module = next(environment.glob("lib/python*/site-packages/pip"))
        with tarfile.open(self.wheels / PIP_ARCHIVE, "w") as archive:  # compiled, as pip in an image would be
            archive.add(module, "pip")

    def versions(self) -> dict[str, str]:
        """Of Snakemake and the two plugins, as installed."""
        names = ("snakemake", "snakemake-executor-plugin-kubernetes", "snakemake-storage-plugin-s3")
        program = "import sys, json; from importlib.metadata import version as v; "
        program += "print(json.dumps({name: v(name) for name in sys.argv[1:]}))"
        python = self.snakemake.with_name("python")
        found: dict[str, str] = json.loads(_check([str(python), "-c", program, *names]))
        return found

    def command(
        self, target: str, params: str, jobs: int, namespace: str, bucket: s3.Bucket, precommand: str
    ) -> list[str]:
        return [
            *(str(self.snakemake), target, "--configfile", params),
            *("--executor", "kubernetes", "--jobs", str(jobs)),
            *("--kubernetes-namespace", namespace),
            *("--container-image", os.environ["BYOK8S_IMAGE"]),
            *("--default-storage-provider", "s3"),
            *("--default-storage-prefix", bucket.url),
            *("--envvars", *PASSED_ON),
            *(["--precommand", precommand] if precommand else []),
        ]


def environment(wheels_url: str) -> dict[str, str]:
    """What upstream is told by environment variables: where S3 is, its keys, and where the wheels are."""
    keys = s3.credentials()
    return {
        "SNAKEMAKE_STORAGE_S3_ENDPOINT_URL": os.environ["BYOK8S_S3_ENDPOINT_URL"],
        "SNAKEMAKE_STORAGE_S3_ACCESS_KEY": keys.access_key,
        "SNAKEMAKE_STORAGE_S3_SECRET_KEY": keys.secret_key,
        **({"SNAKEMAKE_STORAGE_S3_TOKEN": keys.token} if keys.token else {}),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": wheels_url,
        "PIP_TRUSTED_HOST": urlsplit(wheels_url).hostname or "",  # without, pip ignores http addresses
    }


def prepare_pods(here: BenchNamespace, url: str) -> tuple[str, list[str]]:
    """Look at the image that is measured: upstream's pods need pip, and wheels for their Python.

    Returns the precommand for them and what is to be said about it.
    """
    words = [
        "upstream's pods install their wheels from this machine's disk, which is faster than the internet"
    ]
    python, _, pip = here.shell(
        "python -c 'import sys; print(*sys.version_info[:2], sep=\".\")'; command -v pip || true"
    ).partition("\n")
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    if python != ours:
        raise BenchError(
            f"The image has Python {python}, the bench runs with {ours}: upstream's wheels won't fit."
        )
    if pip.strip():
        here.shell(f"python -c 'import urllib.request as u; u.urlopen(\"{url}\")'")  # can pods reach it?
        return "", words
    precommand = _bring_pip(url)
    clock = "date +%s.%N"
    printed = here.shell(f"{clock} && {precommand} && {clock} && pip --version").splitlines()
    seconds = float(printed[1]) - float(printed[0])
    words.append(
        f"the image has no pip, which upstream needs: fetching it takes {seconds:.1f} s of each of its pods"
    )
    return precommand, words


def _bring_pip(wheels_url: str) -> str:
    """Shell words for pods of an image that has no pip: it is fetched, and `pip` becomes a function."""
    program = (
        "import tarfile, urllib.request; "
        f'tarfile.open(fileobj=urllib.request.urlopen("{wheels_url}{PIP_ARCHIVE}"), mode="r|")'
        '.extractall("/tmp/pip")'
    )
    return f"python -c '{program}' && pip() {{ PYTHONPATH=/tmp/pip python -m pip \"$@\"; }}"


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder to pods, on the address of the S3 server and no other. Yields its URL."""
    host = urlsplit(os.environ["BYOK8S_S3_ENDPOINT_URL"]).hostname or ""
    handler = functools.partial(_Quiet, directory=str(folder))
    try:
        server = http.server.ThreadingHTTPServer((host, 0), handler)
    except OSError as error:
        raise BenchError(
            f"Cannot serve upstream's wheels on {host}: {error.strerror}. The bench needs an S3 server "
            "on this machine, at an address that pods reach (BYOK8S_S3_ENDPOINT_URL)."
        ) from error
    with server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://{host}:{server.server_port}/"
        finally:
            server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
        pass


def _check(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{' '.join(command[:4])} … failed:\n{done.stderr[-2000:]}")
    return done.stdout
