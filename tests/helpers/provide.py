"""What the tests of the plugin's objects share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    import snakemake_storage_plugin_byok8s as plugin
    from byok8s import s3


class Provide(Protocol):
    """Makes a provider, by default with the keys that open the server, of the server."""

    def __call__(
        self, keys: s3.Credentials | None = None, url: str | None = None
    ) -> plugin.StorageProvider: ...


def write(target: plugin.StorageObject, content: bytes) -> None:
    write_file(target.local_path(), content)


def write_file(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
