"""The conda environments that a bucket keeps: which are old, and what `byok8s clean --envs` removes."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from bucket_place import Place
from byok8s import s3
from byok8s.cli.clean import _clean_environments
from byok8s.locks.owner import LockOwner, encode
from byok8s.software.store import Store, StoredEnvironment

if TYPE_CHECKING:
    from pathlib import Path

    from counting_proxy import Counter

DAY = 86_400.0


@pytest.fixture
def place(client: s3.S3Client, server: s3.EmbeddedS3, counter: Counter, tmp_path: Path) -> Place:
    return Place(client, server.credentials, counter, tmp_path)


@pytest.fixture
def kept(place: Place, monkeypatch: pytest.MonkeyPatch) -> Store:
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    return Store(s3.Bucket("local", place.prefix, place.proxy.url))


def put(place: Place, kept: Store, name: str) -> StoredEnvironment:
    entry = StoredEnvironment(
        name=name, platform="linux-64", source=f"envs/{name}.yaml", sha256="a" * 64, size=2_000_000
    )
    place.put(f".byok8s/envs/{entry.archive}", "an archive")
    kept.note(entry)
    return entry


def names(place: Place) -> set[str]:
    listed = place.client.list_objects_v2(Bucket="local", Prefix=f"{place.prefix}/.byok8s/envs/")
    return {each["Key"].rpartition("/")[2].partition("-")[0] for each in listed.get("Contents", [])}


def later(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    now = time.time
    monkeypatch.setattr("byok8s.software.store.time.time", lambda: now() + days * DAY)


def test_a_use_is_noted_once_the_last_note_is_a_week_old(
    place: Place, kept: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(place, kept, "one")
    place.proxy.requests.clear()
    kept.note_use(kept.entries())
    assert place.proxy.of("PUT") == []
    later(monkeypatch, 8)
    kept.note_use(kept.entries())
    assert [key.rpartition("/")[2] for key in place.proxy.of("PUT")] == ["one.json"]


def test_old_is_what_was_not_noted_for_a_month(
    place: Place, kept: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(place, kept, "one")
    later(monkeypatch, 29)
    assert [entry.is_old for entry in kept.entries()] == [False]
    later(monkeypatch, 2)
    assert [entry.is_old for entry in kept.entries()] == [True]


def test_a_note_of_an_older_byok8s_is_read(place: Place, kept: Store) -> None:
    entry = put(place, kept, "one")
    written = {name: getattr(entry, name) for name in ("name", "platform", "source", "sha256", "size")}
    place.put(f".byok8s/envs/{entry.note}", json.dumps({**written, "made": 1.5}))
    (found,) = kept.entries()
    assert found.name == "one"
    assert not found.is_old


def test_one_is_removed_with_what_nothing_speaks_of(place: Place, kept: Store) -> None:
    one = put(place, kept, "one")
    put(place, kept, "two")
    place.put(".byok8s/envs/linux-64/half-aaaa.tar.zst", "left")
    kept.remove([one])
    assert [entry.name for entry in kept.entries()] == ["two"]
    assert names(place) == {"two", "two.json"}


def test_clean_removes_no_environment_that_was_used_lately(place: Place, kept: Store) -> None:
    put(place, kept, "one")
    said = place.run("clean", "--envs", "--yes")
    assert "envs/one.yaml" in said
    assert "Each was used in the last 30 days" in said
    assert names(place) == {"one", "one.json"}
    said = place.run("clean", "--envs", "--all", "--yes")
    assert "To be removed: all, 2.0 MB." in said
    assert names(place) == set()
    assert "has no conda environments" in place.run("clean", "--envs", "--all", "--yes")


def test_clean_lists_alone_in_a_dry_run(place: Place, kept: Store) -> None:
    put(place, kept, "one")
    assert "envs/one.yaml" in place.run("clean", "--envs", "--all", "--dry-run")
    assert names(place) == {"one", "one.json"}


def begin_run(place: Place) -> None:
    now = datetime.now(UTC)
    owner = LockOwner(1, "elsewhere", "ada", "/home/ada", started=now, heard=now, run="20260101-000000-aaaa")
    place.put(".byok8s/lock", encode(owner).decode())


def test_clean_leaves_all_to_a_run_that_is_at_work(place: Place, kept: Store) -> None:
    put(place, kept, "one")
    begin_run(place)
    assert "They stay: the bucket is used by" in place.run("clean", "--envs", "--all", "--yes")
    assert names(place) == {"one", "one.json"}


def test_clean_leaves_all_to_a_run_that_begins_before_the_answer(
    place: Place, kept: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    put(place, kept, "one")

    def agree(_: str) -> bool:
        begin_run(place)
        return True

    _clean_environments(s3.Bucket("local", place.prefix, place.proxy.url), agree, everything=True)
    assert "They stay: the bucket is used by" in capsys.readouterr().out
    assert names(place) == {"one", "one.json"}
