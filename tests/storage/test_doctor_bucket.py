"""The bucket as byok8s doctor looks at it from here: a real server, and users who may do some of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import pytest

from byok8s import s3
from byok8s.doctor import bucket
from byok8s.doctor.check import CheckStatus

KEY = ".byok8s/doctor-x"
OK, WARNING, FAILED, SKIPPED = CheckStatus
As: TypeAlias = "Callable[[s3.Credentials], None]"


@pytest.fixture
def as_user(bare_environment: None, monkeypatch: pytest.MonkeyPatch) -> As:
    def use(keys: s3.Credentials) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret_key)

    return use


def looked(at: s3.Bucket) -> dict[str, tuple[CheckStatus, str]]:
    found = bucket.look(at, KEY)
    assert [check.name for check in found.checks] == [*bucket.NAMES]
    return {check.name: (check.status, check.seen) for check in found.checks}


def statuses(found: dict[str, tuple[CheckStatus, str]]) -> dict[str, CheckStatus]:
    return {name: status for name, (status, _) in found.items()}


def left(server: s3.EmbeddedS3, client: s3.S3Client) -> list[str]:
    listed = client.list_objects_v2(Bucket=server.bucket.name, Prefix="doctored/")
    return [entry["Key"] for entry in listed.get("Contents", [])]


def test_its_owner_may_do_all_and_nothing_is_left(
    server: s3.EmbeddedS3, client: s3.S3Client, as_user: As
) -> None:
    as_user(server.credentials)
    found = looked(replace(server.bucket, prefix="doctored"))
    # SeaweedFS has no regions
    assert statuses(found) == {name: SKIPPED if name == "region" else OK for name in bucket.NAMES}
    assert left(server, client) == []


def test_who_may_only_read(
    server: s3.EmbeddedS3, client: s3.S3Client, reader: s3.Credentials, as_user: As
) -> None:
    as_user(reader)
    found = looked(replace(server.bucket, prefix="doctored"))
    assert {name for name, status in statuses(found).items() if status is FAILED} == {"put"}
    assert "AccessDenied" in found["put"][1]
    for name in ("get", "multipart", "delete"):
        assert found[name] == (SKIPPED, "nothing could be put")
    assert left(server, client) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no-such-bucket", "There is no bucket 'no-such-bucket'"),
        ("local", "Listing the bucket 'local' is denied"),
    ],
)
def test_a_bucket_that_cannot_be_listed(
    name: str, words: str, server: s3.EmbeddedS3, stranger: s3.Credentials, as_user: As
) -> None:
    as_user(stranger if name == "local" else server.credentials)
    found = looked(replace(server.bucket, name=name))
    assert {name for name, status in statuses(found).items() if status is FAILED} == {"list"}
    assert {name for name, status in statuses(found).items() if status is SKIPPED} == {*bucket.NAMES} - {
        "list"
    }
    assert words in found["list"][1]


def test_an_object_is_removed_that_need_not_be_there(
    server: s3.EmbeddedS3, client: s3.S3Client, reader: s3.Credentials, as_user: As
) -> None:
    at = replace(server.bucket, prefix="doctored")
    client.put_object(Bucket=at.name, Key=f"doctored/{KEY}", Body=b"x")
    as_user(reader)
    assert "AccessDenied" in s3.remove(at, KEY)
    as_user(server.credentials)
    assert s3.remove(at, KEY) == ""
    assert s3.remove(at, KEY) == ""
    assert left(server, client) == []
