"""One real S3 server for the session, and what the tests need of it."""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING

import pytest

import snakemake_storage_plugin_byok8s as plugin
from byok8s import s3

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

from counting_proxy import Counter, counting
from provide import Provide

STRANGER = s3.Credentials("stranger", "stranger-secret")
READER = s3.Credentials("reader", "reader-secret")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.EmbeddedS3]:
    data_dir = tmp_path_factory.mktemp("s3")
    users = [
        user(
            "byok8s", s3.Credentials("owner", "owner-secret"), ["Admin", "Read", "Write", "List", "Tagging"]
        ),
        user("stranger", STRANGER, ["Read:another-bucket", "List:another-bucket"]),
        user("reader", READER, ["Read:local", "List:local"]),
    ]
    (data_dir / "keys.json").write_text(json.dumps({"identities": users}))
    with s3.embedded_server(data_dir) as running:
        yield running


def user(name: str, keys: s3.Credentials, actions: list[str]) -> dict[str, object]:
    key = {"accessKey": keys.access_key, "secretKey": keys.secret_key}
    return {"name": name, "credentials": [key], "actions": actions}


@pytest.fixture
def stranger(server: s3.EmbeddedS3) -> s3.Credentials:
    """Keys that the server knows, of someone who may not use the bucket."""
    assert server.credentials != STRANGER
    return STRANGER


@pytest.fixture
def reader(server: s3.EmbeddedS3) -> s3.Credentials:
    """Keys that the server knows, of someone who may read the bucket and not write."""
    assert server.credentials != READER
    return READER


@pytest.fixture(scope="session")
def client(server: s3.EmbeddedS3) -> s3.S3Client:
    return s3.connect(server.endpoint_url, server.credentials)


@pytest.fixture
def counter(server: s3.EmbeddedS3) -> Iterator[Counter]:
    with counting(server.endpoint_url) as counter:
        yield counter


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment in which boto3 finds no credentials."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def provide(server: s3.EmbeddedS3, tmp_path: Path) -> Provide:
    """Make a provider, by default with the keys that open the server."""

    def make(keys: s3.Credentials | None = None, url: str | None = None) -> plugin.StorageProvider:
        used = keys or server.credentials
        settings = plugin.StorageProviderSettings(
            endpoint_url=url or server.endpoint_url,
            access_key=used.access_key,
            secret_key=used.secret_key,
            retries=1,
        )
        return plugin.StorageProvider(tmp_path / "local", logging.getLogger("test"), settings=settings)

    return make
