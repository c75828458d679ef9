"""Every command line of byok8s in the documents is one that the program takes."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from byok8s.cli import byok8s

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "src/byok8s/failures").glob("*.md"),
    *(ROOT / "src/byok8s/scaffold").rglob("*.md"),
]
FILES = {"WORKFLOW", "PARAMS", "params-blue"}  # as the only word of a run
OPERATORS = {"|", "||", "&", "&&", ";", ">", ">>", "<"}


def code(tokens: Sequence[Token]) -> Iterator[str]:
    for token in tokens:
        if token.type in {"fence", "code_block", "code_inline"}:
            yield token.content
        yield from code(token.children or [])


def calls(text: str) -> Iterator[list[str]]:
    """The arguments of each call of byok8s in a shell's words."""
    for line in text.replace("\\\n", " ").splitlines():
        if line.removeprefix("$ ").startswith("byok8s "):
            lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            words = [*lexer]
            end = next((place for place, word in enumerate(words) if word in OPERATORS), len(words))
            yield words[1:end]


def documented() -> Iterator[tuple[Path, list[str]]]:
    for document in DOCUMENTS:
        for text in code(MarkdownIt("commonmark").enable("table").parse(document.read_text())):
            for arguments in calls(text):
                yield document.relative_to(ROOT), arguments


LINES = [*documented()]


@pytest.fixture
def take(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], None]:
    """click, with commands that do nothing once it has parsed their arguments."""
    for name in [name for name in os.environ if name.startswith("BYOK8S_")]:
        monkeypatch.delenv(name)

    def silence(command: click.Command) -> None:
        if not isinstance(command, click.Group):
            monkeypatch.setattr(command, "callback", lambda *_, **__: None)
            return
        for under in command.commands.values():
            silence(under)

    silence(byok8s)
    return lambda arguments: byok8s.main([*arguments], standalone_mode=False)


def test_command_lines_are_found_in_all_kinds_of_documents() -> None:
    documents = {str(document) for document, _ in LINES}
    assert {"README.md", "docs/quickstart.md", "docs/platforms/eks.md"} <= documents
    assert "src/byok8s/failures/exit-code.md" in documents


@pytest.mark.parametrize(("document", "arguments"), LINES, ids=[f"{path}: {words}" for path, words in LINES])
def test_the_program_takes_a_command_line(
    document: Path, arguments: list[str], take: Callable[[list[str]], None]
) -> None:
    if arguments[1:] or arguments[0].startswith("-"):
        take(arguments)
    else:  # the name of a command, in a sentence
        assert arguments[0] in {*byok8s.commands, *FILES}


@pytest.mark.parametrize(
    "wrong",
    [["wf", "--no-such"], ["clean", "--no-such"], ["rbac", "--user"], ["wf", "params", "--no-such"]],
    ids=str,
)
def test_what_the_program_does_not_take_is_found(wrong: list[str], take: Callable[[list[str]], None]) -> None:
    with pytest.raises(click.UsageError):
        take(wrong)


def test_a_call_ends_where_the_shell_ends_it() -> None:
    text = "$ byok8s wf p \\\n  -k lab   # why\nbyok8s rbac --user a@b.org | kubectl apply -f -\nit is byok8s' own\n"
    assert [*calls(text)] == [["wf", "p", "-k", "lab"], ["rbac", "--user", "a@b.org"]]
