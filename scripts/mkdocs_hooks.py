"""What the site has beside docs/: the help of every command and a page for each failure, made of the code.

Pages in docs/ are also read where the repository is, so their links are those of the tree. What they link to outside of
docs/ is no page of the site: a link to a failure's page goes to the site's own, of any other the words stay.
mkdocs calls the functions on_*: https://www.mkdocs.org/dev-guide/plugins/#events
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
from mkdocs.structure.files import File

from byok8s import cli, failures
from byok8s.pods.cause import Cause, FailureKind

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

HELP_MARK = "<!-- the help of every command stands here on the site -->"
HELP_COLUMNS = 80
FAILURES = "../src/byok8s/failures/"
LINK = re.compile(r"\[(?P<words>[^\]]+)\]\((?P<target>[^)#:\s]+)(?:#[^)]*)?\)")
NAV_SECTION = "Troubleshooting"
NAV_WORDS = {
    FailureKind.JOB: "The job's own",
    FailureKind.INFRASTRUCTURE: "The infrastructure's",
    FailureKind.BLOCKED: "Blocked",
}


def on_config(config: MkDocsConfig) -> None:
    section = next(entry[NAV_SECTION] for entry in config.nav or [] if NAV_SECTION in entry)
    section += [{words: _pages_of(kind)} for kind, words in NAV_WORDS.items()]


def on_files(files: Files, config: MkDocsConfig) -> None:
    for slug in failures.titles():
        content = apart_lists(failures.page(slug))
        files.append(File.generated(config, f"failures/{slug}.md", content=content))


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    whole = markdown.replace(HELP_MARK, "\n".join(command_help(cli.byok8s, "byok8s")))
    return inside_links(whole, page.file.src_uri)


def _pages_of(kind: FailureKind) -> list[dict[str, str]]:
    return [{cause.value: f"failures/{cause.value}.md"} for cause in Cause if cause.kind is kind]


def command_help(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[str]:
    """A heading and the help of a command and of those under it, in Markdown."""
    context = click.Context(
        command, parent, name, terminal_width=HELP_COLUMNS, **(command.context_settings or {})
    )
    yield f"## {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for under in command.list_commands(context):
            yield from command_help(command.commands[under], under, context)


def inside_links(markdown: str, page: str) -> str:
    """Without links that leave docs/, as seen from a page: what is linked is a failure's page or words alone."""

    def inside(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(page), link["target"]))
        if not target.startswith("../"):
            return link[0]
        if target.startswith(FAILURES):
            target = posixpath.relpath(f"failures/{target.removeprefix(FAILURES)}", posixpath.dirname(page))
            return f"[{link['words']}]({target})"
        return link["words"]

    return LINK.sub(inside, markdown)


def apart_lists(markdown: str) -> str:
    """With an empty line before each list, which Python-Markdown wants and Markdown's other readers do not."""
    return re.sub(r"^(?![- ])(.+)\n(?=- )", r"\1\n\n", markdown, flags=re.MULTILINE)
