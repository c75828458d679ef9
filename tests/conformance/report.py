"""docs/conformance.md, made of what was measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from conformance.corpus import VERSION
from conformance.known import Known
from conformance.results import Results

PLACES = {"local": "`--local`", "cluster": "cluster"}
INTRODUCTION = f"""# Conformance

Does a workflow mean the same with byok8s as with plain Snakemake? This is measured with the tests of Snakemake
{VERSION} itself, taken from its source distribution on PyPI. Plain Snakemake runs the workflow of each test on one
machine, and byok8s runs it with the workflow's files in the bucket; then the files that they have made are compared one
by one. Files that differ between two runs of plain Snakemake (times, process ids, absolute paths) only have to exist.
A workflow that has to fail may be refused before its first job, if plain Snakemake finds that out after some.

`make conformance` writes this page. It fails when a test differs that is not listed here, and when a listed test does
not differ any more. The reasons are kept in `tests/conformance/known.toml`.
"""


@dataclass(frozen=True)
class Measured:
    """applicable: the tests that are run. excluded: the others, and why. results: by place."""

    applicable: Sequence[str]
    excluded: Mapping[str, str]
    results: Mapping[str, Results]


def page(measured: Measured, known: Known) -> str:
    parts = [
        INTRODUCTION,
        "\n".join(_totals(measured)),
        "\n".join(_differences(measured, known)),
        "\n".join(_excluded(measured.excluded)),
        "\n".join(_all(measured, known)),
    ]
    return "\n".join(parts)


def _totals(measured: Measured) -> Iterator[str]:
    applicable, excluded = len(measured.applicable), len(measured.excluded)
    yield f"## Totals\n\nOf {applicable + excluded} tests {applicable} apply, and {excluded} are excluded.\n"
    yield "| | tried | right | differ | of those tried |\n| --- | --- | --- | --- | --- |"
    for place, words in PLACES.items():
        results = measured.results.get(place)
        if results:
            differ = sum(1 for different in results.different.values() if different)
            tried = len(results.different)
            yield f"| {words} | {tried} | {tried - differ} | {differ} | {100 * differ / tried:.1f} % |"
    yield ""
    dates = (f"{PLACES[place]}: {_days(results)}" for place, results in measured.results.items())
    yield f"Measured {', '.join(dates)}.\n"


def _days(results: Results) -> str:
    return results.first if results.first == results.last else f"{results.first} to {results.last}"


def _differences(measured: Measured, known: Known) -> Iterator[str]:
    yield "## Differences\n"
    reasons: dict[str, set[str]] = defaultdict(set)
    for place, results in measured.results.items():
        for name, different in results.different.items():
            if different:
                reasons[_why(known, name, place, different)].add(f"`{name}` ({place})")
    for why, names in sorted(reasons.items()):
        yield f"- {why}: {', '.join(sorted(names))}"
    if not reasons:
        yield "None."
    yield ""


def _excluded(excluded: Mapping[str, str]) -> Iterator[str]:
    yield "## Excluded\n\n| why | tests | |\n| --- | --- | --- |"
    kinds: dict[str, list[str]] = defaultdict(list)
    for name, kind in excluded.items():
        kinds[kind].append(name)
    for kind, names in sorted(kinds.items()):
        yield f"| {kind} | {len(names)} | {', '.join(f'`{name}`' for name in sorted(names))} |"
    yield ""


def _all(measured: Measured, known: Known) -> Iterator[str]:
    yield "## Every test\n"
    yield f"| test | {' | '.join(PLACES.values())} |\n|{' --- |' * (len(PLACES) + 1)}"
    for name in sorted(measured.applicable):
        cells = [_cell(measured.results.get(place), name, known, place) for place in PLACES]
        yield f"| `{name}` | {' | '.join(cells)} |"
    for name, kind in sorted(measured.excluded.items()):
        yield f"| `{name}` |{f' excluded: {kind} |' * len(PLACES)}"
    yield ""


def _cell(results: Results | None, name: str, known: Known, place: str) -> str:
    if results is None or name not in results.different:
        return "not run"
    different = results.different[name]
    if not different:
        return "right"
    return f"differs: {_why(known, name, place, different)}"


def _why(known: Known, name: str, place: str, different: Sequence[str]) -> str:
    found = known.difference(name, place)
    return found.why if found else "; ".join(different[:3]).replace("|", "\\|")
