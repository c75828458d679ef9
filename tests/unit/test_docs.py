"""The documents say what the code does."""

import re
from itertools import groupby
from pathlib import Path

import pytest

from byok8s import failures
from byok8s.cli.clean import clean
from byok8s.cli.run import EPILOG
from byok8s.errors import InputError
from byok8s.executor.cause import Cause
from byok8s.executor.cluster import RENEW_SECONDS
from byok8s.executor.manifest import LEASE_SECONDS
from byok8s.executor.words import WORDS
from byok8s.leftovers import SILENCE_SECONDS
from byok8s.rights import CLEAN_RIGHTS, HELPFUL_RIGHTS, RIGHTS, STREAM_RIGHTS, Right

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
RIGHTS_DOCUMENT = (ROOT / "docs" / "rights.md").read_text()


def tables(document: str) -> list[list[list[str]]]:
    """The rows of each table, without its head."""
    lines = document.splitlines()
    found = [list(table) for is_row, table in groupby(lines, lambda line: line.startswith("|")) if is_row]
    return [[[cell.strip() for cell in row.strip("|").split("|")] for row in table[2:]] for table in found]


def test_each_right_is_documented_and_no_other() -> None:
    def rows(rights: tuple[Right, ...]) -> list[list[str]]:
        return [[right.group_resource, right.verb, right.purpose] for right in rights]

    assert tables(RIGHTS_DOCUMENT) == [
        rows(RIGHTS),
        rows(STREAM_RIGHTS),
        rows(HELPFUL_RIGHTS),
        rows(CLEAN_RIGHTS),
    ]


def test_the_exit_codes_in_the_readme_are_those_of_help() -> None:
    for line in EPILOG.splitlines()[2:]:
        code, _, meaning = line.strip().partition(" ")
        assert f"| {code} | {meaning.strip()} |" in README


@pytest.mark.parametrize("words", [README, RIGHTS_DOCUMENT, clean.help])
def test_what_counts_as_dead_is_what_the_documents_say(words: str) -> None:
    assert f"{SILENCE_SECONDS // 60} minutes" in " ".join(words.split())


def test_the_times_of_the_lease_are_those_of_the_documents() -> None:
    assert f"renews every {RENEW_SECONDS // 60} minutes" in RIGHTS_DOCUMENT
    assert f"`activeDeadlineSeconds` - {LEASE_SECONDS} seconds" in RIGHTS_DOCUMENT
    assert clean.help is not None
    assert f"renews the run's lease every {RENEW_SECONDS // 60}," in " ".join(clean.help.split())


def test_each_word_of_a_pod_is_documented_and_no_other() -> None:
    table = (ROOT / "docs" / "pods.md").read_text().partition("| word | value | in the pod |")[2]
    rows = [line.split("|")[1] for line in table.splitlines()[2:] if line.startswith("|")]
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == WORDS


def test_each_failure_has_its_page_and_no_page_is_of_none() -> None:
    assert list(failures.titles()) == sorted(cause.value for cause in Cause)


def test_the_list_of_failures_is_that_of_the_pages_by_kind() -> None:
    lines = (ROOT / "docs" / "failures.md").read_text().splitlines()
    rows = {line for line in lines if line.startswith("| [")}
    pages = {
        f"| [{slug}](../src/byok8s/failures/{slug}.md) | {title} | {Cause(slug).kind.value} |"
        for slug, title in failures.titles().items()
    }
    assert rows == pages


@pytest.mark.parametrize("cause", Cause)
def test_a_page_says_what_it_means_how_to_see_it_and_what_to_do(cause: Cause) -> None:
    page = failures.page(cause.value)
    assert page.startswith(f"# {cause.value}: ")
    assert "\nWhat to do:" in page
    assert max(map(len, page.splitlines())) <= 120


def test_a_failure_that_is_none_is_said_to_be_none() -> None:
    with pytest.raises(InputError, match="no failure named 'flood'"):
        failures.page("flood")
