"""The S3 server that outlives its command: where it listens, and how it is found, stopped and fixed."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from byok8s import s3
from byok8s.errors import BucketError
from byok8s.local_cluster import s3_process
from processes import listening, processes_in

ADDRESS = "127.0.0.2"
SIZE = 20_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "s3"
    s3_process.stop(tmp_path / "s3")


def test_only_the_port_of_s3_is_on_the_address(folder: Path) -> None:
    bucket = s3_process.start(ADDRESS, folder)
    assert s3_process.why_not_usable(folder) == ""
    addresses = listening(processes_in(folder))
    assert [f"http://{found}" for found in addresses if found.startswith(f"{ADDRESS}:")] == [
        bucket.endpoint_url
    ]
    assert {found.rpartition(":")[0] for found in addresses} == {ADDRESS, "127.0.0.1"}


def test_large_objects_pass_unchanged(folder: Path) -> None:
    bucket = s3_process.start(ADDRESS, folder)
    client, body = s3.connect(bucket.endpoint_url, s3_process.keys(folder)), os.urandom(SIZE)
    client.put_object(Bucket=bucket.name, Key="key", Body=body)
    assert client.get_object(Bucket=bucket.name, Key="key")["Body"].read() == body


def test_it_comes_back_where_it_was_unless_its_port_is_taken(folder: Path) -> None:
    first = s3_process.start(ADDRESS, folder)
    s3_process.stop(folder)
    assert s3_process.start(ADDRESS, folder) == first
    s3_process.stop(folder)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((ADDRESS, int((first.endpoint_url or "").rpartition(":")[2])))
        other.listen()
        assert s3_process.start(ADDRESS, folder) != first
        assert s3_process.why_not_usable(folder) == ""


def test_an_address_of_another_machine_is_refused_with_the_reason(folder: Path) -> None:
    with pytest.raises(BucketError, match=r"192\.0\.2\.1") as refusal:
        s3_process.start("192.0.2.1", folder)
    assert "assign requested address" in refusal.value.where
    assert not s3_process.is_running(folder)


def test_a_server_under_it_that_died_makes_it_unusable(folder: Path) -> None:
    s3_process.start(ADDRESS, folder)
    outer = int((folder / "lock").read_text())
    for pid in processes_in(folder):
        if pid != outer:
            os.kill(pid, signal.SIGKILL)
    assert "cannot be reached" in s3_process.why_not_usable(folder)
    s3_process.stop(folder)
    assert s3_process.why_not_usable(folder) == "it does not run"


def test_one_that_does_not_hear_is_killed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_process, "_STOP_SECONDS", 8)
    s3_process.start(ADDRESS, folder)
    os.kill(int((folder / "lock").read_text()), signal.SIGSTOP)
    s3_process.stop(folder)
    assert not s3_process.is_running(folder)


def test_a_folder_without_a_server(tmp_path: Path) -> None:
    assert s3_process.bucket(tmp_path) is None
    assert s3_process.why_not_usable(tmp_path) == "it does not run"
    s3_process.stop(tmp_path)
