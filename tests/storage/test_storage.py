"""The storage plugin's objects on a real S3 server."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from snakemake.io import IOCache
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_storage_plugins.tests import TestStorageBase

import snakemake_storage_plugin_byok8s as plugin
from byok8s import s3
from counting_proxy import Counter
from provide import Provide, write, write_file
from snakemake_storage_plugin_byok8s.facts import Facts

if TYPE_CHECKING:
    pass

BIG = 20 * 1024 * 1024


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """A place in the bucket for this test only."""
    return f"s3://local/storage/{request.node.name}"


class TestSnakemakesOwn(TestStorageBase):  # type: ignore[misc]
    """The tests that Snakemake has for every storage plugin."""

    __test__ = True
    retrieve_only = False
    store_only = False
    delete = True
    touch = True
    files_only = False

    @pytest.fixture(autouse=True)
    def _server(self, server: s3.EmbeddedS3) -> None:
        self.server = server

    def get_query(self, tmp_path: Path) -> str:
        return "s3://local/own/test.txt"

    def get_query_not_existing(self, tmp_path: Path) -> str:
        return "s3://local/own/not-there.txt"

    def get_storage_provider_cls(self) -> type[plugin.StorageProvider]:
        return plugin.StorageProvider

    def get_storage_provider_settings(self) -> plugin.StorageProviderSettings:
        return plugin.StorageProviderSettings(
            endpoint_url=self.server.endpoint_url,
            access_key=self.server.credentials.access_key,
            secret_key=self.server.credentials.secret_key,
        )


@pytest.mark.parametrize(
    ("key", "content"),
    [
        ("plain.txt", b"x"),
        ("deep/er/and deeper.txt", b"x"),
        ("ünï/cödé 日本.txt", b"x"),
        ("a#b?c=d&e+f%20.txt", b"x"),
        ("empty.txt", b""),
        ("big.bin", os.urandom(BIG)),
    ],
    ids=["plain", "deep", "unicode", "signs", "empty", "multipart"],
)
def test_what_is_stored_is_retrieved(provide: Provide, prefix: str, key: str, content: bytes) -> None:
    stored = provide().object(f"{prefix}/{key}")
    write(stored, content)
    began = int(time.time())
    stored.store_object()
    stored.local_path().unlink()
    other = provide().object(f"{prefix}/{key}")
    assert other.exists()
    assert other.size() == len(content)
    assert began - 1 <= other.mtime() <= time.time() + 1
    asyncio.run(other.managed_retrieve())
    assert other.local_path().read_bytes() == content
    assert [path.name for path in other.local_path().parent.iterdir()] == [other.local_path().name]


def test_a_directory_is_stored_seen_retrieved_and_removed(provide: Provide, prefix: str) -> None:
    stored = provide().object(f"{prefix}/dir")
    write_file(stored.local_path() / "a", b"1")
    write_file(stored.local_path() / "b/c", b"22")
    stored.store_object()
    write_file(stored.local_path() / "of an earlier run", b"")
    other = provide().object(f"{prefix}/dir")
    neighbour = provide().object(f"{prefix}/dir.txt")
    write(neighbour, b"333")
    neighbour.store_object()
    assert other.exists()
    assert other.size() == 3
    assert time.time() - 60 < other.mtime() < time.time() + 60
    other.retrieve_object()
    inside = sorted(str(path.relative_to(other.local_path())) for path in other.local_path().rglob("*"))
    assert inside == ["a", "b", "b/c"]
    assert sorted(path.name for path in other.local_path().parent.iterdir()) == ["dir", "dir.txt"]
    other.remove()
    assert not other.exists()
    assert neighbour.exists()


def test_a_directory_that_fails_half_way_leaves_nothing(
    provide: Provide, prefix: str, client: s3.S3Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = prefix.removeprefix("s3://local/")
    client.put_object(Bucket="local", Key=f"{key}/dir/a", Body=b"x")
    half = provide().object(f"{prefix}/dir")
    # SeaweedFS refuses such a key, AWS does not
    keys = {f"{key}/dir/a": Facts(0, 1), f"{key}/dir/../../escaped": Facts(0, 1)}
    monkeypatch.setattr(half.provider, "listing", lambda *_: keys)
    with pytest.raises(WorkflowError, match="outside its directory"):
        asyncio.run(half.managed_retrieve())
    assert list(half.local_path().parent.iterdir()) == []


def test_a_directory_that_is_half_stored_is_none_and_ends_as_the_next_one_says(
    provide: Provide, prefix: str, client: s3.S3Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = provide().object(f"{prefix}/dir")
    for name in ("a", "b/c", "of this one alone"):
        write_file(stored.local_path() / name, b"1")
    monkeypatch.setattr(stored, "_delete", _killed)  # all files are there, and the store has not ended
    with pytest.raises(KeyboardInterrupt):
        stored.store_object()
    assert len(_keys(client, prefix)) == 4
    half = provide().object(f"{prefix}/dir")
    cache = IOCache(max_wait_time=10)
    asyncio.run(half.inventory(cache))
    cache.deactivate()
    assert not cache.exists_in_storage[half.cache_key()]
    assert not half.exists()
    again = provide().object(f"{prefix}/dir")
    (again.local_path() / "of this one alone").unlink()
    again.store_object()
    assert half.exists()
    assert half.size() == 2
    assert [key.partition("/dir/")[2] for key in _keys(client, prefix)] == ["a", "b/c"]


def _killed(_: object) -> None:
    raise KeyboardInterrupt


def _keys(client: s3.S3Client, prefix: str) -> list[str]:
    listing = client.list_objects_v2(Bucket="local", Prefix=prefix.removeprefix("s3://local/"))
    return [item["Key"] for item in listing.get("Contents", ())]


def test_one_file_costs_one_request_for_existence_time_and_size(
    provide: Provide, prefix: str, counter: Counter
) -> None:
    stored = provide(url=counter.url).object(f"{prefix}/x")
    write(stored, b"x")
    stored.store_object()
    counter.requests.clear()
    assert stored.exists()
    assert stored.mtime() > 0
    assert stored.size() == 1
    assert counter.requests == [f"LIST /{prefix.removeprefix('s3://')}/x"]


def test_storing_costs_one_request_and_removing_two(provide: Provide, prefix: str, counter: Counter) -> None:
    stored = provide(url=counter.url).object(f"{prefix}/x")
    write(stored, b"x")
    stored.store_object()
    stored.remove()
    path = f"/{prefix.removeprefix('s3://')}/x"
    assert counter.requests == [f"PUT {path}", f"LIST {path}", f"DELETE {path}"]


def test_no_answer_is_stale(provide: Provide, prefix: str, client: s3.S3Client) -> None:
    provider = provide()
    one, same = provider.object(f"{prefix}/x"), provider.object(f"{prefix}/x")
    assert not one.exists()
    write(one, b"x")
    one.store_object()
    assert same.exists()
    write(same, b"xxx")
    same.store_object()
    assert one.size() == 3
    client.put_object(Bucket="local", Key=f"{prefix.removeprefix('s3://local/')}/x", Body=b"another's")
    assert one.exists()
    assert one.size() == 9
    one.remove()
    assert not same.exists()


def test_answers_are_fresh_once_snakemake_has_switched_its_cache_off(
    provide: Provide, prefix: str, client: s3.S3Client
) -> None:
    key = prefix.removeprefix("s3://local/")
    planned = provide().object(f"{prefix}/x")
    cache = IOCache(max_wait_time=20)
    asyncio.run(planned.inventory(cache))
    client.put_object(Bucket="local", Key=f"{key}/x", Body=b"x")
    assert not planned.exists()
    cache.deactivate()
    assert planned.exists()


def test_a_plan_tells_files_directories_and_what_is_absent(provide: Provide, prefix: str) -> None:
    provider = provide()
    directory, file = provider.object(f"{prefix}/dir"), provider.object(f"{prefix}/file")
    absent, half = provider.object(f"{prefix}/absent"), provider.object(f"{prefix}/di")
    write_file(directory.local_path() / "a", b"1")
    write_file(directory.local_path() / "b", b"22")
    directory.store_object()
    write(file, b"333")
    file.store_object()
    cache = IOCache(max_wait_time=20)
    for item in (directory, file, absent, half):
        asyncio.run(item.inventory(cache))
    exists = [cache.exists_in_storage[item.cache_key()] for item in (directory, file, absent, half)]
    assert exists == [True, True, False, False]
    assert [cache.size[item.cache_key()] for item in (directory, file)] == [3, 3]
    assert cache.mtime[directory.cache_key()].storage() == pytest.approx(time.time(), abs=60)
    with pytest.raises(WorkflowError, match=f"There is no {prefix}/absent"):
        absent.mtime()


def test_touch_makes_newer_and_keeps_the_rest(provide: Provide, prefix: str, client: s3.S3Client) -> None:
    touched = provide().object(f"{prefix}/x")
    write(touched, b"content")
    provider = touched.provider
    arguments = {"ContentType": "text/csv", "Metadata": {"made-by": "me"}}
    provider.client.upload_file(str(touched.local_path()), touched.bucket, touched.key, ExtraArgs=arguments)
    before = touched.mtime()
    deadline = time.monotonic() + 5
    while touched.mtime() == before:  # S3's times are whole seconds
        assert time.monotonic() < deadline
        touched.touch()
    head = provider.client.head_object(Bucket=touched.bucket, Key=touched.key)
    assert touched.size() == len(b"content")
    assert (head["ContentType"], head["Metadata"]) == ("text/csv", {"made-by": "me"})


def test_touching_what_is_not_there_fails(provide: Provide, prefix: str) -> None:
    with pytest.raises(WorkflowError, match="There is no"):
        provide().object(f"{prefix}/x").touch()


@pytest.mark.parametrize(
    ("query", "valid"),
    [
        ("s3://local/x", True),
        ("s3://local/{sample}/x", True),
        ("s3://{bucket}/x", True),
        ("s3://local", False),
        ("s3:///x", False),
        ("gs://local/x", False),
        ("local/x", False),
    ],
)
def test_a_provider_takes_s3_queries_and_its_class_none(provide: Provide, query: str, valid: bool) -> None:
    assert bool(provide().is_valid_query(query)) is valid
    assert not plugin.StorageProvider.is_valid_query(query)


def test_no_secret_is_shown() -> None:
    settings = plugin.StorageProviderSettings(access_key="AAA", secret_key="BBB", token="CCC")
    assert not any(secret in repr(settings) for secret in ("AAA", "BBB", "CCC"))
