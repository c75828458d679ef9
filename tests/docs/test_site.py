"""The site: it is built without a warning, and has what is made of the code."""

import html
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from byok8s import failures
from byok8s.cli.clean import EPILOG
from docs_site import TREE, build


def text_of(page: Path) -> str:
    """What is read on a page."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", page.read_text())).split())


def test_the_commands_page_has_the_help_of_every_command(site: Path) -> None:
    page = text_of(site / "commands" / "index.html")
    for words in (
        "Usage: byok8s [OPTIONS] COMMAND",
        "Usage: byok8s run",
        "Usage: byok8s rbac",
        EPILOG.splitlines()[-1],
    ):
        assert " ".join(words.split()) in page


def test_each_failure_has_a_page_and_its_list_links_to_it(site: Path) -> None:
    overview = (site / "failures" / "index.html").read_text()
    for slug, title in failures.titles().items():
        page = site / "failures" / slug / "index.html"
        assert f"{slug}: {title}".replace("`", "") in text_of(page)
        assert f'href="{slug}/"' in overview


def sources() -> Iterator[tuple[str, Path]]:
    """Where a page is on the site, and what it is made of."""
    docs = TREE / "docs"
    for file in docs.rglob("*.md"):
        if file.name not in {"index.md", "commands.md"}:
            yield str(file.relative_to(docs).with_suffix("")), file
    for slug in failures.titles():
        yield f"failures/{slug}", failures.FOLDER / f"{slug}.md"


@pytest.mark.parametrize(
    ("place", "file"), [*sources()], ids=lambda value: value if isinstance(value, str) else ""
)
def test_lists_code_and_tables_are_those_that_readers_of_the_tree_see(
    place: str, file: Path, site: Path
) -> None:
    """Python-Markdown wants more empty lines and wider indents than CommonMark."""
    seen = Counter(token.type for token in MarkdownIt("commonmark").enable("table").parse(file.read_text()))
    article = (site / place / "index.html").read_text().partition("<article")[2].partition("</article>")[0]
    assert article.count("<li>") == seen["list_item_open"]
    assert article.count("<pre>") == seen["fence"] + seen["code_block"]
    assert article.count("<table>") == seen["table_open"]


def test_links_out_of_the_documents_are_words_on_the_site(site: Path) -> None:
    assert "(tests/cluster)" in text_of(site / "faults" / "index.html")
    for page in site.rglob("*.html"):
        assert not re.search(r'href="(?!https:)[^"]*(src/byok8s|\.md)', page.read_text()), page


def test_a_lost_page_and_dead_links_end_the_build(tmp_path: Path) -> None:
    for part in ("docs", "scripts"):
        shutil.copytree(TREE / part, tmp_path / part)
    shutil.copy(TREE / "mkdocs.yml", tmp_path)
    (tmp_path / "docs" / "lost.md").write_text("[a](nowhere.md) [b](quickstart.md#nowhere)")
    done = build(tmp_path / "site", tmp_path)
    assert done.returncode == 1
    assert re.search(r'not included in the "nav" configuration:\s+- lost.md', done.stderr)
    assert "'nowhere.md', but the target is not found" in done.stderr
    assert "'quickstart.md#nowhere'" in done.stderr
