"""Credentials of a file that is written again, as a kubelet does with those of a pod."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from snakemake_interface_common.exceptions import WorkflowError

from byok8s import s3
from snakemake_storage_plugin_byok8s import StorageProviderSettings
from snakemake_storage_plugin_byok8s.connection import Connection

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, version: int, secret: str, keys: s3.Credentials) -> None:
    """Replace the file as a kubelet does: by a link to a folder, which changes at once."""
    place = folder / f"version{version}"
    place.mkdir()
    (place / "credentials").write_text(
        f"[default]\naws_access_key_id = {keys.access_key}\naws_secret_access_key = {secret}\n"
    )
    (folder / "new").symlink_to(place.name)
    (folder / "new").rename(folder / "data")


def test_a_connection_signs_with_what_the_file_says_now(
    server: s3.EmbeddedS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "data" / "credentials"))
    keys = server.credentials
    write(tmp_path, 1, "wrong", keys)
    settings = StorageProviderSettings(endpoint_url=server.bucket.endpoint_url)
    connection = Connection(settings, logging.getLogger("test"))

    def ask(_: int) -> None:
        with connection.explained("ListObjectsV2", "s3://"):
            connection.client.list_objects_v2(Bucket=server.bucket.name, MaxKeys=1)

    with pytest.raises(WorkflowError, match=r"SignatureDoesNotMatch|AccessDenied"):
        ask(0)
    write(tmp_path, 2, keys.secret_key, keys)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(ask, range(50)))
    write(tmp_path, 3, "wrong again", keys)
    with pytest.raises(WorkflowError, match=r"SignatureDoesNotMatch|AccessDenied"):
        ask(0)
