"""Paths that cannot be keys, or would be other ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from byok8s.errors import InputError
from byok8s.jobs.keys import Stored, check


def file(path: str, kind: str = "output", rule: str = "a", key: str = "") -> Stored:
    return Stored(rule, kind, path, key or f"lab/{path}", f"lab/{path}")


def server(names: Iterable[str]) -> Mapping[str, str]:
    """One that takes a backslash for a slash, as SeaweedFS does."""
    return {name: name.replace("\\", "/") for name in names}


@pytest.mark.parametrize("path", ["a.txt", "a b/ü.txt", "a+b,c;d=e&f?g#h", "a\nb", ".a/..b/c.", "x" * 1020])
def test_what_is_kept(path: str) -> None:
    check([file(path)], server)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/var/tmp/x", "Output '/var/tmp/x' of rule a is an absolute path"),
        ("../x", "Output '../x' of rule a leads out of the working folder"),
        ("a\udc80", "not UTF-8"),
        ("é" * 511, "more than 1024 bytes"),
        ("a\\b", "is a name that the S3 server does not keep: a/b"),
    ],
)
def test_what_is_refused(path: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        check([file("first"), file(path)], server)
    assert words in caught.value.what


def test_a_key_that_is_another_one() -> None:
    with pytest.raises(InputError, match="becomes another key"):
        check([file("a/./b", key="lab/a/b")], server)


def test_nobody_is_asked_about_plain_names_nor_in_a_dry_run() -> None:
    def ask(names: Iterable[str]) -> Mapping[str, str]:
        raise AssertionError(names)

    check([file("a"), file("b c")], ask)
    check([file("a\\b")], None)


def test_all_of_a_kind_are_named_and_one_of_it_is_asked_about() -> None:
    asked: list[str] = []

    def ask(names: Iterable[str]) -> Mapping[str, str]:
        asked.extend(names)
        return server(asked)

    wrong = [file(f"{number}\\b", rule=f"r{number}") for number in range(8)]
    with pytest.raises(InputError) as caught:
        check([*wrong, file("a\tb")], ask)
    assert len(asked) == 2
    assert caught.value.what.startswith("Output '0\\\\b' of rule r0 ")
    assert "output '4\\\\b' of rule r4, 3 more" in caught.value.where
