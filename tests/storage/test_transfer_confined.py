"""What another container exchanges for a link while it is stored: a real bucket never gets the worker's own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from byok8s import s3
from byok8s.worker import confined
from byok8s.worker.confined import Confined, Outside
from byok8s.worker.description import File
from byok8s.worker.transfer import Transfer
from folders import write_files
from provide import Provide
from snakemake_storage_plugin_byok8s.tree import Unstorable

SECRET = "the worker's keys"
LARGE = "mine" * 20_000_000  # goes in parts


@contextmanager
def exchanging(name: Path, link: Path) -> Iterator[None]:
    """Have another process put a link into a file's place and the file back, again and again."""
    if not (attacker := os.fork()):
        away = name.with_name("away")
        while True:
            name.rename(away)
            name.symlink_to(link)
            name.unlink()
            away.rename(name)
    try:
        yield
    finally:
        os.kill(attacker, signal.SIGKILL)
        os.waitpid(attacker, 0)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The job's folder, beside one of the worker's."""
    write_files(tmp_path / "work/bin", {"keys": SECRET, "folder/keys": SECRET})
    root = tmp_path / "work/jobs/a/work"
    root.mkdir(parents=True)
    monkeypatch.chdir(root)
    monkeypatch.setattr(confined, "SHARED_FOLDERS", ())  # this test is in one of them
    return root


@pytest.mark.parametrize("content", ["mine", LARGE], ids=["small", "in parts"])
def test_a_file(provide: Provide, server: s3.EmbeddedS3, root: Path, content: str) -> None:
    transfer, bucket = Transfer(provide().connection), server.bucket.name
    (root / "out").write_text(content)
    output = File(str(root / "out"), bucket, "exchanged/out")
    stored = refused = 0
    with exchanging(root / "out", root.parents[2] / "bin/keys"):
        while not (stored and refused):
            try:
                (done,) = transfer.store([output], Confined(root).open)
            except (Outside, FileNotFoundError):
                refused += 1
            else:
                stored += 1
                assert done.size == len(content)
                body = transfer._client.get_object(Bucket=bucket, Key="exchanged/out")["Body"].read()
                assert body == content.encode()


def test_a_file_in_a_directory_and_a_directory(provide: Provide, server: s3.EmbeddedS3, root: Path) -> None:
    transfer, bucket = Transfer(provide().connection), server.bucket.name
    write_files(root, {"out/folder/keys": "mine"})
    output = File(str(root / "out"), bucket, "exchanged/folder", directory=True)
    stored = refused = 0
    with exchanging(root / "out/folder", root.parents[2] / "bin/folder"):
        while not (stored and refused):
            try:
                transfer.store([output], Confined(root).open)
            except (Outside, OSError, Unstorable):
                refused += 1
            else:
                stored += 1
            for key in transfer._list(output):
                body = transfer._client.get_object(Bucket=bucket, Key=key)["Body"].read()
                assert SECRET.encode() not in body
