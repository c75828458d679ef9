"""Repositories that want something to run, or a file elsewhere. Where git itself gives in, that is shown first."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from byok8s import git
from byok8s.errors import InputError
from byok8s.git import tree
from repository import Repository, isolated


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return isolated(tmp_path, monkeypatch)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository.create(tmp_path / "flow")
    repository.commit({"Snakefile": "rule a\n"}, tag="v1")
    return repository


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """What a command leaves that should not have run."""
    return tmp_path / "ran"


def config(tmp_path: Path, words: str) -> None:
    """Of the user."""
    (tmp_path / "gitconfig").write_text(words)


def plain_git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=False, capture_output=True)


def clone(repository: Repository, tmp_path: Path, *arguments: str) -> None:
    plain_git("clone", "--no-local", *arguments, str(repository.folder), str(tmp_path / "clone"))


def fetch(repository: Repository, ref: str) -> git.Checkout:
    return git.fetch(git.Address(str(repository.folder), ref, None))


def refusal(repository: Repository, ref: str) -> InputError:
    with pytest.raises(InputError) as caught:
        fetch(repository, ref)
    return caught.value


def program(path: Path, trace: Path, then: str = "exit 1") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\ntouch {trace}\n{then}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("kind", ["smudge", "process"])
def test_no_filter_that_attributes_ask_for_runs(
    kind: str, repository: Repository, trace: Path, tmp_path: Path
) -> None:
    """Such as that of git-lfs, which a user has configured and a repository asks for."""
    repository.commit({".gitattributes": "* filter=lfs\n"}, tag="v2")
    command = program(tmp_path / "filter", trace, "exec cat")
    config(tmp_path, f'[filter "lfs"]\n{kind} = {command}\nrequired = true\n')
    clone(repository, tmp_path)
    assert trace.exists()
    trace.unlink()
    assert (fetch(repository, "v2").folder / "Snakefile").read_text() == "rule a\n"
    assert not trace.exists()


def test_files_are_what_was_committed_whatever_attributes_say(repository: Repository, tmp_path: Path) -> None:
    attributes = "a.txt text eol=crlf\nb.txt export-subst\nc.txt export-ignore\nd.txt ident\n"
    contents = {"a.txt": "x\ny\n", "b.txt": "$Format:%H$\n", "c.txt": "x\n", "d.txt": "$Id$\n"}
    repository.commit(contents | {".gitattributes": attributes}, tag="v2")
    config(tmp_path, "[core]\nautocrlf = true\n")
    clone(repository, tmp_path)
    assert (tmp_path / "clone" / "a.txt").read_bytes() == b"x\r\ny\r\n"
    folder = fetch(repository, "v2").folder
    assert {name: (folder / name).read_bytes().decode() for name in contents} == contents


@pytest.mark.parametrize(
    ("setting", "hook"),
    [
        ("[core]\nhooksPath = {hooks}\n", "hooks/reference-transaction"),
        ("[core]\nhooksPath = {hooks}\n", "hooks/post-checkout"),
        ("[init]\ntemplateDir = {template}\n", "template/hooks/reference-transaction"),
    ],
)
def test_no_hook_runs(setting: str, hook: str, repository: Repository, trace: Path, tmp_path: Path) -> None:
    program(tmp_path / hook, trace)
    config(tmp_path, setting.format(hooks=tmp_path / "hooks", template=tmp_path / "template"))
    clone(repository, tmp_path)
    assert trace.exists()
    trace.unlink()
    fetch(repository, "v1")
    assert not trace.exists()


def test_no_template_of_the_users_is_copied(repository: Repository, tmp_path: Path) -> None:
    template = tmp_path / "template"
    template.mkdir()
    (template / "config").write_text(f'[url "/nowhere"]\ninsteadOf = {repository.folder}\n')
    config(tmp_path, f"[init]\ntemplateDir = {template}\n[safe]\nbareRepository = explicit\n")
    fetch(repository, "v1")


def test_no_hook_or_setting_of_a_repository_on_this_machine_runs(repository: Repository, trace: Path) -> None:
    """Its pack-objects hook counts in the user's own configuration alone; that is git's own rule."""
    command = program(repository.folder / "hook", trace)
    for hook in ("post-checkout", "reference-transaction", "pre-auto-gc", "post-upload-pack"):
        program(repository.folder / ".git" / "hooks" / hook, trace)
    for name in ("uploadpack.packObjectsHook", "core.fsmonitor", "core.sshCommand", "core.pager"):
        repository.git("config", name, str(command))
    fetch(repository, "v1")
    assert not trace.exists()


def test_a_repository_on_this_machine_cannot_name_a_program_for_what_it_lacks(
    repository: Repository, trace: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    command = program(tmp_path / "upload-pack", trace)
    repository.git("config", "extensions.partialClone", "origin")
    repository.git("config", "core.repositoryFormatVersion", "1")
    repository.git("config", "remote.origin.url", str(repository.folder))
    repository.git("config", "remote.origin.uploadpack", str(command))
    blob = repository.git("rev-parse", "HEAD:Snakefile")
    (repository.folder / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    monkeypatch.setenv("GIT_NO_LAZY_FETCH", "0")  # as a user may have it, and as git was before May 2024
    clone(repository, tmp_path)
    assert trace.exists()
    trace.unlink()
    assert "cannot be fetched" in refusal(repository, "v1").what
    assert not trace.exists()


def test_the_repository_of_the_working_folder_says_nothing(
    repository: Repository, trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its configuration may be somebody else's; and git tells its hooks, from where we may be started, of it."""
    here = Repository.create(tmp_path / "here")
    command = program(tmp_path / "ssh", trace)
    here.git("config", "core.sshCommand", str(command))
    here.git("config", f"url.{tmp_path / 'nowhere'}.insteadOf", str(repository.folder))
    monkeypatch.chdir(here.folder)
    plain_git("ls-remote", "ssh://localhost:1/flow")
    assert trace.exists()
    trace.unlink()
    with pytest.raises(InputError):
        git.fetch(git.Address("ssh://localhost:1/flow", "v1", None))
    with monkeypatch.context() as hook:
        for name, path in {
            "GIT_DIR": ".git",
            "GIT_COMMON_DIR": ".git",
            "GIT_OBJECT_DIRECTORY": ".git/objects",
        }.items():
            hook.setenv(name, str(here.folder / path))
        fetch(repository, "v1")
    assert here.git("for-each-ref") == ""
    assert here.git("count-objects") == "0 objects, 0 kilobytes"
    assert not trace.exists()


