"""How a Snakefile in a git repository is named: git+URL@REF or git+PATH@REF, and #SNAKEFILE."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import SplitResult, urlsplit

from byok8s.errors import InputError

PREFIX: Final = "git+"
SCHEMES: Final = ("https", "http", "ssh", "file")
_FORMS: Final = "git+https://HOST/OWNER/REPO@v1.2, git+ssh://git@HOST/OWNER/REPO@v1.2 or git+./FOLDER@v1.2"
_LOCAL: Final = ("/", "./", "../", "~/")
# what git-check-ref-format forbids in a name
_NO_REF: Final = re.compile(r"^[-./]|[./]$|\.lock$|\.\.|//|/\.|@\{|[\x00-\x20\x7f~^:?*\[\\]")


@dataclass(frozen=True)
class Address:
    """A commit of a repository, and a Snakefile in it.

    url: for git; of a repository on this machine its absolute path or a file:// URL. Holds no credentials.
    ref: a tag or a commit. snakefile: its path in the repository, None for the usual ones.
    """

    url: str
    ref: str
    snakefile: str | None

    def __str__(self) -> str:
        """As a user writes it."""
        return f"{PREFIX}{self.url}@{self.ref}" + (f"#{self.snakefile}" if self.snakefile else "")


def parse(words: str) -> Address | None:
    """What a user wrote for a Snakefile; None if it is no address of a repository.

    A relative path is made absolute. Raises InputError, which never shows a password.
    """
    if not words.startswith(PREFIX):
        return None
    if not words.isprintable():
        raise InputError("The Snakefile's address has characters that cannot be printed.")
    whole, _, snakefile = words.removeprefix(PREFIX).partition("#")
    url, ref = _local(whole) if whole.startswith(_LOCAL) else _remote(whole)
    return Address(url, _ref(ref, whole), _snakefile(snakefile))


def _local(whole: str) -> tuple[str, str]:
    path, at, ref = whole.rpartition("@")
    return (str(Path(path).expanduser().resolve()), ref) if at else (whole, "")


def _remote(whole: str) -> tuple[str, str]:
    try:
        parts = urlsplit(whole)
        host = parts.hostname or ""
    except ValueError:
        raise _no_address() from None
    if not whole.lower().startswith(f"{parts.scheme}://"):
        raise _no_address()
    _refuse_credentials(parts)
    if parts.scheme not in SCHEMES:
        raise _no_address()
    if (
        (parts.netloc != "") is (parts.scheme == "file")
        or parts.netloc.startswith("-")
        or host.startswith("-")
    ):
        raise _no_address()
    path, at, ref = parts.path.rpartition("@")  # not of the whole: an @ before the host is the user's
    return (f"{parts.scheme}://{parts.netloc}{path}", ref) if at else (whole, "")


def _refuse_credentials(parts: SplitResult) -> None:
    """They would be shown, recorded, and read by everybody in the list of processes.

    With http a user alone may be a token; a query has no use but to hold one.
    """
    token = parts.scheme in ("http", "https") and parts.username is not None
    if parts.password is None and not token and not parts.query:
        return
    raise InputError(
        f"The Snakefile's address at {parts.hostname} has a user, a password or a query in it, which would be"
        " shown and recorded.",
        hint="Leave them out: git asks its credential helper (`git help credentials`), or use ssh.",
    )


def _no_address() -> InputError:
    # without the user's words: where they cannot be taken apart there may be a password among them
    return InputError(
        "What follows git+ is no address that a Snakefile is fetched from.",
        hint=f"Write it as {_FORMS}: with https, http, ssh or file, or a path that begins with / or ./",
    )


def _ref(ref: str, whole: str) -> str:
    if not ref:
        raise InputError(
            f"{PREFIX}{whole} does not say which commit.",
            hint=f"Name a tag or a commit, as in {PREFIX}{whole.rstrip('@')}@v1.2: a branch moves.",
        )
    if _NO_REF.search(ref):
        raise InputError(
            f"{ref!r} in {PREFIX}{whole} is no name of a tag or a commit.",
            hint="What follows the last @ is the tag, or a commit's 7 to 40 hexadecimal digits.",
        )
    return ref


def _snakefile(name: str) -> str | None:
    if not name:
        return None
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or name != "/".join(parts):
        raise InputError(
            f"{name!r} is no path of a Snakefile in a repository.",
            hint="What follows # is counted from the repository's top, as in #workflow/Snakefile.",
        )
    return name
