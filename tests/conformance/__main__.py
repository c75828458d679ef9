"""The command behind `make conformance`."""

from __future__ import annotations

import argparse
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

from conformance import corpus, known, results
from conformance.cases import Case, cases
from conformance.place import Place, cluster_is_named, the_cluster, this_machine
from conformance.report import Measured, page
from conformance.verdict import Verdict, judge

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"


def main() -> int:
    asked = _arguments()
    found, unfit = cases(corpus.load())
    what_is_known = known.load()
    excluded = {test.name: test.kind for test in unfit} | dict(what_is_known.excluded)
    applicable = [case for case in found if case.name not in excluded]
    _check_names([*asked.tests, *what_is_known.names()], [*excluded, *(case.name for case in found)])
    if asked.page:
        _write_page(applicable, excluded, what_is_known)
        return 0
    wanted = what_is_known.subset if asked.subset else asked.tests
    chosen = [case for case in applicable if not wanted or case.name in wanted]
    faults = 0
    for place in _places(asked):
        with place() as here:
            verdicts = list(_judged(chosen, here, what_is_known, asked.at_once))
        faults += sum(1 for verdict in verdicts if verdict is None or verdict.fault)
    if not wanted:
        _write_page(applicable, excluded, what_is_known)
    print(f"{len(chosen)} tests, {faults} faults; what byok8s said is in {corpus.cache() / 'results'}")
    return 1 if faults else 0


def _write_page(applicable: Sequence[Case], excluded: Mapping[str, str], what_is_known: known.Known) -> None:
    names = [case.name for case in applicable]
    measured = {place: found for place in ("local", "cluster") if (found := results.kept(place, names))}
    PAGE.write_text(page(Measured(names, excluded, measured), what_is_known))
    print(f"{PAGE.name} is written")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make conformance", description=__doc__)
    parser.add_argument("tests", nargs="*", help="only these tests; docs/conformance.md is not written then")
    parser.add_argument("--subset", action="store_true", help="only the tests of `make test`")
    parser.add_argument("--local", action="store_true", help="only on this machine")
    parser.add_argument("--cluster", action="store_true", help="only on the cluster")
    parser.add_argument(
        "--page", action="store_true", help="only write docs/conformance.md of what was measured"
    )
    parser.add_argument("--at-once", type=int, default=2, metavar="N", help="[default: 2]")
    return parser.parse_args()


def _places(asked: argparse.Namespace) -> Iterator[Callable[[], AbstractContextManager[Place]]]:
    """Yield the places that are asked for: by default both, where a cluster is named."""
    both = asked.local == asked.cluster
    if asked.local or both:
        yield this_machine
    if asked.cluster or (both and cluster_is_named()):
        if not cluster_is_named():
            raise SystemExit('No cluster is named: eval "$(make -s rig-env)", or set BYOK8S_TEST_KUBECONFIG.')
        yield the_cluster


def _check_names(names: Sequence[str], there: Sequence[str]) -> None:
    if unknown := sorted(set(names) - set(there)):
        raise SystemExit(f"Snakemake {corpus.VERSION} has no test {', '.join(unknown)}.")


def _judged(
    chosen: Sequence[Case], place: Place, what_is_known: known.Known, at_once: int
) -> Iterator[Verdict | None]:
    """Run the tests and tell of each; None for one that could not be judged."""
    run = uuid.uuid4().hex[:8]

    def one(case: Case) -> Verdict | None:
        try:
            verdict = judge(case, place, what_is_known, run)
        except ValueError as error:
            print(f"{place.name} {case.name}: NO ORACLE: {error}", flush=True)
            return None
        results.keep(verdict)
        print(f"{place.name} {case.name}: {_words(verdict)} ({verdict.seconds} s)", flush=True)
        return verdict

    with ThreadPoolExecutor(at_once) as threads:
        yield from threads.map(one, chosen)


def _words(verdict: Verdict) -> str:
    if verdict.fault:
        return f"WRONG: {verdict.fault}"
    return verdict.known.why if verdict.known and verdict.different else "right"


if __name__ == "__main__":
    sys.exit(main())
