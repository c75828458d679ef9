"""Print how Snakemake's own tests call run(): a program of its own, started in the folder of their source distribution.

The tests are imported, and each is called with a run() that only notes its arguments; what a test asserts afterwards
fails, which is of no interest here. Runs in a process and a copy of its own, because tests change both.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from types import ModuleType
from typing import Any, NoReturn
from unittest.mock import MagicMock

import pytest

SECONDS = 10
ParameterSet = type(pytest.param())
MODULES = ("tests.tests", "tests.tests_using_conda")


class Recorder:
    """Stands in for run(), and keeps what each test calls it with."""

    def __init__(self, tests: Path) -> None:
        self.tests = tests
        self.calls: list[dict[str, object]] = []

    def run(self, path: str | os.PathLike[str], **arguments: object) -> Path:
        given = {name: plain(value) for name, value in arguments.items()}
        # the workflow runs in a copy of its folder
        given = json.loads(json.dumps(given).replace(f"{os.fspath(path)}/", ""))
        self.calls.append({"folder": os.path.relpath(path, self.tests), "arguments": given})
        return Path(tempfile.mkdtemp())


def plain(value: object) -> object:
    """Return the value as JSON has it; an object becomes {"object": its repr, "fields": its fields}."""
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(str(item) for item in value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    fields = {
        name: item for name, item in getattr(value, "__dict__", {}).items() if isinstance(item, str | int)
    }
    return {"object": repr(value), "fields": fields}


def parameter_sets(test: Callable[..., object]) -> Iterator[dict[str, Any]]:
    """Yield the arguments of each time that pytest would call the test."""
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    choices = []
    for mark in marks:
        names, values = mark.args[:2]
        names = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
        values = [_unwrapped(value, len(names)) for value in values]
        several = len(names) > 1
        choices.append([dict(zip(names, value if several else [value], strict=True)) for value in values])
    for chosen in itertools.product(*choices):
        given = {name: value for part in chosen for name, value in part.items()}
        yield {name: given.get(name, fixture(name)) for name in inspect.signature(test).parameters}


def _unwrapped(value: Any, count: int) -> Any:
    """Return the value of a pytest.param(), or one that is given as it is."""
    if not isinstance(value, ParameterSet):
        return value
    return value.values if count > 1 else value.values[0]


def fixture(name: str) -> object:
    return Path(tempfile.mkdtemp()) if name in ("tmp_path", "tmpdir") else MagicMock()


def marks(test: Callable[..., object]) -> list[str]:
    """Return the reasons for which pytest may skip the test."""
    found = [mark for mark in getattr(test, "pytestmark", []) if mark.name in ("skip", "skipif", "xfail")]
    return [str(mark.kwargs.get("reason", mark.name)) for mark in found]


def refuse(*_arguments: object, **_options: object) -> NoReturn:
    raise RuntimeError("no process is started while tests are recorded")


def record(module: ModuleType, recorder: Recorder) -> Iterator[dict[str, object]]:
    """Yield a record of each test of the module."""
    for name, test in list(vars(module).items()):
        if not name.startswith("test") or not inspect.isfunction(test):
            continue
        before = len(recorder.calls)
        for arguments in parameter_sets(test):
            signal.alarm(SECONDS)
            with contextlib.suppress(BaseException):
                test(**arguments)
            signal.alarm(0)
        yield {
            "test": name,
            "module": module.__name__,
            "marks": marks(test),
            "calls": recorder.calls[before:],
        }


def main() -> None:
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - what Python adds itself is this script's folder
    common = importlib.import_module("tests.common")
    recorder = Recorder(Path(common.__file__ or "").parent)
    vars(common)["run"] = recorder.run
    stdout = os.dup(1)
    os.dup2(2, 1)  # what tests print is not the record
    modules = [importlib.import_module(name) for name in MODULES]
    signal.signal(signal.SIGALRM, refuse)
    for program in ("run", "check_output", "check_call", "call", "Popen"):
        setattr(subprocess, program, refuse)
    with tempfile.TemporaryDirectory() as scratch:
        tempfile.tempdir = scratch
        tests = [test for module in modules for test in record(module, recorder)]
    with os.fdopen(stdout, "w") as out:
        json.dump(tests, out, indent=1)


if __name__ == "__main__":
    main()
