"""A job's files, opened while an image that was made for it exchanges them for links to the worker's own."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from byok8s.worker import confined
from byok8s.worker.confined import Confined, Outside, anywhere, held
from folders import write_files

SECRET = "the worker's keys"
TRIES = 3000


@dataclass(frozen=True)
class Pod:
    """secrets: a folder of the worker's. root: of the job."""

    secrets: Path
    root: Path

    @property
    def own(self) -> Confined:
        return Confined(self.root)

    def open(self, name: str) -> str:
        return os.fdopen(self.own.open(self.root / name)).read()


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pod:
    monkeypatch.setattr(confined, "SHARED_FOLDERS", (tmp_path / "tmp",))
    pod = Pod(tmp_path / "work/bin", tmp_path / "work/jobs/a/work")
    write_files(pod.secrets, {"out": SECRET, "in/out": SECRET})
    write_files(pod.root, {"out": "mine", "in/out": "mine", "../home/out": "home", "../../b/work/out": "b's"})
    write_files(tmp_path / "tmp", {"out": "temporary"})
    monkeypatch.chdir(pod.root)
    return pod


def test_what_is_within_is_opened_by_way_of_links_too(pod: Pod, tmp_path: Path) -> None:
    (pod.root / "link").symlink_to("in/../in")
    (pod.root / "temporary").symlink_to(tmp_path / "tmp/out")
    assert [pod.open(name) for name in ("out", "link/out", "../home/out", "temporary")] == [
        "mine",
        "mine",
        "home",
        "temporary",
    ]


@pytest.mark.parametrize("leads_to", ["secrets/out", "root/../../b/work/out", "root/../../../bin/out"])
def test_a_link_that_leads_out_is_not_opened(pod: Pod, leads_to: str) -> None:
    base, _, rest = leads_to.partition("/")
    (pod.root / "link").symlink_to(getattr(pod, base) / rest)
    with pytest.raises(Outside, match=r"link leads out of the job's folder"):
        pod.open("link")
    with pytest.raises(Outside):
        pod.own.check(["link"])


def test_a_folder_is_looked_through(pod: Pod) -> None:
    pod.own.check(["out", "in"])
    (pod.root / "in/deep").mkdir()
    (pod.root / "in/deep/x").symlink_to(pod.secrets)
    with pytest.raises(Outside, match="in/deep/x leads out"):
        pod.own.check(["in"])


@pytest.mark.parametrize("name", ["pipe", "in"])
def test_what_is_no_regular_file_is_not_opened_and_nobody_waits_for_it(pod: Pod, name: str) -> None:
    os.mkfifo(pod.root / "pipe")
    for open_ in (pod.own.open, anywhere):
        with pytest.raises(OSError, match="regular file"):
            open_(pod.root / name)


def test_the_jobs_own_folder_may_not_be_exchanged_either(pod: Pod) -> None:
    job = pod.root.parent
    own = pod.own
    job.rename(job.with_name("elsewhere"))
    job.symlink_to(pod.secrets.parent)
    (pod.secrets.parent / "work").symlink_to(pod.secrets)
    for path in (pod.root / "out", Path("out")):  # this process' folder has moved with it
        with pytest.raises(Outside):
            own.open(path)
        with pytest.raises(Outside):
            Confined(pod.root).open(path)


def test_what_is_held_is_what_was_opened_whatever_has_its_name_now(pod: Pod) -> None:
    with held(pod.root / "out", pod.own.open) as same:
        (pod.root / "out").unlink()
        (pod.root / "out").symlink_to(pod.secrets / "out")
        assert (same.read_text(), same.stat().st_size) == ("mine", 4)


@contextmanager
def exchanged(turn: Callable[[], None]) -> Iterator[None]:
    """Have another process make an exchange again and again."""
    if not (attacker := os.fork()):
        while True:
            turn()
    try:
        yield
    finally:
        os.kill(attacker, signal.SIGKILL)
        os.waitpid(attacker, 0)


def exchange_file(pod: Pod) -> None:
    """The file is a file, and then a link to the worker's."""
    new = pod.root / "new"
    shutil.copyfile(pod.root / "in/out", new)
    new.replace(pod.root / "out")
    new.symlink_to(pod.secrets / "out")
    new.replace(pod.root / "out")


def exchange_folder(pod: Pod) -> None:
    """The folder that the file is in is a folder, and then a link to the worker's."""
    (pod.root / "in").rename(pod.root / "away")
    (pod.root / "in").symlink_to(pod.secrets / "in")
    (pod.root / "in").unlink()
    (pod.root / "away").rename(pod.root / "in")


@pytest.mark.parametrize(("exchange", "name"), [(exchange_file, "out"), (exchange_folder, "in/out")])
def test_however_often_it_is_exchanged_the_workers_is_never_read(
    pod: Pod, exchange: Callable[[Pod], None], name: str
) -> None:
    read = refused = 0
    with exchanged(lambda: exchange(pod)):
        # On a busy machine one of the two may wait: whoever looks must meet both.
        while read + refused < TRIES or not (read and refused):
            try:
                assert pod.open(name) == "mine"
                read += 1
            except Outside:
                refused += 1
            except FileNotFoundError:
                continue
