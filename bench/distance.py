"""Measures what a distant S3 server costs a run of many short jobs: see bench/README.md.

usage: make bench-distance
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from byok8s.errors import Byok8sError
from common import OURS, BenchError, alone, need_rig, say
from distant import distant
from measure import Bench, prefix
from namespace import AuditLog, bench_namespace
from workflows import WORKFLOWS

LIMIT_SECONDS = 600


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a run of many short jobs, near S3 and far from it.")
    parser.add_argument("-n", "--repetitions", type=int, default=3, metavar="N")
    parser.add_argument("--round-trip", type=int, default=50, metavar="MS", help="[default: 50]")
    options = parser.parse_args()
    try:
        near, far = _measure(options.repetitions, options.round_trip / 1000)
    except (BenchError, Byok8sError) as error:
        sys.exit(f"bench: {error}")
    print(
        f"{WORKFLOWS['many'].count} jobs, S3 server {options.round_trip} ms away: "
        f"{median(far):.1f} s instead of {median(near):.1f} s, "
        f"{median(far) / median(near):.2f} times; medians of {len(near)}, in turn"
    )


def _measure(repetitions: int, round_trip: float) -> tuple[list[float], list[float]]:
    """Return the seconds of runs near the server, and of those far from it. A proxy is on the way of both."""
    need_rig()
    found: dict[float, list[float]] = {0.0: [], round_trip: []}
    with ExitStack() as stack:
        alone(stack)
        here = stack.enter_context(bench_namespace())
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="byok8s-bench-")))
        bucket = stack.enter_context(prefix(here.namespace))
        url = bucket.endpoint_url or ""
        ways = {
            distance: stack.enter_context(distant(url, urlsplit(url).hostname or "", distance))
            for distance in found
        }
        numbers = count()
        for number in range(repetitions):
            for distance, way in ways.items():
                os.environ["BYOK8S_S3_ENDPOINT_URL"] = way
                bench = Bench(here, AuditLog(), replace(bucket, endpoint_url=way), folder, LIMIT_SECONDS)
                seconds = bench.run(OURS, WORKFLOWS["many"], next(numbers)).seconds
                say(f"{number + 1}/{repetitions}, {distance * 1000:.0f} ms away: {seconds:.1f} s")
                found[distance].append(seconds)
    return found[0.0], found[round_trip]


if __name__ == "__main__":
    main()
