"""What comes from a bucket is all of it, and nothing that it holds gets out of its folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from snakemake_interface_common.exceptions import WorkflowError

from byok8s import s3
from byok8s.errors import BucketError
from provide import Provide, write
from s3_faults import Fault, failing
from snakemake_storage_plugin_byok8s.paths import Outside, inside
from snakemake_storage_plugin_byok8s.whole import is_as_stored

TEXT = b"line 1\nline 2\nline 3\n"


@pytest.mark.parametrize("directory", [False, True], ids=["file", "directory"])
@pytest.mark.parametrize("times", [1, 0], ids=["once", "always"])
def test_a_download_that_is_cut_with_its_length_corrected(
    times: int, directory: bool, provide: Provide, server: s3.EmbeddedS3, client: s3.S3Client
) -> None:
    key = f"cut-{times}-{directory}"
    name = f"{key}/part" if directory else key
    client.put_object(Bucket="local", Key=name, Body=TEXT)
    fault = Fault(0, "", methods=("GET",), path=f"/{name}", everybody=True, cut=7, times=times)
    with failing(server.endpoint_url, fault) as url:
        found = provide(url=url).object(f"s3://local/{key}")
        found.local_path().parent.mkdir(parents=True, exist_ok=True)
        if times:
            found.retrieve_object()
            local = found.local_path()
            assert (local / "part" if directory else local).read_bytes() == TEXT
        else:
            with pytest.raises(WorkflowError, match="is not whole: 14 of 21 bytes came"):
                found.retrieve_object()
            assert not found.local_path().exists()


def test_the_sum_that_s3_tells(client: s3.S3Client, tmp_path: Path) -> None:
    client.put_object(Bucket="local", Key="summed", Body=TEXT)
    etag = client.get_object(Bucket="local", Key="summed")["ETag"]
    (tmp_path / "same").write_bytes(TEXT)
    (tmp_path / "other").write_bytes(TEXT.upper())
    assert is_as_stored(tmp_path / "same", etag) is True
    assert is_as_stored(tmp_path / "other", etag) is False
    assert is_as_stored(tmp_path / "other", etag, "aws:kms") is None
    assert is_as_stored(tmp_path / "other", '"0123456789abcdef0123456789abcdef-2"') is None


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd", "..", "a/..", "x\0y"])
def test_a_name_that_leads_out_of_its_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(Outside):
        inside(tmp_path / "folder", name)


@pytest.mark.parametrize("name", ["x", "a/b", "a/../b", "..x", "a..b/..c", ""])
def test_a_name_that_stays_in_it(name: str, tmp_path: Path) -> None:
    assert inside(tmp_path, name).is_relative_to(tmp_path)


def test_results_are_not_put_beside_their_folder(server: s3.EmbeddedS3, tmp_path: Path) -> None:
    """Servers that take such a key are few; what it would do is worse."""
    from byok8s.s3.mirror import _path

    assert _path(tmp_path, "a/b") == tmp_path / "a" / "b"
    with pytest.raises(BucketError, match=r"Its key is '\.\./\.\./x'"):
        _path(tmp_path, "../../x")


def test_what_was_written_here_is_whole(provide: Provide) -> None:
    made = provide().object("s3://local/made")
    write(made, TEXT)
    made.store_object()
    made.local_path().unlink()
    made.retrieve_object()
    assert made.local_path().read_bytes() == TEXT
