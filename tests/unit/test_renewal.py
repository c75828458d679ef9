"""S3 credentials that end before the run does."""

from __future__ import annotations

import json
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from byok8s.errors import BucketError
from byok8s.run_objects.renewal import Renewal
from byok8s.s3 import CurrentCredentials

PROCESS = """
import json, pathlib
calls = pathlib.Path({calls!r})
calls.write_text(calls.read_text() + "x" if calls.exists() else "x")
print(json.dumps({{
    "Version": 1, "AccessKeyId": "key" + str(len(calls.read_text())), "SecretAccessKey": "secret",
    "SessionToken": "token", "Expiration": {ends!r},
}}))
"""


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds all that is known of credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return tmp_path


def by_process(folder: Path, minutes: float) -> Path:
    """Have credentials come from a program, which notes each call in the file that is returned."""
    calls, program = folder / "calls", folder / "program.py"
    ends = (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()
    program.write_text(PROCESS.format(calls=str(calls), ends=ends))
    (folder / "config").write_text(f"[default]\ncredential_process = {sys.executable} {program}\n")
    return calls


def test_what_is_about_to_end_is_renewed_and_what_is_not_is_kept(alone: Path) -> None:
    calls = by_process(alone, minutes=60)
    current = CurrentCredentials()
    assert [current.read().access_key for _ in range(3)] == ["key1"] * 3
    assert calls.read_text() == "x"
    by_process(alone, minutes=5)
    calls.unlink()
    current = CurrentCredentials()
    assert current.read().access_key != current.read().access_key


def test_a_file_that_a_tool_writes_again_is_read_again(alone: Path) -> None:
    current = CurrentCredentials()
    for number in (1, 2):
        text = f"[default]\naws_access_key_id = key{number}\naws_secret_access_key = s\n"
        (alone / "credentials").write_text(text)
        assert current.read().access_key == f"key{number}"


def renewed(looks: list[object], refusals: list[str]) -> tuple[list[object], list[str]]:
    """Return what was put, and what was warned of, once all looks have been had. refusals: of the first puts."""
    put: list[object] = []
    warned: list[str] = []
    over = threading.Event()

    def look() -> dict[str, str]:
        if not looks:
            over.set()
            return {}
        found = looks.pop(0)
        if isinstance(found, Exception):
            raise found
        return {"credentials": str(found)}

    def take(values: object) -> None:
        if refusals:
            raise BucketError(refusals.pop(0))
        put.append(json.dumps(values))

    renewal = Renewal({"credentials": "a"}, look, take, warned.append, every=0.01)
    renewal.start()
    assert over.wait(30)
    renewal.end()
    return put, warned


def test_only_others_than_before_are_put() -> None:
    assert renewed(["a", "b", "b", "c", "a"], []) == (
        ['{"credentials": "b"}', '{"credentials": "c"}', '{"credentials": "a"}'],
        [],
    )


def test_what_was_refused_is_put_again_and_told_once() -> None:
    put, warned = renewed(
        ["b", "b", BucketError("There are none."), "b", BucketError("Gone.")], ["No right."]
    )
    assert put == ['{"credentials": "b"}']
    assert [words.partition(": ")[2] for words in warned] == [
        "No right. It is tried again.",
        "There are none. It is tried again.",
        "Gone. It is tried again.",
    ]
