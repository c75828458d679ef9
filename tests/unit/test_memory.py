"""What a container has in use, as the kernel tells it by either version of cgroups."""

from __future__ import annotations

from pathlib import Path

import pytest

from byok8s.worker import memory
from byok8s.worker.memory import Memory

V1 = "cache 5\nrss 1\ntotal_cache 900000000\ntotal_rss {}\ntotal_shmem 50\ntotal_swap 0\n"
V2 = "anon {}\nfile 900000000\nkernel_stack 32768\nshmem 50\n"
NO_LIMIT = "9223372036854771712\n"  # of v1


@pytest.mark.parametrize(("version", "stat"), [(2, V2), (1, V1)])
def test_it_is_that_of_processes_and_of_files_in_memory_beyond_what_was_there(
    version: int, stat: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = place(version, tmp_path, monkeypatch)
    limit.write_text("1000000000\n")
    looked_at = []
    limit.with_name("memory.stat").write_text(stat.format(1000))
    found = Memory()
    for now in (5000, 9000, 2000):
        limit.with_name("memory.stat").write_text(stat.format(now))
        found.look()
        looked_at.append(found.most)
    assert looked_at == [4000, 8000, 8000]


@pytest.mark.parametrize(
    ("version", "stat", "limit"), [(2, V2, "max\n"), (1, V1, NO_LIMIT), (2, V2, ""), (2, "", "1000\n")]
)
def test_it_is_not_known_if_it_may_be_that_of_the_node(
    version: int, stat: str, limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(version, tmp_path, monkeypatch).write_text(limit)
    (tmp_path / "memory.stat").write_text(stat.format(1000))
    found = Memory()
    (tmp_path / "memory.stat").write_text(stat.format(5000))
    found.look()
    assert found.most == 0


def place(version: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the limit is of the one version that there is."""
    limits = {2: folder / "memory.max", 1: folder / "memory.limit_in_bytes"}
    found = [(folder / "peak", limits[each] if each == version else folder / "none") for each in (2, 1)]
    monkeypatch.setattr(memory, "MEMORY", found)
    monkeypatch.setattr(memory, "LOOK_SECONDS", 0)
    return limits[version]
