"""A report as one HTML file, which asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Final

from byok8s import __version__
from byok8s.history.state import Try
from byok8s.history.status import span
from byok8s.report import usage, words
from byok8s.report.data import packed
from byok8s.report.figures import Figures
from byok8s.report.file import MARK
from byok8s.report.html import Html, el, join, table
from byok8s.report.usage import Rule
from byok8s.report.workers import Worker

MOST_FAILURES: Final = 50
MOST_LINES: Final = 40  # of the log of each
MOST_STEPS: Final = 40
MOST_WORKERS: Final = 100
NONE: Final = "-"
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Tail:
    """The last lines of a failed job's log. of: its name."""

    of: str
    lines: Sequence[str]


def page(found: Figures, tails: Mapping[str, Tail]) -> bytes:
    """Return the page. tails: by the names of jobs, as far as they are known."""
    sections = [
        _overview(found),
        _failures(found, tails),
        _time(found),
        _over_time(found),
        _rules(found),
        _workers(found),
        _tasks(found),
        _asked(found),
        _methods(found),
    ]
    body = el("main", _head(found), *sections, id="main")
    licence, library = _asset("vendor/uPlot.LICENSE"), _asset("vendor/uPlot.iife.min.js")
    scripts = [f"/*! uPlot\n\n{licence}*/\n{library}", _asset("page.js")]
    data = Html(f'<script type="application/octet-stream" id="data">{packed(found)}</script>')
    whole = el(
        "html",
        _meta(found, scripts),
        el(
            "body",
            el("a", "Skip to the report", href="#main", class_="skip"),
            body,
            data,
            *(Html(f"<script>{script}</script>") for script in scripts),
        ),
        lang="en",
    )
    # of a file's name that is no UTF-8 there are surrogates
    return MARK + whole.encode("utf-8", "backslashreplace") + b"\n"


def _meta(found: Figures, scripts: Iterable[str]) -> Html:
    """Return the head. Whatever a name or a log holds, no script but the page's own is run."""
    hashes = " ".join(f"'sha256-{_hash(script)}'" for script in scripts)
    policy = f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    style = f"{_asset('vendor/uPlot.min.css')}{_asset('page.css')}"
    return el(
        "head",
        el("meta", charset="utf-8"),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="generator", content=f"byok8s {__version__}"),
        el("title", f"{found.run}: {words.state(found)}"),
        Html(f"<style>{style}</style>"),
    )


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _asset(name: str) -> str:
    return (resources.files("byok8s.report") / name).read_text(encoding="utf-8")


def _section(id_: str, title: str, *children: str) -> Html:
    return el("section", el("h2", title, id=id_), *children, aria_labelledby=id_)


# -- the parts of the page, from its top --


def _head(found: Figures) -> Html:
    kind = "bad" if found.jobs.failed or found.state not in {"COMPLETE", "RUNNING"} else "good"
    heading = el(
        "h1",
        "Run ",
        el("span", found.run, class_="id"),
        " ",
        el("span", words.state(found), class_=f"badge {kind}"),
    )
    return el("header", heading, el("p", words.summary(found), class_="lead"))


def _overview(found: Figures) -> Html:
    whole = found.reserved.whole
    cards = [
        ("Duration", span(found.seconds), f"{words.date(found.first)}" if found.first else words.UNKNOWN),
        ("Jobs", f"{found.jobs.done} of {found.jobs.total}", _jobs(found)),
    ]
    if found.workers:
        cards += [
            ("Reserved", words.hours(whole.cores, "core"), f"and {words.hours(whole.gb, 'GB')} of memory"),
            (
                "Used",
                words.hours(found.cpu_hours, "core"),
                f"{words.percent(words.cpu_share(found))} of what was reserved",
            ),
            (
                "Idle",
                words.percent(found.reserved.idle_share),
                f"{words.hours(found.reserved.idle.cores, 'core')} without a job",
            ),
        ]
    if found.prices:
        cards.append(
            ("Cost", words.money(found, found.cost), f"of which idle {words.money(found, found.cost_idle)}")
        )
    shown = [
        el("div", el("dt", label), el("dd", value, el("small", more)), class_="card")
        for label, value, more in cards
    ]
    notes = [f"The Kubernetes API did not answer for {span(found.away)}."] if found.away else []
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


