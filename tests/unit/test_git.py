"""A Snakefile from a repository: what is fetched, kept and said. Real repositories, and the git program."""

from __future__ import annotations

import hashlib
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath

import pytest

from byok8s import git
from byok8s.errors import InputError
from repository import WHEN, Repository, isolated

SNAKEFILE = "rule all:\n    output: 'done'\n"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return isolated(tmp_path, monkeypatch)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository.create(tmp_path / "flow")
    repository.commit({"Snakefile": SNAKEFILE, "scripts/count.py": "print(1)\n"}, tag="v1")
    return repository


def address(repository: Repository, ref: str, snakefile: str | None = None) -> git.Address:
    return git.Address(str(repository.folder), ref, snakefile)


def silent(words: str) -> None:
    pytest.fail(f"was told: {words}")


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()
    }


def refusal(address: git.Address) -> InputError:
    with pytest.raises(InputError) as caught:
        git.fetch(address)
    assert caught.value.exit_code == 2
    return caught.value


def kept(cache: Path) -> list[str]:
    """What a cache has beside its locks, of all repositories."""
    return sorted(path.name for path in cache.glob("*/*") if path.name != "lock")


def test_the_files_of_a_tag_are_there_as_old_as_their_commit(repository: Repository, cache: Path) -> None:
    said: list[str] = []
    (repository.folder / "scripts" / "run.sh").write_text("#!/bin/sh\n")
    (repository.folder / "scripts" / "run.sh").chmod(0o755)
    (repository.folder / "scripts" / "same.py").symlink_to("count.py")
    commit = repository.commit({}, tag="v2", when=WHEN + 1000)
    found = git.fetch(address(repository, "v2"), say=said.append)
    assert (found.commit, found.snakefile) == (commit, PurePosixPath("Snakefile"))
    assert files(found.folder) == {
        "Snakefile": SNAKEFILE,
        "scripts/count.py": "print(1)\n",
        "scripts/same.py": "print(1)\n",
        "scripts/run.sh": "#!/bin/sh\n",
    }
    paths = [path for path in found.folder.rglob("*") if path.is_symlink() or path.is_file()]
    assert {path.lstat().st_mtime for path in paths} == {WHEN + 1000}
    assert (found.folder / "scripts/same.py").readlink() == Path("count.py")
    assert (found.folder / "scripts/run.sh").stat().st_mode & 0o111
    assert not (found.folder / "scripts/count.py").stat().st_mode & 0o111
    assert said == [f"Fetching {repository.folder} at v2 into {found.folder.parent}."]
    assert kept(cache) == sorted([commit, "commits.json"])
    assert str(found.pinned) == f"git+{repository.folder}@{commit}"


@pytest.mark.parametrize("name", ["light", "annotated", "of-a-tag", "with/slash", "a" * 39, "main"])
def test_every_kind_of_tag(name: str, repository: Repository) -> None:
    commit = repository.git("rev-parse", "HEAD")
    repository.commit({"Snakefile": "later"})
    repository.git("tag", "-a", "-m", "words", "first", commit)
    match name:
        case "annotated":
            repository.git("tag", "-a", "-m", "words", name, commit)
        case "of-a-tag":
            repository.git("tag", "-a", "-m", "words", name, "first")
        case _:
            repository.git("tag", name, commit)
    assert git.fetch(address(repository, name)).commit == commit


@pytest.mark.parametrize("digits", [40, 39, 7])
@pytest.mark.parametrize("upper", [False, True])
def test_a_commit_by_its_digits(digits: int, upper: bool, repository: Repository) -> None:
    commit = repository.git("rev-parse", "HEAD")
    repository.commit({"Snakefile": "later"})
    ref = commit[:digits].upper() if upper else commit[:digits]
    found = git.fetch(address(repository, ref))
    assert (found.commit, files(found.folder)["Snakefile"]) == (commit, SNAKEFILE)


def test_what_was_fetched_is_not_asked_for_again(repository: Repository) -> None:
    commit = repository.git("rev-parse", "HEAD")
    for ref in ("v1", commit, commit[:8]):
        git.fetch(address(repository, ref))
    shutil.rmtree(repository.folder)
    for ref in ("v1", commit, commit[:8]):
        assert files(git.fetch(address(repository, ref), say=silent).folder)["Snakefile"] == SNAKEFILE


def test_a_tag_that_moves_stays_where_it_was_until_its_folder_is_removed(
    repository: Repository, cache: Path
) -> None:
    first = git.fetch(address(repository, "v1"))
    moved = repository.commit({"Snakefile": "later"}, tag="v1")
    assert git.fetch(address(repository, "v1")) == first
    shutil.rmtree(first.folder)  # the files alone: which commit it was is known
    again = git.fetch(address(repository, "v1"))
    assert (again.commit, files(again.folder)["Snakefile"]) == (first.commit, SNAKEFILE)
    shutil.rmtree(first.folder.parent)
    assert git.fetch(address(repository, "v1")).commit == moved
    assert len(list(cache.iterdir())) == 1


