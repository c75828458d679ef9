"""How a run is, on one screen: what `status` says, fitted to a terminal. Values in, values out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from byok8s.history import status
from byok8s.history.choice import Choice
from byok8s.history.state import State, Try
from byok8s.history.status import Rule, columns, lasted, span

NARROW: Final = 70  # columns, below which there is no room for bars
NUMBERS: Final = 52  # columns for all that is said of a rule but its name and its bar
LEAST_NAME: Final = 12
LEAST_ROWS: Final = 8


@dataclass(frozen=True)
class Row:
    """A line of the screen. style: what it tells: head, title, good, bad, or nothing."""

    text: str
    style: str = ""


def rows(
    run: str,
    state: State,
    now: int,
    *,
    alive: bool,
    width: int,
    height: int,
    said: Callable[[Try], str] = lambda _: "",
    choice: Choice | None = None,
    log: Callable[[Try, int], Sequence[str]] = lambda *_: (),
) -> list[Row]:
    """Return at most `height` lines of at most `width` characters.

    now: in milliseconds since 1970. said: returns the last line that a running job has written, if it is known.
    choice: what is to be shown, None if no keys are read. log: returns the last lines of a job's log, at most so many.
    """
    picked, known = choice or Choice(), status.rules(state)  # which takes most of the time, in a large run
    away = [Row(text, "bad") for text in status.away(state, now)]
    # without the head, and the line about keys with one above
    body = height - len(away) - (1 if choice is None else 3)
    one = state.tries.get(picked.log)
    shown = [
        _head(run, state, now, known, alive=alive),
        *away,
        *(_log(one, log, body) if one else _sections(state, known, now, picked, width, body, said)),
    ]
    if choice:
        shown = [*shown[: height - 2], Row(""), Row(choice.help, "title")]
    return [Row(row.text[:width], row.style) for row in shown[:height]]


def _head(run: str, state: State, now: int, known: Sequence[Rule], *, alive: bool) -> Row:
    head = status.head(run, state, now, known, alive=alive)
    if alive and not state.over and (left := time_left(known)):
        head = f"{head}, {left}"
    return Row(head, "bad" if state.failures() else "head")


def _log(one: Try, log: Callable[[Try, int], Sequence[str]], height: int) -> list[Row]:
    """Return the end of a job's log, below a title."""
    room = max(1, height - 2)
    why = f", failed: {one.why}" if one.failed else ""
    lines = log(one, room)[-room:] or ["No log of it is there."]
    return [Row(""), Row(f"Log of {one.name}{why}", "bad" if one.failed else "title"), *map(Row, lines)]


def _sections(
    state: State,
    known: Sequence[Rule],
    now: int,
    choice: Choice,
    width: int,
    height: int,
    said: Callable[[Try], str],
) -> list[Row]:
    """Return what is chosen of rules, jobs, workers and failures, each as far as there is room."""
    failures = [each for each in state.failures() if choice.has(each)]
    at_work = [each for each in status.running(state) if choice.has(each)] if not state.over else []
    sections = [
        ("", _rules(_chosen(state, known, choice), width)),
        ("Running:", _running(at_work, now, height, said)),
        ("Workers:", [Row(text) for text in status.groups(state, now)] if choice.is_all else []),
        ("Failures:", [Row(f"  {each.name}: {each.why or 'failed'}", "bad") for each in failures]),
    ]
    sections = [(title, lines) for title, lines in sections if lines] or [
        ("", [Row("Nothing is as chosen.")])
    ]
    # each but the first has a title, all a blank line
    room = max(LEAST_ROWS - 1, height) - 2 * len(sections) + 1
    shown = []
    for (title, lines), most in zip(
        sections, _shares(room, [len(lines) for _, lines in sections]), strict=True
    ):
        shown += [Row(""), *([Row(title, "title")] if title else []), *_cut(lines, most)]
    return shown


