"""What is noted of files that are the same here and in the bucket."""

from __future__ import annotations

from pathlib import Path

from snakemake_storage_plugin_byok8s.offers import RECORD, Record
from snakemake_storage_plugin_byok8s.send import Outgoing

ADDRESS = "s3://bucket/a"


def file(tmp_path: Path, content: str) -> Outgoing:
    path = tmp_path / "a"
    path.write_text(content)
    return Outgoing.of(path, "a")


def test_what_is_noted_holds_until_one_of_the_two_changes(tmp_path: Path) -> None:
    here = file(tmp_path, "one")
    Record(tmp_path).note(ADDRESS, here, "tag")
    record = Record(tmp_path)
    assert record.has(ADDRESS, here, "tag")
    assert not record.has(ADDRESS, here, "another")
    assert not record.has("s3://bucket/b", here, "tag")
    assert record.had(ADDRESS, here)
    changed = file(tmp_path, "three")
    assert not record.has(ADDRESS, changed, "tag")
    assert not record.had(ADDRESS, changed)


def test_an_etag_that_is_not_known_proves_nothing(tmp_path: Path) -> None:
    here = file(tmp_path, "one")
    record = Record(tmp_path)
    record.note(ADDRESS, here, "")
    assert not record.has(ADDRESS, here, "")
    assert not (tmp_path / RECORD).exists()


def test_a_line_that_a_kill_has_cut_off_counts_for_nothing(tmp_path: Path) -> None:
    here = file(tmp_path, "one")
    Record(tmp_path).note(ADDRESS, here, "tag")
    with (tmp_path / RECORD).open("a") as record:
        record.write('["/x", "s3://buck')
    record_again = Record(tmp_path)
    assert record_again.has(ADDRESS, here, "tag")
    record_again.note(ADDRESS, here, "another")
    assert Record(tmp_path).has(ADDRESS, here, "another")


def test_the_record_does_not_grow_without_end(tmp_path: Path) -> None:
    here = file(tmp_path, "one")
    record = Record(tmp_path)
    for number in range(2_000):
        record.note(ADDRESS, here, f"tag-{number}")
    assert Record(tmp_path).has(ADDRESS, here, "tag-1999")
    assert len((tmp_path / RECORD).read_text().splitlines()) == 1
