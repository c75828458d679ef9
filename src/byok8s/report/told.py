"""The parts of the page that are words: how the run is, its failures, what was asked for, methods."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from byok8s import __version__
from byok8s.history.state import Try
from byok8s.history.status import span
from byok8s.report import phrases
from byok8s.report.figures import Figures
from byok8s.report.html import Html, el, section, snippet

MOST_FAILURES: Final = 50
MOST_LINES: Final = 40  # of the log of each
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Tail:
    """The last lines of a failed job's log. of: its name."""

    of: str
    lines: Sequence[str]


def head(found: Figures) -> Html:
    kind = "bad" if found.jobs.failed or found.state not in {"COMPLETE", "RUNNING"} else "good"
    heading = el(
        "h1",
        "Run ",
        el("span", found.run, class_="id"),
        " ",
        el("span", phrases.state(found), class_=f"badge {kind}"),
    )
    return el("header", heading, el("p", phrases.summary(found), class_="lead"))


def overview(found: Figures) -> Html:
    whole = found.reserved.whole
    cards = [
        ("Duration", span(found.seconds), f"{phrases.date(found.first)}" if found.first else phrases.UNKNOWN),
        ("Jobs", f"{found.jobs.done} of {found.jobs.total}", _jobs(found)),
    ]
    if found.workers:
        cards += [
            (
                "Reserved",
                phrases.hours(whole.cores, "core"),
                f"and {phrases.hours(whole.gb, 'GB')} of memory",
            ),
            (
                "Used",
                phrases.hours(found.cpu_hours, "core"),
                f"{phrases.percent(phrases.cpu_share(found))} of what was reserved",
            ),
            (
                "Idle",
                phrases.percent(found.reserved.idle_share),
                f"{phrases.hours(found.reserved.idle.cores, 'core')} without a job",
            ),
        ]
    if found.prices:
        cards.append(
            (
                "Cost",
                phrases.money(found, found.cost),
                f"of which idle {phrases.money(found, found.cost_idle)}",
            )
        )
    shown = [
        el("div", el("dt", label), el("dd", value, el("small", more)), class_="card")
        for label, value, more in cards
    ]
    notes = phrases.outages(found)
    if found.lost:
        lost = ", ".join(f"{count} of {cause}" for cause, count in found.lost.items())
        notes.append(f"Tries that were followed by another one, by what ended them: {lost}.")
    if found.reserved.unknown:
        notes.append(
            f"How large {found.reserved.unknown} workers were is not recorded: they are not counted."
        )
    return el(
        "section",
        el("dl", *shown, class_="cards"),
        *(el("p", note) for note in notes),
        aria_label="Key figures",
    )


def _jobs(found: Figures) -> str:
    jobs = found.jobs
    parts = [
        (jobs.failed, "failed"),
        (jobs.running, "running"),
        (jobs.waiting, "not begun"),
        (jobs.again, "tried again"),
    ]
    return ", ".join(f"{count} {what}" for count, what in parts if count) or "all done"


def failures(found: Figures, tails: Mapping[str, Tail]) -> Html:
    if not found.failures:
        return Html("")
    shown = [_failure(found, each, tails.get(each.name)) for each in found.failures[:MOST_FAILURES]]
    rest = len(found.failures) - MOST_FAILURES
    more = [el("p", f"And {rest} more: they are in the table of tries below.")] if rest > 0 else []
    return section("failures", f"Failures ({len(found.failures)})", *shown, *more)


def _failure(found: Figures, each: Try, tail: Tail | None) -> Html:
    cause = f" ({each.cause})" if each.cause else ""
    where = f"On {each.node}, in {each.pod}. " if each.node else ""
    log: list[Html] = [el("p", "The end of its log is not recorded.", class_="quiet")]
    if tail:
        title = f"Last lines of {tail.of}"
        plain = _COLOUR.sub("", "\n".join(tail.lines))
        log = [el("p", f"{title}:"), el("pre", plain, tabindex="0", role="region", aria_label=title)]
    return el(
        "details",
        el("summary", el("strong", each.name), el("span", f" {each.why or 'failed'}{cause}")),
        el("p", where, "More: ", el("code", f"byok8s logs {found.run} {each.id}")),
        *log,
        class_="failure",
        open=len(found.failures) <= 3,
    )


def asked(found: Figures) -> Html:
    rows = [el("div", el("dt", label), el("dd", value)) for label, value in phrases.asked(found)]
    return section(
        "asked",
        "What was asked for",
        el("dl", *rows, class_="facts"),
        el("p", phrases.PARAMS, class_="quiet"),
    )


def methods(found: Figures) -> Html:
    made = f"Made by byok8s {__version__} from the run's record; charts by uPlot (MIT licence)."
    return section(
        "methods",
        "Methods",
        snippet("paragraph", "Methods paragraph", phrases.methods(found)),
        el("footer", made),
    )
