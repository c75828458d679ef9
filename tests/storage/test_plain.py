"""Plain paths in a workspace, against a real server: what is brought, fetched when it is read, and known."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
from snakemake_interface_common.exceptions import WorkflowError

import snakemake_storage_plugin_byok8s as plugin
from counting_proxy import Counter
from snakemake_storage_plugin_byok8s import plain, watch
from snakemake_storage_plugin_byok8s.facts import Facts
from snakemake_storage_plugin_byok8s.mirror import Mirror

if TYPE_CHECKING:
    from collections.abc import Iterator

    from byok8s import s3


class Put(Protocol):
    """Puts files into the bucket, at the test's prefix."""

    def __call__(self, **files: str) -> None: ...


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    return f"plain/{request.node.name}"


@pytest.fixture
def put(client: s3.S3Client, prefix: str) -> Put:
    def files(**contents: str) -> None:
        for name, content in contents.items():
            key = f"{prefix}/{name.replace('__', '/')}"
            client.put_object(Bucket="local", Key=key, Body=content.encode())

    return files


@pytest.fixture
def provider(
    server: s3.EmbeddedS3, counter: Counter, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[plugin.StorageProvider]:
    user, root = tmp_path / "user", tmp_path / "root"
    user.mkdir()
    root.mkdir()
    Mirror(root, user).lay()
    monkeypatch.chdir(root)
    keys = server.credentials
    settings = plugin.StorageProviderSettings(
        endpoint_url=counter.url,
        access_key=keys.access_key,
        secret_key=keys.secret_key,
        workspace=str(root),
        prefix=f"s3://local/{prefix}",
    )
    provider = plugin.StorageProvider(
        Path(".snakemake/storage/byok8s"), logging.getLogger("test"), settings=settings, is_default=True
    )
    assert provider.workspace
    provider.workspace.parsed()
    counter.requests.clear()
    yield provider
    watch.stop()


def of(provider: plugin.StorageProvider, prefix: str, name: str) -> plugin.StorageObject:
    found = provider.object(f"s3://local/{prefix}/{name}")
    assert isinstance(found, plugin.StorageObject)
    return found


def test_paths(provider: plugin.StorageProvider, prefix: str) -> None:
    assert of(provider, prefix, "a/b.txt").local_path() == Path("a/b.txt")
    for other in ("s3://local/another/b.txt", f"s3://local/{prefix}-2/b.txt", "s3://other/b.txt"):
        path = provider.object(other).local_path()
        assert path == Path(".snakemake/storage/byok8s", other.removeprefix("s3://"))


def test_a_copy_with_another_query_is_another_file(provider: plugin.StorageProvider, prefix: str) -> None:
    file = of(provider, prefix, "{sample}.txt")
    file.query = f"s3://local/{prefix}/{{sample,b}}.txt"
    assert file.local_path() == Path("{sample,b}.txt")


def test_what_a_worker_has_stored_is_known_without_a_request(
    provider: plugin.StorageProvider, prefix: str, counter: Counter
) -> None:
    provider.learn("local", f"{prefix}/a", 7, 8)
    file = of(provider, prefix, "a")
    assert (file.exists(), file.mtime(), file.size(), file.is_dir()) == (True, 7, 8, False)
    assert provider.known("local", f"{prefix}/a") == Facts(7, 8)
    assert counter.requests == []
    provider.forget(file)
    assert provider.known("local", f"{prefix}/a") is None
    assert not file.exists()


def test_a_checkpoints_small_files_are_brought_and_large_ones_named(
    provider: plugin.StorageProvider, prefix: str, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain, "_SMALL", 3)
    put(parts__1="one", parts__deep__2="two", parts__3="three")
    assert provider.workspace
    parts = of(provider, prefix, "parts")
    provider.workspace.bring(parts)
    assert sorted(os.listdir("parts")) == ["1", "3", "deep"]  # noqa: PTH208
    assert Path("parts/1").stat().st_size == 3
    assert not Path("parts/3").exists()
    assert parts.keep_local
    # a job on this machine gets the whole
    assert provider.workspace.is_part(parts)
    parts.retrieve_object()
    assert Path("parts/3").stat().st_size == 5
    assert not provider.workspace.is_part(parts)


def test_what_has_only_its_name_is_fetched_when_it_is_read_unless_it_is_too_large(
    provider: plugin.StorageProvider, prefix: str, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain, "_SMALL", 1)
    put(parts__2="two", parts__3="three")
    assert provider.workspace
    provider.workspace.bring(of(provider, prefix, "parts"))
    assert Path("parts/2").read_text() == "two"
    monkeypatch.setattr(plain, "_MOST_BYTES", 4)
    with pytest.raises(WorkflowError, match="too large to be fetched where it is only looked at"):
        Path("parts/3").read_text()


def test_what_is_made_again_is_brought_again(provider: plugin.StorageProvider, prefix: str, put: Put) -> None:
    put(parts__1="old")
    assert provider.workspace
    parts = of(provider, prefix, "parts")
    provider.workspace.bring(parts)
    provider.forget(parts)
    assert not Path("parts").exists()
    put(parts__1="new!")
    provider.workspace.bring(parts)
    assert Path("parts/1").read_text() == "new!"


def test_a_file_of_a_directory_that_is_here_stays_while_the_rest_is_fetched(
    provider: plugin.StorageProvider, prefix: str, put: Put, counter: Counter
) -> None:
    put(d__1="one", d__2="two")
    one, whole = of(provider, prefix, "d/1"), of(provider, prefix, "d")
    Path("d").mkdir()
    one.retrieve_object()
    with Path("d/1").open() as reading:
        whole.retrieve_object()
        assert os.fstat(reading.fileno()).st_ino == Path("d/1").stat().st_ino
    assert sorted(os.listdir("d")) == ["1", "2"]  # noqa: PTH208
    assert counter.of("GET") == [f"GET /local/{prefix}/d/1", f"GET /local/{prefix}/d/2"]
    assert one.keep_local
    assert whole.keep_local


def test_a_users_file_is_never_taken_for_the_buckets(
    provider: plugin.StorageProvider, prefix: str, put: Put, tmp_path: Path
) -> None:
    (tmp_path / "user/new").mkdir()
    (tmp_path / "user/new/a").write_text("mine")
    Path("new").symlink_to(tmp_path / "user/new")
    put(new__a="bucket")
    file = of(provider, prefix, "new/a")
    assert not Path("new/a").exists()
    file.retrieve_object()
    assert Path("new/a").read_text() == "bucket"
    assert (tmp_path / "user/new/a").read_text() == "mine"


def test_a_directory_of_which_one_file_is_here_is_brought_whole(
    provider: plugin.StorageProvider, prefix: str, put: Put
) -> None:
    put(d__1="one", d__2="two")
    one, whole = of(provider, prefix, "d/1"), of(provider, prefix, "d")
    Path("d").mkdir()
    one.retrieve_object()
    assert provider.workspace
    provider.workspace.bring(whole)
    assert sorted(os.listdir("d")) == ["1", "2"]  # noqa: PTH208