def _chosen(state: State, known: Sequence[Rule], choice: Choice) -> Sequence[Rule]:
    """Return the rules that are chosen by their own name or by that of a job."""
    if choice.is_all:
        return known
    of_jobs = {rule for each in state.jobs() if choice.has(each) for rule in each.rules}
    return [
        rule
        for rule in known
        if rule.name in of_jobs or (not choice.failed and choice.name.lower() in rule.name.lower())
    ]


def _rules(found: Sequence[Rule], width: int) -> list[Row]:
    """Return a heading, and a line for each rule: those at work first, and those that have done all last."""
    if not found:
        return []
    ordered = sorted(found, key=lambda rule: (not (rule.running or rule.failed), rule.done == rule.total))
    cells = 0 if width < NARROW else 8 if width < 100 else 16
    longest = max(LEAST_NAME, width - NUMBERS - cells)
    table = [["RULE", "DONE", "RUNNING", "WAITING", "FAILED", "MEDIAN"]]
    for rule in ordered:
        took = span(rule.median) if rule.median is not None else "-"
        counts = (str(n or "-") for n in (rule.running, rule.waiting, rule.failed))
        table.append([_name(rule.name, longest), f"{rule.done}/{rule.total}", *counts, took])
    if cells:
        bars = ["", *(bar(rule, cells) for rule in ordered)]
        table = [
            [name, f"{drawn:<{cells}}", *others] for (name, *others), drawn in zip(table, bars, strict=True)
        ]
    heading, *lines = columns(table)
    styles = ["bad" if rule.failed else "good" if rule.done == rule.total else "" for rule in ordered]
    return [Row(heading, "title"), *map(Row, lines, styles)]


def bar(rule: Rule, cells: int) -> str:
    """Return how much of a rule is done, as a bar: what is under way is lighter, and what is not begun lightest."""
    if not rule.total:
        return ""
    done = rule.done * cells // rule.total
    begun = -(-(rule.done + rule.running + rule.failed) * cells // rule.total)
    return "█" * done + "▒" * (begun - done) + "░" * (cells - begun)


def _name(name: str, longest: int) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def _running(jobs: Sequence[Try], now: int, most: int, said: Callable[[Try], str]) -> list[Row]:
    """Return a line for each running job. most: of them, what they have said is asked for."""
    return [Row(_job(each, now, said(each) if n < most else "")) for n, each in enumerate(jobs)]


def _job(each: Try, now: int, said: str) -> str:
    took = span(lasted(each, now) or 0)
    return f"  {took:>10}  {each.name}  {': '.join(filter(None, (each.phase, said)))}".rstrip()


def time_left(found: Sequence[Rule]) -> str:
    """Return how long the rest takes, if it is as what is done, and as many jobs run at once as now.

    That is a range: by the fastest and by the slowest jobs of each rule. Nothing while there is a rule of which none is
    done.
    """
    rest = [(rule, rule.waiting + rule.running) for rule in found if rule.waiting + rule.running]
    at_once = sum(rule.running for rule, _ in rest)
    if not at_once or any(rule.fastest is None or rule.slowest is None for rule, _ in rest):
        return ""
    least = sum(count * (rule.fastest or 0) for rule, count in rest) / at_once
    most = sum(count * (rule.slowest or 0) for rule, count in rest) / at_once
    low, high = span(least), span(most)
    return f"{high} left" if low == high else f"{low} to {high} left"


def _shares(room: int, wanted: Sequence[int]) -> list[int]:
    """Divide lines among sections: each gets what it wants, or as much as any other."""
    given = [0] * len(wanted)
    while room > 0 and (open_ := [n for n, want in enumerate(wanted) if given[n] < want]):
        for n in open_[:room]:
            given[n] += 1
        room -= len(open_[:room])
    return given


def _cut(lines: Sequence[Row], most: int) -> list[Row]:
    if len(lines) <= most:
        return list(lines)
    kept = lines[: max(0, most - 1)]
    return [*kept, Row(f"  and {len(lines) - len(kept)} more")]
