"""A report for a terminal: the page's figures, in short."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from byok8s.history import sizes
from byok8s.history.status import columns, span
from byok8s.report import phrases
from byok8s.report.figures import Figures
from byok8s.report.usage import Rule

MOST_FAILURES: Final = 10


def lines(found: Figures) -> Iterator[str]:
    yield f"{found.run}: {phrases.state(found)}. {phrases.summary(found)}"
    yield from _asked(found)
    yield from _failures(found)
    yield from _time(found)
    yield from _rules(found)
    yield from _cost(found)
    if outages := phrases.outages(found):
        yield from ["", *outages]


def _asked(found: Figures) -> Iterator[str]:
    yield ""
    for label, value in phrases.asked(found):
        if label in {"Command", "Commit", "Image"}:
            yield f"{label + ':':<9} {value}"


def _failures(found: Figures) -> Iterator[str]:
    if not found.failures:
        return
    yield from ["", "Failures:"]
    for each in found.failures[:MOST_FAILURES]:
        yield f"  {each.name}: {each.why or 'failed'}"
    if (rest := len(found.failures) - MOST_FAILURES) > 0:
        yield f"  and {rest} more"
    yield f"  More: byok8s logs {found.run} --failed"


def _time(found: Figures) -> Iterator[str]:
    if not found.tries:
        return
    yield from ["", "What the run waited for, one after another (its critical path):"]
    if found.path is None:
        yield f"  {phrases.NO_PATH}"
    else:
        yield from _phases(found.path.seconds)
    yield from ["", "All tries together:"]
    yield from _phases(found.phases)


def _phases(seconds: Mapping[str, float]) -> Iterator[str]:
    for _, label, took, share in phrases.parts(seconds):
        yield f"  {span(took):>12}  {phrases.percent(share):>5}  {label}"


def _rules(found: Figures) -> Iterator[str]:
    if not found.rules:
        return
    rows = [["RULE", "DONE", "MEDIAN", "THREADS", "CORES USED", "MEMORY", "MOST USED", "BETTER"]]
    rows += [_rule(rule) for rule in found.rules]
    yield ""
    yield from columns(rows)
    if snippet := sizes.flags(rule.better for rule in found.rules):
        yield from [
            "",
            "Ask for what is used, after the -- of the next run, or in a profile:",
            f"  {snippet}",
        ]
        yield f"  {phrases.PEAK}"


def _rule(rule: Rule) -> list[str]:
    better = " ".join(
        part
        for part in (
            f"mem_mb={rule.better_mb}" if rule.better_mb else "",
            f"threads={rule.better_threads}" if rule.better_threads else "",
        )
        if part
    )
    return [
        rule.name,
        f"{rule.done}/{rule.tries}",
        phrases.NONE if rule.median is None else span(rule.median),
        phrases.NONE if rule.threads is None else str(rule.threads),
        phrases.NONE if rule.cores is None else f"{rule.cores:.1f}",
        phrases.NONE if rule.mem_mb is None else phrases.memory(rule.mem_mb),
        phrases.NONE if rule.peak_mb is None else phrases.memory(rule.peak_mb),
        better or phrases.NONE,
    ]


def _cost(found: Figures) -> Iterator[str]:
    whole = found.reserved.whole
    if not found.workers:
        return
    yield ""
    yield (
        f"Workers kept {phrases.hours(whole.cores, 'core')} and {phrases.hours(whole.gb, 'GB')} of nodes: "
        f"{phrases.percent(found.reserved.idle_share)} of it idle, "
        f"{phrases.percent(phrases.cpu_share(found))} used by jobs."
    )
    if found.prices:
        yield f"Cost: {phrases.money(found, found.cost)}, of which idle {phrases.money(found, found.cost_idle)}."