def _failures(found: Figures, tails: Mapping[str, Tail]) -> Html:
    if not found.failures:
        return Html("")
    shown = [_failure(found, each, tails.get(each.name)) for each in found.failures[:MOST_FAILURES]]
    rest = len(found.failures) - MOST_FAILURES
    more = [el("p", f"And {rest} more: they are in the table of tries below.")] if rest > 0 else []
    return _section("failures", f"Failures ({len(found.failures)})", *shown, *more)


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


def _time(found: Figures) -> Html:
    if not found.tries:
        return Html("")
    parts = [el("h3", "What the run waited for"), el("p", _CRITICAL)]
    if found.path is None:
        parts.append(el("p", words.NO_PATH, class_="quiet"))
    else:
        parts += _phases("Time along the critical path", found.path.seconds, _steps(found))
    parts += [
        el("h3", "All tries, added up"),
        el("p", _ADDED_UP),
        *_phases("Time of all tries", found.phases),
    ]
    return _section("time", "Where the time went", *parts)


_CRITICAL: Final = (
    "From its last job back to its first, the jobs that each waited for the one before: the critical path. A run gets "
    "shorter only if something on it does."
)
_ADDED_UP: Final = (
    "From when Snakemake gave each job to its end. Several run at once, so this is more than the run took."
)


