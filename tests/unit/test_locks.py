"""The lock of a working folder: who holds it, and what the next run learns of one that was killed."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from byok8s.errors import InputError, InUse
from byok8s.locks.folder import folder_lock
from byok8s.locks.heartbeat import beating
from byok8s.locks.owner import LockOwner, RunLocation, decode, encode, identity, this_process

PLACE = RunLocation("rig", "lab", "s3://reads/project-1", "http://10.88.0.1:8333")
LOCK = Path(".byok8s/lock")

HOLD = """
import sys
from pathlib import Path
from byok8s.locks.folder import folder_lock
from byok8s.locks.owner import RunLocation
with folder_lock(Path(".byok8s/lock"), print) as lock:
    if sys.argv[1]:
        lock.begin(sys.argv[1], RunLocation("rig", "lab", "s3://reads/project-1", "http://10.88.0.1:8333"))
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def hold(run: str) -> subprocess.Popen[bytes]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, run], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    return holder


def kill(holder: subprocess.Popen[bytes]) -> None:
    holder.kill()
    holder.communicate()


def warn(words: str) -> None:
    pytest.fail(f"warned of {words}")


def unfinished() -> LockOwner | None:
    with folder_lock(LOCK, warn) as lock:
        return lock.unfinished


def test_a_second_one_is_told_of_the_first() -> None:
    first = hold("run-1")
    with pytest.raises(InUse, match=f"run run-1, process {first.pid} of .+@.+, since 2") as refusal:
        unfinished()
    assert str(LOCK.resolve()) in refusal.value.where
    assert refusal.value.exit_code == 3
    kill(first)


def test_a_run_that_was_killed_is_known_to_the_next() -> None:
    first = hold("run-1")
    kill(first)
    with folder_lock(LOCK, warn) as lock:
        left = lock.unfinished
    assert left is not None
    assert (left.run, left.place, left.process) == ("run-1", PLACE, first.pid)
    assert left.started <= left.heard


def test_a_run_that_ended_is_not() -> None:
    first = hold("run-1")
    first.communicate(b"")
    assert first.returncode == 0
    assert unfinished() is None


def test_one_that_fails_is_not_unfinished() -> None:
    with suppress(ZeroDivisionError), folder_lock(LOCK, warn) as lock:
        lock.begin("run-1", PLACE)
        raise ZeroDivisionError
    assert unfinished() is None


@pytest.mark.parametrize(
    "second", ["ends before its run begins", "is killed before its run begins", "is refused"]
)
def test_it_stays_known_until_its_run_has_come_to_an_end(second: str) -> None:
    kill(hold("run-1"))
    if second == "is killed before its run begins":
        kill(hold(""))
    else:
        with folder_lock(LOCK, warn) as lock:
            if second == "is refused":
                lock.begin("run-1", PLACE)
    left = unfinished()
    assert left is not None
    assert left.run == "run-1"
    with folder_lock(LOCK, warn) as lock:
        lock.begin("run-1", PLACE)
        lock.settle()
    assert unfinished() is None


def test_of_two_that_were_killed_the_last_is_known() -> None:
    kill(hold("run-1"))
    kill(hold("run-2"))
    left = unfinished()
    assert left is not None
    assert (left.run, left.unfinished) == ("run-2", None)


@pytest.mark.parametrize("change", [b'"folder":"', b'"host":"'])
def test_what_was_copied_from_elsewhere_may_be_alive_there(change: bytes) -> None:
    kill(hold("run-1"))
    LOCK.write_bytes(LOCK.read_bytes().replace(change, change + b"else"))
    assert unfinished() is None


@pytest.mark.parametrize("content", [b"", b"4711", b'{"process": 1}', b"\xff"])
def test_what_is_no_holder_is_nobody(content: bytes) -> None:
    LOCK.parent.mkdir()
    LOCK.write_bytes(content)
    assert unfinished() is None
    assert decode(LOCK.read_bytes()) is not None


def test_a_shorter_content_leaves_nothing_of_a_longer_one() -> None:
    kill(hold("a-very-long-name-" * 20))
    with folder_lock(LOCK, warn) as lock:
        lock.begin("b", RunLocation())
        lock.settle()
    content = decode(LOCK.read_bytes())
    assert content is not None
    assert (content.run, content.ended, content.unfinished) == ("b", True, None)


def test_a_folder_that_cannot_be_written_is_bad_input() -> None:
    LOCK.parent.write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        unfinished()


def test_a_holder_is_what_its_json_says() -> None:
    me = this_process()
    assert decode(encode(me)) == me


def test_a_heart_beats_until_the_block_ends() -> None:
    beats = threading.Semaphore(0)
    with beating(beats.release, every=0.01, first=0):
        for _ in range(3):
            assert beats.acquire(timeout=20)
    assert not [thread for thread in threading.enumerate() if thread.name == "heartbeat"]


def test_the_content_says_when_it_was_last_heard_of() -> None:
    with folder_lock(LOCK, warn, every=0.01) as lock:
        began = lock.begin("run-1", PLACE)
        for _ in range(1000):
            found = decode(LOCK.read_bytes())
            assert found is not None
            if found.heard > began.heard:
                return
            threading.Event().wait(0.01)
    pytest.fail("It says nothing new.")


def test_a_user_without_a_name_has_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that is started with a user id of its own."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 654_321)
    assert this_process().user == "654321"
    assert identity().startswith("654321@")
