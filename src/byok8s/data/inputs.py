"""The user's files that jobs need in the bucket: whether they may be uploaded, and what a person sees of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from byok8s.choices import UploadMode
from byok8s.errors import BucketError, InputError

if TYPE_CHECKING:
    from snakemake.dag import DAG

    from snakemake_storage_plugin_byok8s.offers import Offer

MOST_NAMED = 5
UNITS = ("bytes", "kB", "MB", "GB", "TB")


class Person(Protocol):
    """Who is told, and can be asked if there is a terminal."""

    def ask(self, question: str) -> bool | None:
        """Return the answer; None if there is nobody to ask."""

    def say(self, words: str) -> None:
        """Say what happens."""

    def show_transfer(
        self, verb: str, words: str, size: int, *, quiet: bool
    ) -> AbstractContextManager[Callable[[int], object]]:
        """Show how far a transfer of so many bytes is, which is told by the bytes that came since."""


class Inputs:
    """Of one run. own: whether the bucket is the run's own, on this machine: then the user's files are simply there."""

    def __init__(self, mode: UploadMode, bucket: str, person: Person, *, own: bool, dry_run: bool) -> None:
        self.wanted = own or mode != "no"
        self._bucket, self._person, self._own, self._dry_run = bucket, person, own, dry_run
        self._may_add = own or mode in ("yes", "replace")
        self._may_replace = own or mode == "replace"

    def agree(self, offers: Sequence[Offer]) -> AbstractContextManager[Callable[[int], object]] | None:
        """Decide whether files are uploaded, as byok8s' storage asks it. Raises InputError when they are not to be."""
        users = [offer for offer in offers if not offer.made]
        new = [offer for offer in users if not offer.replaces]
        others = [offer for offer in users if offer.replaces]
        if self._dry_run:
            self._say_what_would_be(new, others)
            return None
        if new and not self._may_add:
            self._settle(new, "not in the bucket", "upload", "--upload yes")
            self._may_add = True
        if others and not self._may_replace:
            self._settle(others, "in the bucket with another content", "replace", "--upload replace")
            self._may_replace = True
        words = f"{counted(offers)} to {self._bucket}"
        size = sum(offer.size for offer in offers)
        return self._person.show_transfer("Uploading", words, size, quiet=self._own or not users)

    def _say_what_would_be(self, new: Sequence[Offer], others: Sequence[Offer]) -> None:
        if self._own:
            return
        if new:
            self._person.say(f"Here and not in the bucket: {counted(new)} ({_named(new)}).")
        if others:
            self._person.say(
                f"Here with another content than in the bucket: {counted(others)} ({_named(others)})."
            )

    def _settle(self, offers: Sequence[Offer], how: str, verb: str, word: str) -> None:
        """Ask, or say what to do where nobody can be asked."""
        be = "is" if len(offers) == 1 else "are"
        them = "it" if len(offers) == 1 else "them"
        what = f"{counted(offers)}, {be} here and {how}"
        answer = self._person.ask(f"{what}: {_named(offers)}.\n{verb.capitalize()} {them}?")
        if answer:
            return
        takes = "--upload no takes those in the bucket as they are." if offers[0].replaces else ""
        if answer is None:
            raise InputError(f"{what}: {_named(offers)}.", hint=f"{word} {verb}s {them}. {takes}".rstrip())
        raise InputError("Nothing was uploaded, and nothing was run.", hint=takes)


def counted(offers: Sequence[Offer]) -> str:
    """Return how many there are, and how large they are together."""
    count = len(offers)
    folders = all(offer.facts.is_dir for offer in offers)
    files = "folder" if folders else "file"
    return f"{count} {files}{'s' if count > 1 else ''}, {size_words(sum(offer.size for offer in offers))}"


def files_words(count: int, size: int) -> str:
    """Return how many files there are, and how large they are together."""
    return f"{count} file{'' if count == 1 else 's'}, {size_words(size)}"


def named(paths: Sequence[str]) -> str:
    """Return the first paths, and how many more there are."""
    more = f" and {len(paths) - MOST_NAMED} more" if paths[MOST_NAMED:] else ""
    return ", ".join(sorted(paths)[:MOST_NAMED]) + more


def _named(offers: Sequence[Offer]) -> str:
    return named([offer.path for offer in offers])


def size_words(size: float) -> str:
    """Return a size as people say it: 1.2 GB."""
    for unit in UNITS[:-1]:
        if size < 1000:
            return f"{size:.0f} {unit}" if size >= 10 or unit == UNITS[0] else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} {UNITS[-1]}"


def give(dag: DAG) -> None:
    """Have in the bucket what the jobs of a plan need of the user's files.

    Raises InputError when that is not wanted, or a file cannot be taken; BucketError when the bucket does not take it.
    """
    from snakemake_interface_common.exceptions import WorkflowError

    from snakemake_storage_plugin_byok8s.compat import give_inputs
    from snakemake_storage_plugin_byok8s.connection import StorageError

    try:
        give_inputs(dag)
    except StorageError as error:
        raise BucketError("The workflow's inputs cannot be uploaded.", where=str(error)) from error
    except WorkflowError as error:
        raise InputError(str(error)) from error
    except OSError as error:
        raise InputError(f"{error.filename} cannot be uploaded: {error.strerror}.") from error