def _phases(caption: str, seconds: Mapping[str, float], *beside: Html) -> list[Html]:
    """Return a bar, and below it a table of the same, with something beside that."""
    found = list(words.parts(seconds))
    bar = el(
        "div",
        *(el("span", class_=f"p-{phase}", style=f"flex-grow:{share:.5f}") for phase, _, _, share in found),
        class_="bar",
        aria_hidden="true",
    )
    rows = [
        [join([el("i", class_=f"key p-{phase}"), el("span", label)]), span(took), words.percent(share)]
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
        rows.append([_job(each), *(_ms(took) for took in (waited, of.fetch, of.run, of.store, others))])
    head = ["Job", "Waited", "Fetched", "Ran", "Stored", "Else"]
    before = len(steps) - len(rows)
    more = [el("p", f"Without the first {before} jobs of the path.", class_="quiet")] if before > 0 else []
    title = f"The jobs on the path ({len(steps)})"
    whole = el("details", el("summary", title), table(title, head, rows), *more, open=len(rows) <= 12)
    return el("div", whole)


def _job(each: Try) -> str:
    wildcards = ", ".join(f"{name}={value}" for name, value in each.wildcards.items())
    return f"{each.rule} {wildcards}".strip()


def _ms(milliseconds: float) -> str:
    return span(milliseconds / 1000)


def _over_time(found: Figures) -> Html:
    if not found.tries:
        return Html("")
    about = (
        f"{len(found.workers)} workers. At most {max(found.cores.reserved, default=0):g} cores were reserved, "
        f"and {max(found.cores.used, default=0):.3g} used. The tables of workers and of tries have the same in numbers."
    )
    return _section(
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


def _rules(found: Figures) -> Html:
    if not found.rules:
        return Html("")
    head = [
        "Rule",
        "Done",
        "Median",
        "Longest",
        "Together",
        "Threads",
        "Cores used",
        "Memory",
        "Most used",
        "Median used",
        "Better",
    ]
    parts = [
        table("Rules: what they asked for, and what they used", head, [_rule(rule) for rule in found.rules])
    ]
    parts.append(
        el("p", f"Threads and memory are what was asked for. {words.LARGEST_PROCESS} - is not recorded.")
    )
    if profile := usage.profile(found.rules):
        parts += [
            el("h3", "Ask for what is used"),
            el("p", "In a profile of Snakemake, for ", el("code", "-- --profile DIR"), ":"),
            _snippet("profile", "Part of a profile", profile),
            el("p", "Or as flags, after the ", el("code", "--"), " of byok8s:"),
            _snippet("flags", "Flags", usage.flags(found.rules)),
            el("p", _MARGINS, class_="quiet"),
        ]
    return _section("rules", "Asked for and used", *parts)


_MARGINS: Final = (
    f"Memory: {(usage.MARGIN - 1) * 100:.0f} % above the most that a job has used, and {usage.WORKERS_MB} MB for the "
    f"worker; or {(usage.AFTER_OUT_OF_MEMORY - 1) * 100:.0f} % above what was too little. Threads: what the busiest "
    "job used on average. Only what differs is listed. Other inputs may need more."
)


def _rule(rule: Rule) -> list[str]:
    better = [f"mem_mb={rule.better_mb}"] if rule.better_mb else []
    better += [f"threads={rule.better_threads}"] if rule.better_threads else []
    return [
        f"{rule.name} (group)" if rule.is_group else rule.name,
        f"{rule.done}/{rule.tries}",
        _or_none(rule.median, span),
        _or_none(rule.longest, span),
        words.hours(rule.core_hours, "core") if rule.core_hours else NONE,
        _or_none(rule.threads, str),
        _or_none(rule.cores, "{:.2f}".format),
        _or_none(rule.mem_mb, words.memory),
        _or_none(rule.peak_mb, words.memory),
        _or_none(rule.median_mb, words.memory),
        " ".join(better) or NONE,
    ]


def _or_none(value: float | None, shown: object) -> str:
    assert callable(shown)
    return NONE if value is None else str(shown(value))


def _snippet(id_: str, label: str, code: str) -> Html:
    block = el("pre", code, id=id_, tabindex="0", role="region", aria_label=label)
    return el("div", block, el("button", "Copy", type="button", data_copy=id_), class_="snippet")


def _workers(found: Figures) -> Html:
    if not found.workers:
        return Html("")
    parts = found.reserved
    names = [
        ("Starting", parts.starting),
        ("Busy", parts.busy),
        ("Idle", parts.idle),
        ("Together", parts.whole),
    ]
    hours = [
        [
            name,
            words.hours(of.cores, "core"),
            words.hours(of.gb, "GB"),
            *([words.money(found, found.prices.of(of))] if found.prices else []),
        ]
        for name, of in names
    ]
    head = ["Workers", "Cores", "Memory", *(["Cost"] if found.prices else [])]
    shown = found.workers[:MOST_WORKERS]
    rest = len(found.workers) - len(shown)
    own = ["Pod", "Node", "Threads", "Memory", "Jobs", "Node wait", "Pull", "Start", "Busy", "Idle"]
    title = f"Each worker ({len(found.workers)})"
    return _section(
        "workers",
        "What workers kept of nodes",
        table("Hours of workers, from when a node took them to their end", head, hours),
        *_waits(found),
        el(
            "details",
            el("summary", title),
            table(title, own, [_worker(worker) for worker in shown], left=2),
            *([el("p", f"And {rest} more.")] if rest else []),
        ),
    )


def _waits(found: Figures) -> list[Html]:
    """Return why workers waited for nodes, and how long they did, as far as the cluster has said so."""
    reasons: dict[str, list[int]] = {}
    for each in found.workers:
        if each.why:
            reasons.setdefault(each.why, []).append(each.scheduled - each.created)
    if not reasons:
        return []
    title = "Why workers waited for a node"
    rows = [[why, str(len(spans)), _ms(max(spans)), _ms(sum(spans))] for why, spans in reasons.items()]
    return [el("h3", title), table(title, ["Reason", "Workers", "Longest", "Together"], rows)]


def _worker(each: Worker) -> list[str]:
    spans = (
        each.scheduled - each.created,
        each.started - each.scheduled,
        each.ready - each.started,
        each.busy,
        each.idle,
    )
    asked = [_or_none(each.threads, str), _or_none(each.mem_mb, words.memory)]
    return [each.pod, each.node or NONE, *asked, str(each.jobs), *map(_ms, spans)]


def _tasks(found: Figures) -> Html:
    if not found.tries:
        return Html("")
    return _section(
        "tasks",
        "Every try of every job",
        el(
            "div",
            el("label", "Search ", el("input", type="search", id="search", autocomplete="off")),
            el("label", el("input", type="checkbox", id="failed"), " only failed"),
            el("button", "CSV of what is found", type="button", id="csv"),
            class_="tools",
        ),
        el("p", id="count", role="status"),
        el("div", id="tasks-table", class_="wide", tabindex="0", role="region", aria_label="Tries"),
        el(
            "div",
            el("button", "Before", type="button", id="before"),
            el("button", "Next", type="button", id="next"),
            class_="tools",
        ),
    )


def _asked(found: Figures) -> Html:
    rows = [el("div", el("dt", label), el("dd", value)) for label, value in words.asked(found)]
    return _section(
        "asked", "What was asked for", el("dl", *rows, class_="facts"), el("p", words.PARAMS, class_="quiet")
    )


def _methods(found: Figures) -> Html:
    made = f"Made by byok8s {__version__} from the run's record; charts by uPlot (MIT licence)."
    return _section(
        "methods",
        "Methods",
        _snippet("paragraph", "Methods paragraph", words.methods(found)),
        el("footer", made),
    )
