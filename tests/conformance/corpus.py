"""Snakemake's own tests: those of the installed version, fetched once from PyPI, and how each calls run()."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

VERSION = importlib.metadata.version("snakemake")
RECORD = Path(__file__).with_name("record.py")


@dataclass(frozen=True)
class Call:
    """One call of run(). folder: relative to the tests, outside of them when the test makes its own."""

    folder: str
    arguments: Mapping[str, object]


@dataclass(frozen=True)
class UpstreamTest:
    name: str
    calls: Sequence[Call]


@dataclass(frozen=True)
class Corpus:
    """folder: of the tests' workflows; nothing may write there."""

    folder: Path
    tests: Sequence[UpstreamTest]


def cache() -> Path:
    """Return the folder that keeps what is fetched and measured of this version."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base, "byok8s", "conformance", VERSION)


def load() -> Corpus:
    """Return the tests of the installed Snakemake; fetch and record them the first time."""
    folder, record = cache() / "tests", cache() / f"calls-{_edition()}.json"
    if not (folder.is_dir() and record.is_file()):
        _fetch(folder, record)
    tests = [
        UpstreamTest(test["test"], [Call(call["folder"], call["arguments"]) for call in test["calls"]])
        for test in json.loads(record.read_text())
    ]
    return Corpus(folder, tests)


def _edition() -> str:
    """Return a word for the recorder that made a record, so that another recorder makes its own."""
    return str(RECORD.stat().st_size)


def _fetch(folder: Path, record: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=".fetch-") as scratch:
        archive = _download(Path(scratch))
        # a copy for the recorder, because tests write where they are
        recorded = _unpack(archive, Path(scratch, "recorded"))
        calls = subprocess.run(
            [sys.executable, RECORD],
            cwd=recorded,
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ).stdout
        whole = _unpack(archive, Path(scratch, "whole"))
        shutil.rmtree(folder, ignore_errors=True)
        (whole / "tests").rename(folder)
        record.write_bytes(calls)


def _download(scratch: Path) -> Path:
    """Fetch the source distribution with pip, so from where this machine has its packages."""
    command = ("-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps")
    wanted = ("--no-binary", "snakemake", f"snakemake=={VERSION}")
    done = subprocess.run(
        [sys.executable, *command, *wanted, "--dest", scratch], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"Snakemake's source distribution cannot be fetched:\n{done.stderr.strip()}")
    return next(scratch.glob("snakemake-*.tar.gz"))


def _unpack(archive: Path, into: Path) -> Path:
    with tarfile.open(archive) as opened:
        opened.extractall(into, filter="data")
    return next(into.iterdir())
