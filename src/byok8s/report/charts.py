"""The parts of the page that show where time went. What is drawn on them page.js draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from byok8s.history.state import Try
from byok8s.history.status import span
from byok8s.report import phrases
from byok8s.report.figures import Figures
from byok8s.report.html import Html, el, join, section, table

MOST_STEPS: Final = 40


def time(found: Figures) -> Html:
    if not found.tries:
        return Html("")
    parts = [el("h3", "What the run waited for"), el("p", _CRITICAL)]
    if found.path is None:
        parts.append(el("p", phrases.NO_PATH, class_="quiet"))
    else:
        parts += _phases("Time along the critical path", found.path.seconds, _steps(found))
    parts += [
        el("h3", "All tries, added up"),
        el("p", _ADDED_UP),
        *_phases("Time of all tries", found.phases),
    ]
    return section("time", "Where the time went", *parts)


_CRITICAL: Final = (
    "From its last job back to its first, the jobs that each waited for the one before: the critical path. A run gets "
    "shorter only if something on it does."
)


_ADDED_UP: Final = (
    "From when Snakemake gave each job to its end. Several run at once, so this is more than the run took."
)


def _phases(caption: str, seconds: Mapping[str, float], *beside: Html) -> list[Html]:
    """Return a bar, and below it a table of the same, with something beside that."""
    found = list(phrases.parts(seconds))
    bar = el(
        "div",
        *(el("span", class_=f"p-{phase}", style=f"flex-grow:{share:.5f}") for phase, _, _, share in found),
        class_="bar",
        aria_hidden="true",
    )
    rows = [
        [join([el("i", class_=f"key p-{phase}"), el("span", label)]), span(took), phrases.percent(share)]
        for phase, label, took, share in found
    ]
    return [bar, el("div", table(caption, ["Phase", "Time", "Share"], rows), *beside, class_="beside")]


def _steps(found: Figures) -> Html:
    assert found.path is not None
    steps = found.path.steps
    rows = []
    for step in steps[-MOST_STEPS:]:
        each, of = found.tries[step.id], step.spent
        waited = step.ready * 1000 + of.queue + of.node + of.pull + of.start
        others = sum(of) - (of.queue + of.node + of.pull + of.start) - of.fetch - of.run - of.store
        rows.append(
            [_job(each), *(phrases.ms(took) for took in (waited, of.fetch, of.run, of.store, others))]
        )
    head = ["Job", "Waited", "Fetched", "Ran", "Stored", "Else"]
    before = len(steps) - len(rows)
    more = [el("p", f"Without the first {before} jobs of the path.", class_="quiet")] if before > 0 else []
    title = f"The jobs on the path ({len(steps)})"
    whole = el("details", el("summary", title), table(title, head, rows), *more, open=len(rows) <= 12)
    return el("div", whole)


def _job(each: Try) -> str:
    wildcards = ", ".join(f"{name}={value}" for name, value in each.wildcards.items())
    again = f" (try {each.attempt})" if each.attempt > 1 else ""
    return f"{each.rule} {wildcards}".strip() + again


def over_time(found: Figures) -> Html:
    if not found.tries:
        return Html("")
    about = (
        f"{len(found.workers)} workers. At most {max(found.cores.reserved, default=0):g} cores were reserved, "
        f"and {max(found.cores.used, default=0):.3g} used. The tables of workers and of tries have the same in numbers."
    )
    return section(
        "over-time",
        "Over time",
        el("noscript", el("p", "The charts and the table of tries need JavaScript.")),
        el("p", about),
        el(
            "div",
            *(
                el("button", label, type="button", data_do=do)
                for label, do in (
                    ("Zoom in", "in"),
                    ("Zoom out", "out"),
                    ("Earlier", "left"),
                    ("Later", "right"),
                    ("All", "all"),
                )
            ),
            class_="tools",
            role="group",
            aria_label="Part of the run that is shown",
        ),
        el("h3", "Cores"),
        el("div", id="cores", role="img", aria_label=f"Cores over time. {about}"),
        el("h3", "Workers"),
        el("p", id="legend", class_="legend"),
        el(
            "div",
            el(
                "canvas", id="lanes", role="img", aria_label=f"A line for each worker, with its jobs. {about}"
            ),
            el("div", id="lanes-height"),
            id="lanes-view",
            tabindex="0",
            role="region",
            aria_label="Workers over time",
        ),
        el("p", id="hover", class_="hover", aria_live="off"),
    )
