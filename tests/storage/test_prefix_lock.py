"""The lock of a bucket's prefix, on a real S3 server: with conditional writes, and through a proxy that drops them."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import pytest

from byok8s import s3
from byok8s.errors import BucketError, InUse
from byok8s.locks.owner import LockOwner, decode, encode, this_process
from byok8s.s3 import prefix_lock as module
from byok8s.s3.prefix_lock import PrefixLock, prefix_lock

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.awsrequest import AWSRequest


@pytest.fixture(params=[True, False], ids=["conditions", "no conditions"], autouse=True)
def conditions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """As a server does that knows conditional writes; and one that does not, and never sees one here."""

    def connect(endpoint_url: str | None) -> s3.S3Client:
        client = s3.connect(endpoint_url)
        if not request.param:
            client.meta.events.register("before-sign.s3.PutObject", unconditional)  # type: ignore[attr-defined]
        return client

    monkeypatch.setattr(module, "connect", connect)
    return bool(request.param)


def unconditional(request: AWSRequest, **_: object) -> None:
    for name in ("If-Match", "If-None-Match"):
        del request.headers[name]


@pytest.fixture(autouse=True)
def _environment(server: s3.EmbeddedS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.credentials.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.credentials.secret_key)
    monkeypatch.setattr(module, "_MOMENT_S", 0.2)


@pytest.fixture
def bucket(server: s3.EmbeddedS3, request: pytest.FixtureRequest) -> s3.Bucket:
    return s3.Bucket("local", f"locks/{request.node.name}", server.endpoint_url)


@pytest.fixture
def said() -> list[str]:
    return []


class Lock(Protocol):
    def __call__(
        self, holder: LockOwner, *, alone: bool = True, ignore: bool = False, every: float = 60
    ) -> AbstractContextManager[None]: ...


@pytest.fixture
def lock(bucket: s3.Bucket, said: list[str]) -> Lock:
    def make(
        holder: LockOwner, *, alone: bool = True, ignore: bool = False, every: float = 60
    ) -> AbstractContextManager[None]:
        return prefix_lock(bucket, holder, said.append, alone=alone, ignore=ignore, every=every)

    return make


ADA = replace(this_process(), run="run-1", user="ada", host="laptop", folder="/home/ada/wf")
BOB = replace(this_process(), run="run-2", user="bob", host="desktop", folder="/home/bob/wf")


def content(client: s3.S3Client, bucket: s3.Bucket) -> LockOwner | None:
    listing = client.list_objects_v2(Bucket="local", Prefix=f"{bucket.prefix}/.byok8s/lock")
    if not listing.get("Contents"):
        return None
    return decode(client.get_object(Bucket="local", Key=f"{bucket.prefix}/.byok8s/lock")["Body"].read())


def test_it_is_there_while_it_is_held(lock: Lock, client: s3.S3Client, bucket: s3.Bucket) -> None:
    with lock(ADA):
        assert content(client, bucket) == ADA
    assert content(client, bucket) is None


def test_the_second_is_told_of_the_first(lock: Lock, bucket: s3.Bucket, client: s3.S3Client) -> None:
    with (
        lock(ADA),
        pytest.raises(
            InUse, match=r"run run-1, process \d+ of ada@laptop in /home/ada/wf, heard of \d+ s ago"
        ) as refusal,
        lock(BOB),
    ):
        pass
    assert bucket.url in refusal.value.what
    assert "--ignore-lock" in refusal.value.hint
    assert refusal.value.exit_code == 3
    assert content(client, bucket) is None


def test_who_wants_takes_it_over_and_the_first_is_told_once(
    said: list[str], client: s3.S3Client, bucket: s3.Bucket
) -> None:
    first, second = PrefixLock(bucket, ADA, said.append), PrefixLock(bucket, BOB, said.append)
    first.acquire(alone=True, ignore=False)
    second.acquire(alone=True, ignore=True)
    first.renew()
    first.renew()
    assert content(client, bucket) == BOB
    assert len(said) == 1
    assert "bob@desktop" in said[0]
    first.release()
    assert content(client, bucket) == BOB
    second.release()
    first.renew()
    assert (found := content(client, bucket))
    assert found.run == "run-1"


def test_what_a_run_of_the_same_folder_left_is_taken_over(
    lock: Lock, client: s3.S3Client, bucket: s3.Bucket
) -> None:
    leave(client, bucket, ADA)
    next_one = replace(ADA, process=ADA.process + 1)
    with pytest.raises(InUse), lock(next_one, alone=False):
        pass
    with lock(next_one):
        assert content(client, bucket) == next_one
    assert content(client, bucket) is None


def test_what_is_dead_is_taken_over(
    lock: Lock, client: s3.S3Client, bucket: s3.Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(client, bucket, ADA)
    with pytest.raises(InUse), lock(BOB):
        pass
    monkeypatch.setattr(module, "DEAD_AFTER_SECONDS", 0)
    with lock(BOB):
        assert content(client, bucket) == BOB


def test_it_is_renewed(lock: Lock, client: s3.S3Client, bucket: s3.Bucket) -> None:
    with lock(ADA, every=0.02):
        await_that(lambda: (found := content(client, bucket)) and found.heard > ADA.heard)
    assert content(client, bucket) is None


def test_of_two_at_once_one_gets_it_or_one_is_told(
    said: list[str], client: s3.S3Client, bucket: s3.Bucket, monkeypatch: pytest.MonkeyPatch, conditions: bool
) -> None:
    """Both have seen that nobody is there, and then both write."""
    first, second = PrefixLock(bucket, ADA, said.append), PrefixLock(bucket, BOB, said.append)
    read = second.found
    before = [None]  # what it has read before the first wrote
    monkeypatch.setattr(second, "found", lambda: before.pop() if before else read())
    first.acquire(alone=True, ignore=False)
    if conditions:
        with pytest.raises(InUse, match="ada@laptop"):
            second.acquire(alone=True, ignore=False)
        assert content(client, bucket) == ADA
    else:
        second.acquire(alone=True, ignore=False)
        first.renew()
        assert content(client, bucket) == BOB
        assert "bob@desktop" in said[0]


def test_a_bucket_that_refuses_is_said(
    bucket: s3.Bucket, stranger: s3.Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", stranger.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", stranger.secret_key)
    with (
        pytest.raises(BucketError, match="AccessDenied"),
        prefix_lock(bucket, ADA, print, alone=True, ignore=False),
    ):
        pass


def leave(client: s3.S3Client, bucket: s3.Bucket, holder: LockOwner) -> None:
    client.put_object(Bucket="local", Key=f"{bucket.prefix}/.byok8s/lock", Body=encode(holder))


def await_that(happens: Callable[[], object]) -> None:
    for _ in range(1000):
        if happens():
            return
        threading.Event().wait(0.02)
    pytest.fail("It did not happen within 20 s.")
