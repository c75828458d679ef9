"""Tries upstream with the faults of docs/faults.md, and prints a line for each: see bench/README.md.

usage: eval "$(make -s rig-env)"; PYTHONPATH=tests/helpers .venv/bin/python bench/faults.py [ROW ...]
"""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import leavings
import report
import upstream
from byok8s import s3
from byok8s.errors import Byok8sError
from byok8s.kube import Context, KubeClient
from common import BenchError, alone, need_rig
from experiment import Experiment
from measure import prefix
from namespace import bench_namespace
from rig_control import PIDS
from rows import ROWS
from sandbox import Sandbox

LIMIT_SECONDS = 240


def main() -> None:
    options = _options()
    try:
        _try_rows(options)
    except (BenchError, Byok8sError) as error:
        sys.exit(f"bench: {error}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Try upstream with the faults of docs/faults.md.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="rows:\n" + "\n".join(f"  {name:16} {row.title}" for name, row in ROWS.items()),
    )
    parser.add_argument("rows", nargs="*", choices=ROWS, metavar="ROW", help="[default: all]")
    parser.add_argument(
        "--limit", type=float, default=LIMIT_SECONDS, metavar="SECONDS",
        help=f"a process of upstream that takes longer is ended [default: {LIMIT_SECONDS}]",
    )  # fmt: skip
    parser.add_argument(
        "--at-once", type=int, default=1, metavar="N",
        help="try so many rows at a time, but those that break a part of the rig one by one [default: 1]",
    )  # fmt: skip
    parser.add_argument("--logs", type=Path, metavar="FOLDER", help="keep what upstream says there")
    return parser.parse_args()


def _try_rows(options: argparse.Namespace) -> None:
    need_rig()
    if not PIDS.is_dir():
        raise BenchError("Only the test rig's parts can be killed: BYOK8S_TEST_KUBECONFIG must be the rig's.")
    names = options.rows or list(ROWS)
    with ExitStack() as stack:
        alone(stack)
        theirs = upstream.Upstream()
        url = stack.enter_context(upstream.serve(theirs.wheels))
        folder = options.logs or Path(stack.enter_context(TemporaryDirectory(prefix="byok8s-bench-")))
        folder.mkdir(parents=True, exist_ok=True)
        with bench_namespace() as here:
            precommand, words = upstream.prepare_pods(here, url)
            cluster = here.cluster()
        bench = Bench(theirs, url, precommand, folder.resolve(), options.limit)
        before = os.getloadavg()[0]
        with ThreadPoolExecutor(options.at_once) as pool:
            list(pool.map(bench.try_row, [name for name in names if not ROWS[name].shared]))
        for name in names:
            if ROWS[name].shared:
                bench.try_row(name)
        notes = [_when_and_what(theirs), *report.circumstances(cluster, (before, os.getloadavg()[0])), *words]
        print("\n".join(f"- {note}" for note in notes))


def _when_and_what(theirs: upstream.Upstream) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in theirs.versions().items())
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; upstream: {versions}"


@dataclass(frozen=True)
class Bench:
    """What all rows have in common. folder: for what upstream says. limit: seconds that a process may take."""

    theirs: upstream.Upstream
    wheels_url: str
    precommand: str
    folder: Path
    limit: float

    def try_row(self, name: str) -> None:
        print(f"{name}: {self._come_of(name)}", flush=True)

    def _come_of(self, name: str) -> str:
        with ExitStack() as stack:
            here = stack.enter_context(bench_namespace())
            whole = stack.enter_context(prefix(here.namespace))
            bucket = s3.Bucket(whole.name, f"{whole.prefix}/run", whole.endpoint_url)
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="byok8s-bench-")))
            kubeconfig = folder / "kubeconfig"
            here.user("user", kubeconfig)
            work = folder / "work"
            work.mkdir()
            cluster = Sandbox(
                KubeClient(Context()), here.namespace, bucket, work, self._environment(kubeconfig)
            )
            experiment = Experiment(
                cluster, self.theirs, self.precommand, self.limit, self.folder / name, stack
            )
            try:
                ends = ROWS[name].act(experiment)
            except AssertionError as error:
                return f"could not be tried: {error}"
            experiment.keep_logs()
            words = [f"{number}. {end}" if len(ends) > 1 else str(end) for number, end in enumerate(ends, 1)]
            return "; ".join([leavings.look(cluster, ROWS[name].outputs), *words])

    def _environment(self, kubeconfig: Path) -> dict[str, str]:
        return {
            **os.environ,
            **upstream.environment(self.wheels_url),
            "KUBECONFIG": str(kubeconfig),
            "XDG_CONFIG_HOME": str(kubeconfig.with_name("none")),
            "PYTHONUNBUFFERED": "1",
        }


if __name__ == "__main__":
    main()
