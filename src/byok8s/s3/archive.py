"""Many small files as one object: a zip archive, of which only what is wanted is read."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from byok8s.errors import BucketError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from byok8s.s3.client import Bucket, S3Client

_READ_BYTES: Final = 128 * 1024  # at once, at least


def archive(folder: Path, files: Iterable[Path]) -> bytes:
    """Return a zip archive of files, by their paths below a folder."""
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as opened:
        for file in files:
            name = os.fsencode(file.relative_to(folder).as_posix()).decode(errors="replace")
            opened.write(file, name)
    return buffer.getvalue()


class Archive:
    """A zip archive in a bucket. sizes: of its files, by their names. Any thread may read them."""

    def __init__(self, client: S3Client, bucket: Bucket, key: str, size: int) -> None:
        """key: below the bucket's prefix. size: in bytes. Raises BucketError for what is no zip archive."""
        import zipfile

        self._url = f"{bucket.url}/{key}"
        content = _Object(client, bucket.name, f"{bucket.prefix}/{key}".lstrip("/"), size)
        with self._named():
            self._opened = zipfile.ZipFile(io.BufferedReader(content, _READ_BYTES))
        self.sizes: Mapping[str, int] = {each.filename: each.file_size for each in self._opened.infolist()}

    def read(self, name: str, start: int, end: int) -> bytes:
        """Return the bytes of a file from start to before end. Raises BucketError if it is damaged."""
        with self._named(), self._opened.open(name) as file:
            file.seek(start)
            return file.read(end - start)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Say of which archive it is that something is damaged."""
        import zipfile
        import zlib

        try:
            yield
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise BucketError(f"{self._url} cannot be read: {error}.") from error


class _Object(io.RawIOBase):
    """An object, of which each read is a request."""

    def __init__(self, client: S3Client, bucket: str, key: str, size: int) -> None:
        self._client, self._bucket, self._key, self._size = client, bucket, key, size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        end = min(self._at + len(view), self._size)
        if end <= self._at:
            return 0
        found = self._client.get_object(
            Bucket=self._bucket, Key=self._key, Range=f"bytes={self._at}-{end - 1}"
        )
        data = found["Body"].read()
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
