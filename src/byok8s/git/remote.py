"""What is asked of a repository elsewhere: which tags it has, and one commit of it."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from byok8s.errors import InputError
from byok8s.git.address import Address
from byok8s.git.program import Git, Refused

NEAR_NAMES: Final = 5
_WHOLE: Final = re.compile(r"[0-9a-f]{40}", re.IGNORECASE)
_ABBREVIATED: Final = re.compile(r"[0-9a-f]{7,39}", re.IGNORECASE)
_WANTED: Final = "refs/byok8s/wanted"
_FLAGS: Final = ("--quiet", "--no-tags", "--no-recurse-submodules")


@dataclass(frozen=True)
class Refs:
    """What a repository offers: the commit, or another object, of each name."""

    tags: Mapping[str, str]
    branches: Mapping[str, str]


def is_whole(ref: str) -> bool:
    """Whether it is a commit that need not be asked for."""
    return _WHOLE.fullmatch(ref) is not None


def bring(git: Git, address: Address) -> str:
    """Fetch the commit that the address names into `git`, which is empty. Returns its 40 digits.

    Raises InputError if the repository cannot be had, or has no such tag or commit.
    """
    refs = _refs(git, address)
    if is_whole(address.ref):
        return _commit(git, address)
    if address.ref in refs.tags:
        return _tag(git, address)
    if address.ref in refs.branches:
        present = replace(address, ref=refs.branches[address.ref])
        raise InputError(
            f"{address.ref!r} is a branch of {address.url}, and a branch moves.",
            hint=f"Name a tag, or its present commit: {present}",
        )
    if _ABBREVIATED.fullmatch(address.ref):
        return _abbreviated(git, address)
    raise _no_tag(address, refs)


def _refs(git: Git, address: Address) -> Refs:
    try:
        lines = git.read("ls-remote", "--heads", "--tags", "--", address.url).decode(errors="replace")
    except Refused as error:
        raise unreachable(address, error) from error
    pairs = [line.split("\t", 1) for line in lines.splitlines() if "\t" in line]
    # a server may offer names that do something to a terminal
    found = {name: hash_ for hash_, name in pairs if not name.endswith("^{}") and name.isprintable()}

    def below(prefix: str) -> dict[str, str]:
        return {name.removeprefix(prefix): hash_ for name, hash_ in found.items() if name.startswith(prefix)}

    return Refs(below("refs/tags/"), below("refs/heads/"))


def unreachable(address: Address, error: Refused) -> InputError:
    return InputError(
        f"The repository {address.url} cannot be fetched: {error}.",
        hint=f"Does `git ls-remote {shlex.quote(address.url)}` work? byok8s lets git ask nothing on the terminal.",
    )


def _no_tag(address: Address, refs: Refs) -> InputError:
    near = difflib.get_close_matches(address.ref, refs.tags, NEAR_NAMES, cutoff=0.5)
    shown = near or list(refs.tags)[-NEAR_NAMES:]
    more = len(refs.tags) - len(shown)
    digits = re.fullmatch(r"[0-9a-f]+", address.ref) is not None
    return InputError(
        f"There is no tag {address.ref!r} in {address.url}.",
        where=f"It has {', '.join(shown) or 'no tags'}{f' and {more} more' if more else ''}.",
        hint="A commit is named by at least 7 of its digits." if digits else "",
    )


def _tag(git: Git, address: Address) -> str:
    """The tag as it is fetched, should it have moved since the names were asked for."""
    _fetch(git, address, f"refs/tags/{address.ref}:{_WANTED}")
    try:
        return git.read("rev-parse", "--verify", f"{_WANTED}^{{commit}}").decode().strip()
    except Refused as error:
        raise InputError(f"The tag {address.ref!r} of {address.url} is of no commit.") from error


def _commit(git: Git, address: Address) -> str:
    commit = address.ref.lower()
    try:
        git.read("fetch", *_FLAGS, "--depth=1", "--", address.url, f"{commit}:{_WANTED}")
    except Refused:
        # an old server gives only what has a name, and a server without git on it no part of a history
        _fetch_all(git, address)
    if commit not in _commits(git, commit):
        raise _no_commit(address)
    return commit


def _abbreviated(git: Git, address: Address) -> str:
    """No server tells what a commit's first digits stand for, so the history of all branches and tags is fetched."""
    _fetch_all(git, address)
    found = _commits(git, address.ref.lower())
    if not found:
        raise _no_commit(address)
    if len(found) > 1:
        raise InputError(
            f"Several commits of {address.url} begin with {address.ref}.", where=", ".join(found) + "."
        )
    return found[0]


def _no_commit(address: Address) -> InputError:
    return InputError(
        f"There is no commit {address.ref} in {address.url}.",
        hint="Was it pushed? Only what belongs to a branch or a tag can be had of every server.",
    )


def _commits(git: Git, digits: str) -> list[str]:
    """The commits that begin so, of those that were fetched."""
    found = git.read("rev-parse", f"--disambiguate={digits}").decode().split()
    return sorted(name for name in found if git.read("cat-file", "-t", name).strip() == b"commit")


def _fetch_all(git: Git, address: Address) -> None:
    _fetch_whole(git, address, "refs/heads/*:refs/byok8s/heads/*", "refs/tags/*:refs/byok8s/tags/*")


def _fetch(git: Git, address: Address, what: str) -> None:
    try:
        git.read("fetch", *_FLAGS, "--depth=1", "--", address.url, what)
    except Refused:
        _fetch_whole(git, address, what)  # a server without git on it gives no part of a history


def _fetch_whole(git: Git, address: Address, *what: str) -> None:
    try:
        git.read("fetch", *_FLAGS, "--", address.url, *what)
    except Refused as error:
        raise unreachable(address, error) from error
