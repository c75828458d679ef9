"""What the storage plugin says when S3 refuses, and what it leaves alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from snakemake.io import IOCache
from snakemake_interface_common.exceptions import WorkflowError

from provide import Provide, write

if TYPE_CHECKING:
    from byok8s import s3


@pytest.mark.parametrize(
    "operation", ["exists", "mtime", "size", "retrieve_object", "store_object", "remove"]
)
def test_a_missing_bucket_is_named_and_not_made(
    provide: Provide, client: s3.S3Client, operation: str
) -> None:
    lost = provide().object("s3://not-there/x")
    write(lost, b"x")
    with pytest.raises(WorkflowError, match="There is no such bucket") as failure:
        getattr(lost, operation)()
    assert "s3://not-there/x" in str(failure.value)
    assert lost.provider.settings.endpoint_url in str(failure.value)
    buckets = lost.provider.client.list_buckets()["Buckets"]
    assert "not-there" not in [bucket["Name"] for bucket in buckets]


def test_planning_with_a_missing_bucket_says_so(provide: Provide) -> None:
    with pytest.raises(WorkflowError, match="There is no such bucket"):
        asyncio.run(provide().object("s3://not-there/x").inventory(IOCache(max_wait_time=20)))


def test_removing_the_last_object_leaves_the_bucket(provide: Provide) -> None:
    provider = provide()
    provider.client.create_bucket(Bucket="emptied")
    try:
        only = provider.object("s3://emptied/x")
        write(only, b"x")
        only.store_object()
        only.remove()
        assert provider.client.list_objects_v2(Bucket="emptied")["KeyCount"] == 0
    finally:
        provider.client.delete_bucket(Bucket="emptied")


@pytest.mark.parametrize("operation", ["exists", "store_object", "remove"])
@pytest.mark.parametrize("code", ["InvalidAccessKeyId", "SignatureDoesNotMatch"])
def test_wrong_keys_are_named(provide: Provide, server: s3.EmbeddedS3, operation: str, code: str) -> None:
    keys = replace(server.credentials, secret_key="wrong")
    if code == "InvalidAccessKeyId":
        keys = replace(server.credentials, access_key="nobody")
    refused = provide(keys).object("s3://local/x")
    write(refused, b"x")
    with pytest.raises(WorkflowError, match=code) as failure:
        getattr(refused, operation)()
    assert "Check the access key and the secret key" in str(failure.value)
    assert "s3://local/x" in str(failure.value)


@pytest.mark.parametrize("operation", ["exists", "store_object", "remove"])
def test_denied_access_is_not_taken_for_a_missing_bucket(
    provide: Provide, stranger: s3.Credentials, operation: str
) -> None:
    refused = provide(stranger).object("s3://local/x")
    write(refused, b"x")
    with pytest.raises(WorkflowError, match="Access is denied") as failure:
        getattr(refused, operation)()
    assert "AccessDenied" in str(failure.value)


def test_an_unreachable_endpoint_is_named(provide: Provide, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BYOK8S_S3_PATIENCE_SECONDS", "0")
    with pytest.raises(WorkflowError, match="cannot be reached") as failure:
        provide(url="http://127.0.0.1:1").object("s3://local/x").exists()
    assert "http://127.0.0.1:1" in str(failure.value)


def test_a_wildcard_in_the_buckets_name_cannot_be_globbed(provide: Provide) -> None:
    with pytest.raises(WorkflowError, match="name the bucket"):
        provide().object("s3://{bucket}/x").list_candidate_matches()