@pytest.mark.parametrize("url", ["http://localhost:1/", "ext::sh -c touch% TRACE% ", "ftp://localhost:1/"])
def test_https_leads_to_nothing_that_is_less_safe(url: str, trace: Path, tmp_path: Path) -> None:
    instead = url.replace("TRACE", str(trace))
    config(tmp_path, f'[url "{instead}"]\ninsteadOf = https://host/\n[protocol "ext"]\nallow = always\n')
    with pytest.raises(InputError) as caught:
        git.fetch(git.Address("https://host/flow", "v1", None))
    assert "not allowed" in caught.value.what
    assert not trace.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody")
def test_a_repository_of_somebody_else_is_left_to_gits_own_rule(
    repository: Repository, tmp_path: Path
) -> None:
    for path in (repository.folder, repository.folder / ".git"):
        os.chown(path, 65534, 65534)
    assert "dubious ownership" in refusal(repository, "v1").what
    config(tmp_path, f"[safe]\ndirectory = {repository.folder}/.git\n")
    fetch(repository, "v1")


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("link", "Snakefile"),
        ("link", "nowhere"),
        ("link", "."),
        ("link", "link"),
        ("a/link", "../Snakefile"),
        ("a/b/link", "../../Snakefile"),
        ("a/b/link", "../.."),
        ("link", "a/..b"),
    ],
)
def test_a_link_that_stays_inside_is_kept(path: str, target: str, repository: Repository) -> None:
    (repository.folder / path).parent.mkdir(parents=True, exist_ok=True)
    (repository.folder / path).symlink_to(target)
    repository.commit({}, tag="v2")
    assert (fetch(repository, "v2").folder / path).readlink() == Path(target)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("link", "/etc/passwd"),
        ("link", ".."),
        ("link", "../flow/Snakefile"),
        ("a/link", "../../x"),
        ("a/link", "../.././x"),
        ("a/link", "b/../../../x"),
        ("link", "a/../b"),
        ("link", "./../x"),
        ("link", "/"),
    ],
)
def test_a_link_that_may_lead_out_is_refused(
    path: str, target: str, repository: Repository, cache: Path
) -> None:
    (repository.folder / path).parent.mkdir(parents=True, exist_ok=True)
    (repository.folder / path).symlink_to(target)
    repository.commit({}, tag="v2")
    error = refusal(repository, "v2")
    assert repr(path) in error.what
    assert repr(target) in error.what
    assert [path.name for path in cache.glob("*/*")] == ["lock"]


