"""What each failure means and what to do: a page SLUG.md beside this file for each of byok8s.pods.cause.Cause."""

from __future__ import annotations

from pathlib import Path

from byok8s.errors import InputError

FOLDER = Path(__file__).parent


def titles() -> dict[str, str]:
    """By slug, in alphabetical order: the first line of each page without the slug."""
    return {
        page.stem: page.read_text(encoding="utf-8").partition("\n")[0].removeprefix(f"# {page.stem}: ")
        for page in sorted(FOLDER.glob("*.md"))
    }


def page(slug: str) -> str:
    """The whole page, in Markdown. Raises InputError if there is none."""
    if slug not in titles():
        raise InputError(
            f"There is no failure named {slug!r}.", hint="`byok8s explain` alone lists all names."
        )
    return (FOLDER / f"{slug}.md").read_text(encoding="utf-8").rstrip()
