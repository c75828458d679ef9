"""What page and text say alike: numbers, and the paragraphs of a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from byok8s.data.inputs import size_words
from byok8s.history.event import CANCELED, COMPLETE, RUNNING
from byok8s.history.status import LOST, PARTS, span
from byok8s.report import time
from byok8s.report.figures import Figures

UNKNOWN: Final = "not recorded"
NONE: Final = "-"  # the same in a table
STATES: Final[Mapping[str, str]] = {
    "": "state not known",
    RUNNING: "running",
    COMPLETE: "complete",
    CANCELED: "interrupted",
    LOST: "its controller is gone",
}
PARAMS: Final = "What the params file held is not in the record, as it may be secret."
NO_PATH: Final = (
    "Not recorded: plain Snakemake and older versions of byok8s do not note what jobs come after."
)
PEAK: Final = (
    "Memory is that of a job's processes together, looked at every 0.2 s, and at least that of the largest."
)
FACTS: Final[Mapping[str, str]] = {
    "command": "Command",
    "workflow_file": "Workflow file",
    "params_file": "Params file",
    "snakefile": "Snakefile",
    "source": "From",
    "commit": "Commit",
    "targets": "Targets",
    "bucket": "Bucket",
    "context": "Kubernetes context",
    "namespace": "Namespace",
    "image": "Image",
    "most_jobs": "Jobs at once, at most",
    "kubernetes": "Kubernetes",
    "snakemake": "Snakemake",
    "byok8s": "byok8s",
}
ON_A_CLUSTER: Final = frozenset({"bucket", "context", "namespace", "image", "most_jobs", "kubernetes"})


def amount(of: int | None) -> str:
    """Return a number of bytes as people say it."""
    return NONE if of is None else size_words(of)


def state(found: Figures) -> str:
    return STATES.get(found.state, "failed")


def date(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds // 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def summary(found: Figures) -> str:
    """Return one sentence: how much is done, and how long it took."""
    jobs = found.jobs
    parts = [f"{jobs.done} of {jobs.total} jobs done"]
    parts += [f"{jobs.failed} failed"] if jobs.failed else []
    parts += [f"{jobs.running} running"] if jobs.running and found.alive else []
    again = f", with {jobs.again} tried again" if jobs.again else ""
    return f"{', '.join(parts)} in {span(found.seconds)}{again}."


def asked(found: Figures) -> Iterator[tuple[str, str]]:
    """Yield what was asked for, and by what it was carried out. What is not recorded is said to be so."""
    facts = found.facts
    on_cluster = "context" in facts
    for name, label in FACTS.items():
        value = facts.get(name)
        if value is not None:
            yield label, _fact(name, value, facts)
        elif name == "targets" and facts:
            yield label, "the Snakefile's default"
        elif name == "commit" and "command" in facts:
            yield label, "the Snakefile is in no git repository"
        elif name not in {"source", "workflow_file", "params_file"} and (
            on_cluster or name not in ON_A_CLUSTER
        ):
            yield label, UNKNOWN
    for image in found.images:
        yield f"Digest of {image.name}", f"{image.digest} ({', '.join(image.rules)})"
    if facts and not on_cluster:
        yield "Ran on", "the controller's machine (--local)"
    yield "Began", date(found.first) if found.first else UNKNOWN
    yield "Ended" if not found.alive else "Seen", date(found.until) if found.until else UNKNOWN


def _fact(name: str, value: object, facts: Mapping[str, object]) -> str:
    if name == "commit" and facts.get("modified"):
        return f"{value}, with changes that were not committed"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def methods(found: Figures) -> str:
    """Return a paragraph for the methods of a paper."""
    facts = found.facts
    if not facts:
        return "The record has no start of the run, so versions are not known: plain Snakemake has made it."
    named = {name: facts.get(name) for name in ("snakemake", "byok8s", "kubernetes", "image", "commit")}
    snakemake, byok8s, kubernetes, image, commit = (str(value) if value else "" for value in named.values())
    version = f" (commit {commit}{', modified' if facts.get('modified') else ''})" if commit else ""
    on = f" on Kubernetes {kubernetes}".rstrip() if "context" in facts else " on one machine"
    within = f", in containers of the image {image}" if image else ""
    jobs = f"{found.jobs.done} job{'s' * (found.jobs.done != 1)} of {len(found.rules)} rules"
    cpu = found.cpu_hours
    used = f" They used {hours(cpu, 'core')} of processor time." if cpu is not None else ""
    return (
        f"The workflow{version} was run with Snakemake {snakemake or 'of a version that is not recorded'} by byok8s "
        f"{byok8s}{on}{within}. Of it {jobs} were carried out in {span(found.seconds)} "
        f"(started {date(found.first)}).{used}"
    )


def number(value: float | None, unit: str = "") -> str:
    """Return a number with three digits that count."""
    if value is None:
        return UNKNOWN
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{text} {unit}".rstrip()


def hours(value: float | None, unit: str) -> str:
    """Return hours of something, or minutes or seconds of it if there are few."""
    if value is None:
        return UNKNOWN
    factor, short = (1, "h") if value >= 1 else (60, "min") if value * 60 >= 1 else (3600, "s")
    return number(value * factor, f"{unit}-{short}")


def memory(mb: float | None) -> str:
    if mb is None:
        return UNKNOWN
    return f"{mb / 1000:.3g} GB" if mb >= 1000 else f"{mb:.0f} MB"


def percent(share: float | None) -> str:
    if share is None:
        return UNKNOWN
    return "<1 %" if 0 < share < 0.005 else f"{share * 100:.0f} %"


def took(seconds: float | None) -> str:
    return UNKNOWN if seconds is None else span(seconds)


def ms(milliseconds: float) -> str:
    return span(milliseconds / 1000)


def or_none(value: float | None, shown: Callable[[float], str]) -> str:
    return NONE if value is None else shown(value)


def money(found: Figures, value: float | None) -> str:
    if value is None or found.prices is None:
        return UNKNOWN
    return (
        f"<0.01 {found.prices.currency}".rstrip()
        if 0 < value < 0.01
        else f"{value:,.2f} {found.prices.currency}".rstrip()
    )


def parts(seconds: Mapping[str, float]) -> Iterator[tuple[str, str, float, float]]:
    """Yield phases that took any time: name, words, seconds and share, in the order in which they come."""
    whole = sum(seconds.values())
    for phase, words in time.WORDS.items():
        if seconds.get(phase, 0) >= 0.0005:
            yield phase, words, seconds[phase], seconds[phase] / whole


def cpu_share(found: Figures) -> float | None:
    """Return how much of what workers reserved was used."""
    whole = found.reserved.whole.cores
    return found.cpu_hours / whole if found.cpu_hours is not None and whole else None


def outages(found: Figures) -> list[str]:
    """Say of each part that did not answer for how long that was."""
    return [f"{PARTS[part]} did not answer for {span(took)}." for part, took in found.away.items() if took]