def test_a_branch_is_refused_with_its_present_commit(repository: Repository, cache: Path) -> None:
    error = refusal(address(repository, "main", "a.smk"))
    commit = repository.git("rev-parse", "main")
    assert "'main' is a branch" in error.what
    assert error.hint.endswith(f"git+{repository.folder}@{commit}#a.smk")
    assert kept(cache) == []


def test_a_tag_that_is_not_there_is_told_with_near_ones(repository: Repository, cache: Path) -> None:
    for number in range(9):
        repository.git("tag", f"v2.{number}.0")
    error = refusal(address(repository, "v2.3"))
    assert "There is no tag 'v2.3'" in error.what
    assert "v2.3.0" in error.where
    assert error.where.count("v2") == 5
    assert "5 more" in error.where
    assert kept(cache) == []


@pytest.mark.parametrize(
    ("ref", "what", "hint"),
    [
        ("f" * 40, "no commit", "pushed"),
        ("fffffff", "no commit", "pushed"),
        ("ffffff", "no tag", "at least 7 of its digits"),
        ("HEAD", "no tag", ""),
        ("of-a-tree", "is of no commit", ""),
    ],
)
def test_what_is_no_commit(ref: str, what: str, hint: str, repository: Repository, cache: Path) -> None:
    repository.git("tag", "of-a-tree", "HEAD^{tree}")
    error = refusal(address(repository, ref))
    assert what in error.what
    assert hint in error.hint
    assert kept(cache) == []


def test_an_abbreviation_of_two_commits_is_refused(repository: Repository) -> None:
    one, other = two_alike(repository)
    for number, commit in enumerate((one, other)):
        repository.git("tag", f"t{number}", commit)
    error = refusal(address(repository, one[:7]))
    assert "Several commits" in error.what
    assert one in error.where
    assert other in error.where
    assert git.fetch(address(repository, one[:12])).commit == one


def two_alike(repository: Repository) -> tuple[str, str]:
    """Two commits whose hashes begin with the same seven digits."""
    tree = repository.git("rev-parse", "HEAD^{tree}")
    seen: dict[str, bytes] = {}
    for number in range(1_000_000):
        who = f"Ada <ada@example.org> {WHEN} +0000"
        content = f"tree {tree}\nauthor {who}\ncommitter {who}\n\n{number}\n".encode()
        digits = hashlib.sha1(b"commit %d\0" % len(content) + content).hexdigest()[:7]
        if digits in seen:
            one, other = (
                repository.git("hash-object", "-w", "-t", "commit", "--stdin", stdin=commit)
                for commit in (seen[digits], content)
            )
            return one, other
        seen[digits] = content
    raise AssertionError


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("/no/such/repository", "does not appear to be a git repository"),
        ("file:///no/such/repository", "does not appear to be a git repository"),
        ("https://localhost:1/flow", "unable to access"),
        ("http://localhost:1/flow", "unable to access"),
        ("ssh://localhost:1/flow", "localhost"),
    ],
)
def test_a_repository_that_cannot_be_had_is_told_in_gits_words(url: str, words: str, cache: Path) -> None:
    error = refusal(git.Address(url, "v1", None))
    assert f"The repository {url} cannot be fetched: " in error.what
    assert words in error.what.partition("cannot be fetched: ")[2]
    assert f"git ls-remote {url}" in error.hint
    assert kept(cache) == []


