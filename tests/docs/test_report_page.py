"""A report as its reader has it: in a browser, which asks nobody for anything."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from byok8s.history.event import parsed
from byok8s.report.figures import Figures, figures
from byok8s.report.page import page
from byok8s.report.told import Tail
from records import RUN, START, at, given, many

TREE = Path(__file__).parents[2]
AXE = ("axe-core", "4.14.1", "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745")
USERS_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
CACHE = Path(os.environ.get("BYOK8S_RIG_CACHE") or USERS_CACHE / "byok8s-rig")
pytestmark = pytest.mark.xdist_group("reports")  # they share a browser
ATTACK = "<img src=http://x.example/ onerror=alert(1)></script><script>alert(2)</script>"


def failed() -> Figures:
    """Return a run with a failure, a job on the controller's machine, and names that attack."""
    events = [*parsed(many(90, 4))]
    hostile = {"wildcards": {"sample": ATTACK}, "name": ATTACK, "threads": 2, "mem_mb": 500}
    pod = next(event["pod"] for event in events if event["event"] == "worker.created")
    more = [
        given(3, "f" * 12, ATTACK, after=[], **hostile),
        at(40, "job.began", id="f" * 12, pod=pod),
        at(
            41,
            "job.ended",
            id="f" * 12,
            state="EXECUTOR_ERROR",
            exit=3,
            cause="exit-code",
            why=ATTACK,
            pod=pod,
        ),
        given(42, "e" * 12, "=all", after=[]),
        at(42, "job.began", id="e" * 12),
        at(43, "job.ended", id="e" * 12, state="COMPLETE", exit=0),
    ]
    return figures(RUN, sorted([*events, *more], key=lambda event: str(event["time"])), START, alive=False)


@pytest.fixture(scope="module")
def found() -> Figures:
    return failed()


