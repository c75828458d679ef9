"""The parts of the page that are tables: of rules, of workers, and, which page.js fills, of tries."""

from __future__ import annotations

from typing import Final

from byok8s.history import sizes
from byok8s.history.status import span
from byok8s.report import phrases
from byok8s.report.figures import Figures
from byok8s.report.html import Html, el, section, snippet, table
from byok8s.report.usage import Rule
from byok8s.report.workers import Worker

MOST_WORKERS: Final = 100


def rules(found: Figures) -> Html:
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
    parts.append(el("p", f"Threads and memory are what was asked for. {phrases.PEAK} - is not recorded."))
    if profile := sizes.profile(rule.better for rule in found.rules):
        parts += [
            el("h3", "Ask for what is used"),
            el("p", "In a profile of Snakemake, for ", el("code", "-- --profile DIR"), ":"),
            snippet("profile", "Part of a profile", profile),
            el("p", "Or as flags, after the ", el("code", "--"), " of byok8s:"),
            snippet("flags", "Flags", sizes.flags(rule.better for rule in found.rules)),
            el("p", _MARGINS, class_="quiet"),
        ]
    return section("rules", "Asked for and used", *parts)


def files(found: Figures) -> Html:
    """Return what came from the bucket and went there; nothing if no try of the run has it in its record."""
    known = [rule for rule in found.rules if rule.fetched is not None]
    if not known:
        return Html("")
    rows = [[rule.name, *map(phrases.amount, (rule.fetched, rule.cached, rule.stored))] for rule in known]
    head = ["Rule", "Fetched", "Kept by workers", "Stored"]
    said = "What workers had kept of earlier jobs' inputs was not fetched again."
    return section("files", "Files", table("Files, by rule", head, rows), el("p", said))


_MARGINS: Final = (
    f"Memory: {(sizes.MARGIN - 1) * 100:.0f} % above the most that a job has used, and {sizes.WORKERS_MB} MB for the "
    f"worker; or {(sizes.AFTER_OUT_OF_MEMORY - 1) * 100:.0f} % above what was too little. Threads: what the busiest "
    "job used on average. Only what differs is listed. Other inputs may need more."
)


def _rule(rule: Rule) -> list[str]:
    better = [f"mem_mb={rule.better_mb}"] if rule.better_mb else []
    better += [f"threads={rule.better_threads}"] if rule.better_threads else []
    return [
        f"{rule.name} (group)" if rule.is_group else rule.name,
        f"{rule.done}/{rule.tries}",
        phrases.or_none(rule.median, span),
        phrases.or_none(rule.longest, span),
        phrases.hours(rule.core_hours, "core") if rule.core_hours else phrases.NONE,
        phrases.or_none(rule.threads, str),
        phrases.or_none(rule.cores, "{:.2f}".format),
        phrases.or_none(rule.mem_mb, phrases.memory),
        phrases.or_none(rule.peak_mb, phrases.memory),
        phrases.or_none(rule.median_mb, phrases.memory),
        " ".join(better) or phrases.NONE,
    ]


def workers(found: Figures) -> Html:
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
            phrases.hours(of.cores, "core"),
            phrases.hours(of.gb, "GB"),
            *([phrases.money(found, found.prices.of(of))] if found.prices else []),
        ]
        for name, of in names
    ]
    head = ["Workers", "Cores", "Memory", *(["Cost"] if found.prices else [])]
    shown = found.workers[:MOST_WORKERS]
    rest = len(found.workers) - len(shown)
    own = ["Pod", "Node", "Threads", "Memory", "Jobs", "Node wait", "Pull", "Start", "Busy", "Idle"]
    title = f"Each worker ({len(found.workers)})"
    return section(
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
    rows = [
        [why, str(len(spans)), phrases.ms(max(spans)), phrases.ms(sum(spans))]
        for why, spans in reasons.items()
    ]
    return [el("h3", title), table(title, ["Reason", "Workers", "Longest", "Together"], rows)]


def _worker(each: Worker) -> list[str]:
    spans = (
        each.scheduled - each.created,
        each.started - each.scheduled,
        each.ready - each.started,
        each.busy,
        each.idle,
    )
    asked = [phrases.or_none(each.threads, str), phrases.or_none(each.mem_mb, phrases.memory)]
    return [each.pod, each.node or phrases.NONE, *asked, str(each.jobs), *map(phrases.ms, spans)]


def tries(found: Figures) -> Html:
    if not found.tries:
        return Html("")
    return section(
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
