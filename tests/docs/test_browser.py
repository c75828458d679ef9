"""The site as a reader has it: in a browser, which asks nobody else for anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect

SITE = "http://localhost/"
PHONE, DESK = 390, 1280
expect.set_options(timeout=20_000)
PAGES = [
    "",
    "commands/",
    "configuration/",
    "failures/",
    "failures/dns/",
    "faults/",
    "how-it-works/",
    "platforms/eks/",
]


@dataclass
class Seen:
    """requests: their addresses. complaints: what the console says of errors, and exceptions of scripts."""

    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture
def page(browser: Browser, site: Path) -> Iterator[Page]:
    """Its requests are answered here, with the site's files: none goes over a network."""

    def answer(route: Route) -> None:
        url = urlsplit(route.request.url)
        file = site / url.path.lstrip("/")
        file = file / "index.html" if file.is_dir() else file
        if url.netloc == urlsplit(SITE).netloc and file.is_file():
            route.fulfill(path=file)
        else:
            route.abort()

    page = browser.new_page(viewport={"width": DESK, "height": 800})
    page.set_default_timeout(20_000)
    page.route("**/*", answer)
    yield page
    page.close()


@pytest.fixture
def seen(page: Page) -> Seen:
    seen = Seen()
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on("console", lambda said: seen.complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    return seen


def test_the_start_page_renders_and_leads_on(page: Page) -> None:
    page.goto(SITE)
    expect(page.get_by_role("heading", level=1)).to_contain_text("byok8s")
    page.get_by_role("article").get_by_role("link", name="Quickstart").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Quickstart")


def test_search_finds_a_page_by_a_word_in_it(page: Page, seen: Seen) -> None:
    page.goto(SITE)
    page.get_by_role("textbox", name="Search").press_sequentially("CrashLoopBackOff")
    found = page.locator(".md-search-result__link").first
    expect(found).to_contain_text("minikube on EC2")
    found.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("minikube on EC2")
    assert not seen.complaints


@pytest.mark.parametrize("path", PAGES)
def test_a_page_fits_the_screen_has_no_error_and_asks_no_other_host(
    path: str, page: Page, seen: Seen
) -> None:
    page.goto(urljoin(SITE, path), wait_until="networkidle")
    for width in (DESK, PHONE):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert [url for url in seen.requests if not url.startswith((SITE, "data:", "blob:"))] == []
    assert not seen.complaints


def test_the_picture_is_shown(page: Page) -> None:
    page.goto(urljoin(SITE, "how-it-works/"))
    picture = page.get_by_role("img", name="what runs where")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 0