def test_without_git_a_hint_says_so(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = git.fetch(address(repository, "v1"))
    monkeypatch.setenv("PATH", "/nowhere")
    assert "needs `git`" in refusal(address(repository, "v2")).what
    assert git.fetch(address(repository, "v1")) == fetched


def test_a_cache_that_cannot_be_written(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    error = refusal(address(repository, "v1"))
    assert "cannot be kept" in error.what
    assert "XDG_CACHE_HOME" in error.hint


def test_a_note_of_commits_that_is_spoilt_says_what_to_remove(repository: Repository) -> None:
    folder = git.fetch(address(repository, "v1")).folder.parent
    (folder / "commits.json").write_text("{")
    assert f"Remove {folder}" in refusal(address(repository, "v1")).hint


@pytest.mark.parametrize(
    ("there", "asked", "found"),
    [
        (["Snakefile", "workflow/Snakefile"], None, "Snakefile"),
        (["workflow/Snakefile"], None, "workflow/Snakefile"),
        (["Snakefile", "rules/a.smk"], "rules/a.smk", "rules/a.smk"),
    ],
)
def test_which_snakefile(there: list[str], asked: str | None, found: str, tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "flow")
    repository.commit(dict.fromkeys(there, SNAKEFILE), tag="v1")
    assert git.fetch(address(repository, "v1", asked)).snakefile == PurePosixPath(found)


@pytest.mark.parametrize(
    ("there", "asked", "what", "where", "hint"),
    [
        (["README"], None, "no Snakefile or workflow/Snakefile", "no Snakefile at all", ""),
        (["a/Snakefile", "b/c.smk"], None, "no Snakefile", "a/Snakefile, b/c.smk.", "@v1#a/Snakefile"),
        (["Snakefile"], "main.smk", "no main.smk", "has Snakefile.", "@v1#Snakefile"),
        ([f"{n:02}.smk" for n in range(12)], None, "no Snakefile", "09.smk and 2 more.", "@v1#00.smk"),
        (["Snakefile/a"], None, "no Snakefile", "at all", ""),
        (["a\x1b[31m/Snakefile", "b.smk"], None, "no Snakefile", "has b.smk.", "@v1#b.smk"),
    ],
)
def test_a_snakefile_that_is_not_there(
    there: list[str], asked: str | None, what: str, where: str, hint: str, tmp_path: Path
) -> None:
    repository = Repository.create(tmp_path / "flow")
    repository.commit(dict.fromkeys(there, SNAKEFILE), tag="v1")
    error = refusal(address(repository, "v1", asked))
    assert what in error.what
    assert where in error.where
    assert error.hint.endswith(hint)


def test_submodules_are_left_out_and_named(repository: Repository, tmp_path: Path) -> None:
    other = Repository.create(tmp_path / "other")
    other.commit({"secret": "x"})
    repository.git(
        "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.folder), "sub"
    )
    repository.commit({}, tag="v2")
    said: list[str] = []
    found = git.fetch(address(repository, "v2"), say=said.append)
    assert not (found.folder / "sub").exists()
    assert said[1] == "Submodules are not fetched: 'sub'."


@contextmanager
def served(folder: Path, handler: type[SimpleHTTPRequestHandler]) -> Iterator[str]:
    """A folder over HTTP, as from a server that knows nothing of git."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("kind", ["tag", "commit", "abbreviation"])
def test_by_http(kind: str, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    commit = repository.git("rev-parse", "HEAD")
    repository.commit({"Snakefile": "later"})
    repository.git("update-server-info")
    ref = {"tag": "v1", "commit": commit, "abbreviation": commit[:10]}[kind]
    with served(repository.folder, Handler) as url:
        found = git.fetch(git.Address(f"{url}/.git", ref, None))
    assert (found.commit, files(found.folder)["Snakefile"]) == (commit, SNAKEFILE)


def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr("byok8s.git.program.SILENT_SECONDS", 1)
    over = threading.Event()

    class Silent(Handler):
        def do_GET(self) -> None:
            over.wait()

    with served(tmp_path, Silent) as url:
        began = time.monotonic()
        error = refusal(git.Address(f"{url}/flow", "v1", None))
        over.set()
    assert time.monotonic() - began < 30
    assert "cannot be fetched" in error.what


FETCH = """
import sys
from byok8s import git
found = git.fetch(git.Address(sys.argv[1], sys.argv[2], None), say=lambda words: print(words, flush=True))
print(found.commit, len(list(found.folder.iterdir())), flush=True)
"""


def fetching(repository: Repository, ref: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", FETCH, str(repository.folder), ref]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_several_at_once_fetch_once(tmp_path: Path, cache: Path) -> None:
    repository = Repository.create(tmp_path / "flow")
    commit = repository.commit({f"{n}.smk": "x" for n in range(500)} | {"Snakefile": SNAKEFILE}, tag="v1")
    all_four = [fetching(repository, "v1") for _ in range(4)]
    said = [process.communicate()[0].splitlines() for process in all_four]
    assert [lines[-1] for lines in said] == [f"{commit} 501"] * 4
    assert sum(line.startswith("Fetching") for lines in said for line in lines) == 1
    assert kept(cache) == sorted([commit, "commits.json"])


def test_one_that_is_killed_leaves_nothing_that_counts(tmp_path: Path, cache: Path) -> None:
    repository = Repository.create(tmp_path / "flow")
    commit = repository.commit({f"{n}.smk": "x" for n in range(5000)} | {"Snakefile": SNAKEFILE}, tag="v1")
    first = fetching(repository, "v1")
    while not any(cache.glob("*/unfinished-*/tree/1*")):
        assert first.poll() is None
    first.kill()
    assert first.wait() == -signal.SIGKILL
    left = kept(cache)
    assert [name.startswith("unfinished-") for name in left] == [True]
    found = git.fetch(address(repository, "v1"))
    assert len(list(found.folder.iterdir())) == 5001
    assert kept(cache) == sorted([commit, "commits.json"])


def test_an_interrupt_ends_git_and_leaves_nothing(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    asked, over = threading.Event(), threading.Event()

    class Stalling(Handler):
        def do_GET(self) -> None:
            asked.set()
            over.wait()

    with served(tmp_path, Stalling) as url:
        command = [sys.executable, "-c", FETCH, f"{url}/flow", "v1"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert asked.wait(30)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        assert children
        assert not any(Path(f"/proc/{child}").exists() for child in children)
        over.set()
    assert kept(cache) == []


def test_another_url_is_another_repository(repository: Repository) -> None:
    one = git.fetch(address(repository, "v1"))
    other = git.fetch(replace(one.address, url=f"file://{repository.folder}"))
    assert one.commit == other.commit
    assert one.folder != other.folder