@pytest.mark.parametrize(
    "name",
    [
        "..",
        ".",
        "../out",
        "a/../../out",
        "/out",
        "a//b",
        ".git",
        ".GIT",
        ".g\u200cit",
        "git~1",
        ".git.",
        "GIT~1",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(name: str, repository: Repository, tmp_path: Path) -> None:
    blob = repository.blob(b"x")
    repository.commit_tree(repository.tree(("100644", name, blob)), "v2")
    before = set(tmp_path.iterdir())
    error = refusal(repository, "v2")
    assert repr(name) in error.what
    assert set(tmp_path.iterdir()) - before == {tmp_path / "cache"}
    assert not list(tmp_path.rglob("out"))


def test_a_folder_that_is_gits_is_refused_wherever_it_is(repository: Repository) -> None:
    inner = repository.tree(("100644", "config", repository.blob(b"[core]\nfsmonitor = x\n")))
    folder = repository.tree(("40000", ".git", inner))
    repository.commit_tree(repository.tree(("40000", "sub", folder)), "v2")
    assert "'sub/.git/config'" in refusal(repository, "v2").what


@pytest.mark.parametrize("first", ["link", "file"])
def test_nothing_is_written_through_a_link(first: str, repository: Repository, tmp_path: Path) -> None:
    """A name that is a link and a folder at once."""
    link = ("120000", "a", repository.blob(str(tmp_path).encode()))
    folder = ("40000", "a", repository.tree(("100644", "out", repository.blob(b"x"))))
    repository.commit_tree(repository.tree(*([link, folder] if first == "link" else [folder, link])), "v2")
    assert "'a' twice" in refusal(repository, "v2").what
    assert not list(tmp_path.rglob("out"))


def test_links_come_last_for_a_disk_that_knows_no_upper_case(repository: Repository) -> None:
    link = ("120000", "A", repository.blob(b"b"))
    snakefile = ("100644", "Snakefile", repository.blob(b"rule a\n"))
    folder = ("40000", "a", repository.tree(("100644", "f", repository.blob(b"x"))))
    repository.commit_tree(repository.tree(link, snakefile, folder), "v2")
    listing = repository.git("ls-tree", "-r", "-z", "v2").encode()
    assert [entry.is_link for entry in tree.parse(listing)] == [True, False, False]
    times = [(fetch(repository, "v2").folder / name).lstat().st_ctime_ns for name in ("a/f", "A")]
    assert times == sorted(times)


def test_a_name_twice_is_refused() -> None:
    with pytest.raises(InputError, match="'a' twice"):
        tree.parse(b"100644 blob 00\ta\x00" * 2)


def test_names_that_are_no_text_are_kept() -> None:
    assert tree.parse(b"100644 blob 00\ta\xff b\n\0") == [
        tree.TreeEntry(PurePosixPath("a\udcff b\n"), "100644", "00")
    ]


def test_a_repository_that_lacks_something_leaves_nothing(repository: Repository, cache: Path) -> None:
    blob = repository.git("rev-parse", "HEAD:Snakefile")
    (repository.folder / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    assert "cannot be fetched" in refusal(repository, "v1").what
    assert [path.name for path in cache.glob("*/*")] == ["lock"]


@pytest.mark.parametrize("when", ["", "9" * 12])
def test_a_time_that_no_file_can_have(when: str, repository: Repository) -> None:
    made = repository.git("rev-parse", "HEAD^{tree}")
    who = "Ada <ada@example.org>"
    content = f"tree {made}\nauthor {who} 0 +0000\ncommitter {who} {when} +0000\n\nwords\n".encode()
    commit = repository.git("hash-object", "-w", "-t", "commit", "--literally", "--stdin", stdin=content)
    repository.git("tag", "v2", commit)
    assert "when it was made" in refusal(repository, "v2").what


def test_what_git_was_killed_in_is_no_repository(repository: Repository, tmp_path: Path) -> None:
    shutil.rmtree(repository.folder / ".git" / "objects")
    assert "cannot be fetched" in refusal(repository, "v1").what
