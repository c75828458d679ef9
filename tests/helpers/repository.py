"""Real git repositories, made by the git program."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from folders import write_files

WHEN = 1_500_000_000
_PLAIN = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    # what the machine's user has configured
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


@dataclass(frozen=True)
class Repository:
    """A repository with a work tree. Its first commit is made at WHEN."""

    folder: Path

    @staticmethod
    def create(folder: Path) -> Repository:
        folder.mkdir(parents=True)
        repository = Repository(folder)
        repository.git("init", "--quiet", "--initial-branch=main")
        return repository

    def git(self, *arguments: str, stdin: bytes = b"", when: int = WHEN) -> str:
        dates = {"GIT_AUTHOR_DATE": f"{when} +0000", "GIT_COMMITTER_DATE": f"{when} +0000"}
        return (
            subprocess.run(
                ["git", *arguments],
                cwd=self.folder,
                env=os.environ | _PLAIN | dates,
                input=stdin,
                stdout=subprocess.PIPE,
                check=True,
            )
            .stdout.decode()
            .strip()
        )

    def commit(self, files: dict[str, str], *, tag: str = "", when: int = WHEN) -> str:
        """Write files, and commit all there is. Returns the commit."""
        write_files(self.folder, files)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", "a change", when=when)
        if tag:
            self.git("tag", "--force", tag)
        return self.git("rev-parse", "HEAD")

    def blob(self, content: bytes) -> str:
        return self.git("hash-object", "-w", "--stdin", stdin=content)

    def tree(self, *entries: tuple[str, str, str]) -> str:
        """A tree of (mode, name, hash), whatever the names are: git makes no such."""
        content = b"".join(
            f"{mode} {name}".encode() + b"\0" + bytes.fromhex(hash_) for mode, name, hash_ in entries
        )
        return self.git("hash-object", "-w", "-t", "tree", "--literally", "--stdin", stdin=content)

    def commit_tree(self, tree: str, tag: str) -> str:
        commit = self.git("commit-tree", tree, "-m", "by hand")
        self.git("tag", "--force", tag, commit)
        return commit


def isolated(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """git knows nothing of this machine's user, and what is fetched is kept in `folder`. Returns the cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(folder / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return folder / "cache" / "byok8s" / "git"