@pytest.fixture(scope="module")
def report(found: Figures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("report") / "report.html"
    place.write_bytes(page(found, {ATTACK: Tail("logs/x.log", [ATTACK, "no such column"])}))
    return place


@pytest.fixture
def opened(browser: Browser, report: Path) -> Iterator[Page]:
    with looked_at(browser, report) as page:
        yield page


@contextmanager
def looked_at(browser: Browser, report: Path, theme: Any = "light", width: int = 1280) -> Iterator[Page]:
    """Open a report. At its end nothing was asked of anybody, and no script has complained."""
    context = browser.new_context(color_scheme=theme, viewport={"width": width, "height": 900})
    page, seen = context.new_page(), list[str]()
    page.on("request", lambda request: seen.append(request.url))
    page.on("console", lambda said: seen.append(said.text))
    page.on("pageerror", lambda error: seen.append(str(error)))
    page.on("dialog", lambda dialog: seen.append(dialog.message))
    page.goto(report.as_uri())
    page.wait_for_selector("body[data-drawn]", state="attached")
    yield page
    context.close()
    assert [said for said in seen if not said.startswith("blob:")] == [report.as_uri()]


@pytest.mark.parametrize(("theme", "ground"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 23, 28)")])
def test_it_has_no_error_asks_nobody_and_runs_nothing_that_others_wrote(
    theme: str, ground: str, browser: Browser, report: Path
) -> None:
    with looked_at(browser, report, theme) as page:
        expect(page.get_by_role("heading", level=1)).to_contain_text(RUN)
        expect(page.get_by_text("no such column")).to_be_visible()
        assert page.locator("script").count() == 3
        assert page.locator("img").count() == 0
        assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == ground


def test_the_figures_that_are_shown_are_those_of_the_record(opened: Page, found: Figures) -> None:
    expect(opened.get_by_text(f"{found.jobs.done} of {found.jobs.total} jobs done, 1 failed")).to_be_visible()
    rows = opened.get_by_role("region", name="Rules").locator("tbody tr")
    assert rows.count() == len(found.rules)
    assert [row.split("\t")[1] for row in rows.all_inner_texts()] == [
        f"{r.done}/{r.tries}" for r in found.rules
    ]
    expect(opened.locator("#count")).to_have_text(f"1 to 20 of {len(found.tries)} tries")


def test_the_table_is_searched_sorted_and_paged(opened: Page) -> None:
    rows = opened.locator("#tasks-table tbody tr")
    expect(rows).to_have_count(20)
    opened.get_by_role("button", name="Next").click()
    expect(opened.locator("#count")).to_contain_text("21 to 40")
    opened.get_by_role("searchbox").fill("align s00007")
    expect(rows).to_have_count(1)
    opened.get_by_role("searchbox").fill("")
    opened.get_by_label("only failed").check()
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("onerror")
    opened.get_by_label("only failed").uncheck()
    for direction in ("ascending", "descending"):
        opened.get_by_role("button", name="Lasted").click()
        expect(opened.locator(f"th[aria-sort={direction}]")).to_have_text("Lasted")
    expect(rows).to_have_count(20)


def test_the_csv_has_what_the_record_has_and_no_formula(opened: Page, found: Figures) -> None:
    with opened.expect_download() as download:
        opened.get_by_role("button", name="CSV").click()
    rows = list(csv.DictReader(Path(download.value.path()).read_text().splitlines()))
    assert [row["id"] for row in rows] == list(found.tries)
    for row, each in zip(rows, found.tries.values(), strict=True):
        assert row["cpu_time_s"] == ("" if each.cpu_time is None else f"{each.cpu_time:g}")
        assert row["run_s"] == (
            f"{round(each.seconds['run'] * 1000 / 10) / 100:.2f}" if "run" in each.seconds else ""
        )
        for name, mb in (("io_in_mb", each.io_in), ("io_out_mb", each.io_out)):
            assert row[name] == ("" if mb is None else f"{round(mb, 1):g}")
        assert row["pod"] == each.pod
    assert "'=all" in [row["rule"] for row in rows]


def test_it_is_used_by_keyboard(opened: Page) -> None:
    opened.keyboard.press("Tab")
    expect(opened.get_by_role("link", name="Skip to the report")).to_be_focused()
    opened.get_by_role("button", name="Zoom in").focus()
    before = opened.locator("#lanes").evaluate("canvas => canvas.toDataURL()")
    opened.keyboard.press("Enter")
    opened.wait_for_function("before => document.getElementById('lanes').toDataURL() !== before", arg=before)


def test_what_is_under_the_mouse_is_named(opened: Page, found: Figures) -> None:
    lanes = opened.locator("#lanes")
    lanes.scroll_into_view_if_needed()
    box = lanes.bounding_box()
    assert box
    lanes.hover(position={"x": box["width"] * 0.7, "y": 5})
    expect(opened.locator("#hover")).to_contain_text(found.workers[0].pod)


@pytest.mark.parametrize("width", [400, 800])
def test_it_fits_a_narrow_screen(width: int, browser: Browser, report: Path) -> None:
    with looked_at(browser, report, width=width) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_it_is_printed_light_and_without_what_is_clicked(browser: Browser, report: Path) -> None:
    with looked_at(browser, report, "dark") as page:
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.emulate_media(media="print")
        assert (
            page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
            == "rgb(255, 255, 255)"
        )
        expect(page.get_by_role("button", name="Copy").first).to_be_hidden()
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.evaluate("document.documentElement.dataset.theme") is None


def test_a_run_without_a_job_has_a_page(browser: Browser, tmp_path: Path) -> None:
    place = tmp_path / "report.html"
    place.write_bytes(page(figures(RUN, [at(0, "run.started", run=RUN)], START, alive=False), {}))
    context = browser.new_context()
    shown = context.new_page()
    complaints: list[str] = []
    shown.on("pageerror", lambda error: complaints.append(str(error)))
    shown.goto(place.as_uri())
    expect(shown.get_by_role("heading", level=1)).to_contain_text("its controller is gone")
    context.close()
    assert not complaints


@pytest.fixture(scope="session")
def axe() -> str:
    """Return axe-core, which npm has."""
    name, version, _ = AXE
    place = CACHE / f"{name}-{version}"
    if not place.is_dir():
        if not shutil.which("npm"):
            pytest.skip("NOT CHECKED BY axe-core: there is no npm")
        subprocess.run([TREE / "scripts" / "from_npm.sh", *AXE, place], check=True)
    return (place / "axe.min.js").read_text()


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 1280), ("light", 400)])
def test_axe_finds_nothing(theme: str, width: int, browser: Browser, report: Path, axe: str) -> None:
    with looked_at(browser, report, theme, width) as page:
        page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
        page.evaluate(axe)
        violations = page.evaluate("axe.run().then(found => found.violations)")
        assert not violations, json.dumps(violations, indent=1)[:5000]
