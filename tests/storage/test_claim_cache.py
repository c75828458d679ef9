"""What workers keep for each other on a volume: a real folder, and a real S3 server behind a proxy that counts."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import snakemake_storage_plugin_byok8s as plugin
from byok8s import s3
from byok8s.worker import claim_cache
from byok8s.worker.claim_cache import FOLDER, ClaimCache, checksum_of
from byok8s.worker.description import File
from byok8s.worker.transfer import Transfer
from counting_proxy import Counter, counting
from provide import Provide

LARGE = b"reference\n" * 200_000
MIB = 1 << 20


@dataclass
class Site:
    """A volume, which each job of each run has."""

    provider: plugin.StorageProvider
    proxy: Counter
    client: s3.S3Client
    bucket: str
    prefix: str
    folder: Path
    jobs: int = 0

    @property
    def volume(self) -> Path:
        return self.folder / "volume"

    def put(self, path: str, content: bytes = LARGE) -> File:
        self.client.put_object(Bucket=self.bucket, Key=f"{self.prefix}/{path}", Body=content)
        return File(path, self.bucket, f"{self.prefix}/{path}", size=len(content), shared=True)

    def fetch(self, *files: File) -> tuple[int, int]:
        """Fetch files as a job of a new worker does; return how many bytes came from where: bucket, and volume."""
        self.jobs += 1
        self.proxy.requests.clear()
        (self.folder / f"job-{self.jobs}").mkdir()
        os.chdir(self.folder / f"job-{self.jobs}")
        transfer = Transfer(self.provider.connection, None, ClaimCache(self.volume))
        transfer.fetch(files)
        return transfer.moved()["fetched_bytes"], transfer.moved()["cached_bytes"]

    def kept(self) -> list[Path]:
        return sorted((self.volume / FOLDER).iterdir())


@pytest.fixture
def site(
    provide: Provide,
    server: s3.EmbeddedS3,
    client: s3.S3Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Site]:
    (tmp_path / "volume").mkdir()
    monkeypatch.chdir(tmp_path)  # and back
    with counting(server.endpoint_url) as proxy:
        yield Site(
            provide(url=proxy.url), proxy, client, server.bucket.name, f"claim/{tmp_path.name}", tmp_path
        )


def test_another_worker_copies_what_one_has_fetched(site: Site) -> None:
    reference, size = site.put("ref.fa"), len(LARGE)
    assert site.fetch(reference) == (size, 0)
    assert site.fetch(reference) == (0, size)
    assert site.proxy.of("GET") == []
    assert Path("ref.fa").read_bytes() == LARGE
    head = site.provider.client.head_object(Bucket=site.bucket, Key=reference.key)
    assert Path("ref.fa").stat().st_mtime == head["LastModified"].timestamp()


def test_the_same_content_is_kept_once_and_another_is_fetched(site: Site) -> None:
    here, there = site.put("here/ref.fa"), site.put("there/ref.fa")
    site.fetch(here)
    assert site.fetch(there) == (0, len(LARGE))
    assert len(site.kept()) == 1
    site.put("here/ref.fa", LARGE[::-1])
    assert site.fetch(here) == (len(LARGE), 0)
    assert Path("here/ref.fa").read_bytes() == LARGE[::-1]


def test_a_file_of_several_parts_is_known_by_its_checksum(site: Site, tmp_path: Path) -> None:
    content = os.urandom(20 * MIB)
    (tmp_path / "large").write_bytes(content)
    site.provider.client.upload_file(str(tmp_path / "large"), site.bucket, f"{site.prefix}/large")
    large = File("large", site.bucket, f"{site.prefix}/large", size=len(content), shared=True)
    head = site.provider.client.head_object(Bucket=site.bucket, Key=large.key)
    assert "-" in head["ETag"]
    assert [site.fetch(large), site.fetch(large)] == [(len(content), 0), (0, len(content))]
    assert Path("large").read_bytes() == content


def flip(kept: Path) -> None:
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 1
    times = kept.stat()
    kept.write_bytes(content)
    os.utime(kept, ns=(times.st_atime_ns, times.st_mtime_ns))


def cut(kept: Path) -> None:
    os.truncate(kept, 17)


def lengthen(kept: Path) -> None:
    kept.write_bytes(kept.read_bytes() + b"more")


def link(kept: Path) -> None:
    elsewhere = kept.parents[2] / "elsewhere"
    kept.rename(elsewhere)
    kept.symlink_to(elsewhere)


def pipe(kept: Path) -> None:
    kept.unlink()
    os.mkfifo(kept)


def directory(kept: Path) -> None:
    kept.unlink()
    kept.mkdir()


@pytest.mark.parametrize("falsify", [flip, cut, lengthen, link, pipe, directory])
def test_what_somebody_else_has_put_there_is_never_used(falsify: object, site: Site) -> None:
    assert callable(falsify)
    reference, size = site.put("ref.fa"), len(LARGE)
    site.fetch(reference)
    (kept,) = site.kept()
    falsify(kept)
    assert site.fetch(reference) == (size, 0)
    assert Path("ref.fa").read_bytes() == LARGE
    if falsify is not directory:  # which somebody has to remove, and which is in the way of this file alone
        assert site.fetch(reference) == (0, size)
        assert not kept.is_symlink()
        assert kept.read_bytes() == LARGE


def test_a_folder_that_leads_elsewhere_is_not_followed(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = site.folder / "elsewhere"
    elsewhere.mkdir()
    (site.volume / FOLDER).symlink_to(elsewhere)
    reference = site.put("ref.fa")
    for _ in range(2):
        assert site.fetch(reference) == (len(LARGE), 0)
    assert list(elsewhere.iterdir()) == []
    assert "the claim's cache is not used" in capsys.readouterr().err


def test_what_one_job_alone_takes_is_copied_but_not_kept(site: Site) -> None:
    reference = site.put("ref.fa")
    own = File(reference.path, reference.bucket, reference.key, size=reference.size)
    assert [site.fetch(own), site.fetch(own)] == [(len(LARGE), 0)] * 2
    site.fetch(reference)
    assert site.fetch(own) == (0, len(LARGE))


def test_small_files_cost_no_further_request(site: Site) -> None:
    sheet = site.put("sheet.tsv", b"a\tb\n")
    site.fetch(sheet)
    assert site.fetch(sheet) == (4, 0)
    assert [request.split()[0] for request in site.proxy.requests] == ["GET"]
    assert not (site.volume / FOLDER).exists()


def test_what_is_gone_from_the_bucket_is_missing(site: Site) -> None:
    reference = site.put("ref.fa")
    site.fetch(reference)
    site.client.delete_object(Bucket=site.bucket, Key=reference.key)
    with pytest.raises(Exception, match=r"There is no s3://.*ref\.fa"):
        site.fetch(reference)


def test_the_oldest_goes_when_there_is_no_room(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [site.put(f"{number}.fa", bytes([number]) * 2 * MIB) for number in range(3)]

    def room(volume: int) -> os.statvfs_result:
        """5 MiB for all, of which half may be used twice over."""
        held = sum(path.stat().st_size for path in site.kept())
        real = [*os.statvfs(site.volume)]
        return os.statvfs_result([1, 1, *real[2:4], 10 * MIB - held, *real[5:]])

    monkeypatch.setattr(os, "fstatvfs", room)
    site.fetch(*files[:1])
    site.fetch(*files[1:2])
    for number, path in enumerate(site.kept()):
        os.utime(path, (number, number))
    oldest = site.kept()[0]
    used = next(file for file in files[:2] if Path(oldest).name.startswith(md5(file, site)))
    assert site.fetch(used) == (0, 2 * MIB)  # so it is the oldest no more
    site.fetch(files[2])
    assert [site.fetch(file)[0] == 0 for file in (used, files[2])] == [True, True]
    assert len(site.kept()) == 2
    too_large = site.put("large.fa", b"x" * 6 * MIB)
    assert [site.fetch(too_large)[0], len(site.kept())] == [6 * MIB, 2]


def md5(file: File, site: Site) -> str:
    content = site.client.get_object(Bucket=file.bucket, Key=file.key)["Body"].read()
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def test_what_a_killed_worker_has_begun_is_removed_an_hour_later(site: Site) -> None:
    site.fetch(site.put("ref.fa"))
    begun, abandoned = (site.volume / FOLDER / name for name in (".begun", ".abandoned"))
    begun.touch()
    abandoned.touch()
    os.utime(abandoned, (1, 1))
    site.fetch(site.put("other.fa", LARGE[::-1]))
    assert (begun.exists(), abandoned.exists()) == (True, False)


def test_a_volume_that_cannot_be_used_is_said_once_and_stops_no_job(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    claim_cache._say.cache_clear()
    site.volume.rmdir()
    site.volume.write_text("no folder")
    files = [site.put("ref.fa"), site.put("other.fa")]
    assert site.fetch(*files) == (2 * len(LARGE), 0)
    assert capsys.readouterr().err.count("the claim's cache is not used") == 1


@pytest.mark.parametrize(
    ("answer", "checksum"),
    [
        ({"ETag": f'"{"a" * 32}"'}, "a" * 32),
        ({"ETag": f'"{"a" * 32}-3"', "ServerSideEncryption": "AES256"}, f"{'a' * 32}-3"),
        ({"ETag": f'"{"a" * 32}"', "ServerSideEncryption": "aws:kms"}, ""),
        (
            {
                "ETag": f'"{"a" * 32}"',
                "ServerSideEncryption": "aws:kms",
                "Metadata": {"byok8s-etag": "b" * 32},
            },
            "b" * 32,
        ),
        ({"ETag": '"../../elsewhere"'}, ""),
        ({}, ""),
    ],
)
def test_only_a_checksum_of_the_content_is_one(answer: dict[str, object], checksum: str) -> None:
    assert checksum_of(answer) == checksum
