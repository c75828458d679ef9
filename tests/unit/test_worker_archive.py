"""The archive that pods run: its modules are compiled for this Python, and are source for all others."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from zipimport import zipimporter

import pytest

from byok8s.bundle.delivery import archive_of, worker_files

Change = Callable[[str, bytes], bytes | None]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def changed(archive: bytes, change: Change) -> bytes:
    """Return an archive with other contents; None takes a file away."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as given, zipfile.ZipFile(buffer, "w") as made:
        for name in given.namelist():
            if (content := change(name, given.read(name))) is not None:
                made.writestr(name, content)
    return buffer.getvalue()


def without_source(name: str, content: bytes) -> bytes | None:
    return None if name.endswith(".py") else content


def of_another_python(name: str, content: bytes) -> bytes:
    return b"\0\0\r\n" + content[4:] if name.endswith(".pyc") else content


def code(archive: bytes, folder: Path) -> CodeType:
    path = folder / f"{len(archive)}.pyz"  # Python remembers what was in one
    path.write_bytes(archive)
    found = zipimporter(f"{path}/byok8s/worker").get_code("values")
    assert found is not None
    return found


def test_its_modules_need_not_be_compiled(tmp_path: Path) -> None:
    archive = worker_files()["worker.pyz"]
    found = code(changed(archive, without_source), tmp_path)
    assert found.co_filename == "worker.pyz/byok8s/worker/values.py"
    assert found == code(archive, tmp_path)


def test_another_python_compiles_them_from_source(tmp_path: Path) -> None:
    archive = worker_files()["worker.pyz"]
    found = code(changed(archive, of_another_python), tmp_path)
    assert found.co_filename.startswith(str(tmp_path))
    assert found.co_filename.endswith(".pyz/byok8s/worker/values.py")


def test_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "worker.pyz"
    for archive in (worker_files()["worker.pyz"], changed(worker_files()["worker.pyz"], of_another_python)):
        path.write_bytes(archive)
        ran = subprocess.run([sys.executable, path, "nonsense"], capture_output=True, text=True, check=False)
        assert (ran.returncode, "be a worker, for many jobs" in ran.stderr) == (2, True)


def test_it_is_the_same_each_time_and_kept(tmp_path: Path) -> None:
    made = set()
    for seed in ("1", "2"):
        program = "import sys; from byok8s.bundle import delivery as d; sys.stdout.buffer.write(d._worker())"
        own = os.environ | {"PYTHONHASHSEED": seed, "XDG_CACHE_HOME": str(tmp_path / seed)}
        made.add(
            subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, env=own).stdout
        )
    assert made == {worker_files()["worker.pyz"]}
    (kept,) = (tmp_path / "cache/byok8s").glob("worker-*.pyz")
    kept.write_bytes(b"kept")
    assert worker_files()["worker.pyz"] == b"kept"


def test_other_content_is_another_archive() -> None:
    assert archive_of({"a.py": b"x = 1"}) != archive_of({"a.py": b"x = 2"})
