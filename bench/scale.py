"""How byok8s' controller does with thousands of jobs, the workers' work stood in for: see bench/README.md.

usage: eval "$(make -s rig-env)"; .venv/bin/python bench/scale.py --jobs 10000
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import report
from byok8s import s3
from byok8s.errors import Byok8sError
from byok8s.kube import Object
from byok8s.kube.objects import text
from common import OURS, BenchError, alone, need_rig, say
from controller import CPU_REQUEST_SHARE, Sample
from counting_proxy import Counter as Proxy
from counting_proxy import counting
from measure import keys, prefix, run
from namespace import AUDIT_LOG, AuditLog, BenchNamespace, bench_namespace

NULL = "null"
CONTROLLER = Path(__file__).with_name("controller.py")
LIMIT_SECONDS = 3600
SAMPLES = 10
GOAL_MS = 5.0  # of CPU time a job
GOAL_MIB = 8.0  # of memory, between the first sample and the last: what counts as flat
OF_A_POD = ("create pods", "get pods/exec", "delete pods")
SNAKEFILE = """
rule one:
    input: "in-{i}.txt"
    output: "out-{i}.txt"
    resources: mem_mb=256
    shell: "echo {wildcards.i} > {output}"
"""
FAR_SECONDS = 0.05  # to an S3 server that is not near
QUESTIONS = ("LIST", "HEAD", "GET")  # also of the workers, which connect before their orders


@dataclass(frozen=True)
class Case:
    side: str
    jobs: int
    workers: int
    far: bool = False

    @property
    def name(self) -> str:
        return f"{self.side}-{self.jobs}-{self.workers}" + ("-far" if self.far else "")

    @property
    def targets(self) -> list[str]:
        """Files, not a rule that has them all as input: Snakemake would fetch them all in the end."""
        return [f"out-{number}.txt" for number in range(self.jobs)]


@dataclass(frozen=True)
class Found:
    """One run.

    requests: to the API server, by what they are; none if nobody counts them. questions: to S3, by their kind; only
    of a run with a far S3 server. questions_after: those asked once the run was planned.
    """

    case: Case
    samples: list[Sample]
    requests: Counter[str]
    questions: Counter[str]
    questions_after: Counter[str]

    @property
    def cpu_ms(self) -> float:
        return self._a_job([sample.cpu for sample in self.samples])

    @property
    def submitting_ms(self) -> float:
        return self._a_job([sample.submitting for sample in self.samples])

    @property
    def collecting_ms(self) -> float:
        return self._a_job([sample.collecting for sample in self.samples])

    @property
    def own_ms(self) -> float:
        return self.submitting_ms + self.collecting_ms

    @property
    def further_ms(self) -> float:
        """Without the first tenth, in which the run and its workers are started."""
        jobs = self.samples[-1].done - self.samples[1].done
        return (self.samples[-1].own - self.samples[1].own) / jobs * 1000

    @property
    def seconds(self) -> float:
        return self.samples[-1].seconds - self.samples[0].seconds

    @property
    def growth(self) -> float:
        return self.samples[-1].memory - self.samples[1].memory

    def _a_job(self, seconds: list[float]) -> float:
        return (seconds[-1] - seconds[0]) / self.case.jobs * 1000


def main() -> None:
    options = _options()
    try:
        _measure(options)
    except (BenchError, Byok8sError) as error:
        sys.exit(f"bench: {error}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Measure byok8s' controller with many jobs, without their work."
    )
    parser.add_argument("--jobs", type=int, default=10_000, metavar="N", help="[default: 10000]")
    parser.add_argument("--workers", type=int, default=16, metavar="N", help="at once [default: 16]")
    parser.add_argument(
        "--limit", type=float, default=LIMIT_SECONDS, metavar="SECONDS",
        help=f"a run that takes longer is killed [default: {LIMIT_SECONDS}]",
    )  # fmt: skip
    parser.add_argument(
        "--scheduler", metavar="NAME", help="Snakemake's, instead of byok8s' default [default: none]"
    )
    parser.add_argument("--logs", type=Path, metavar="FOLDER", help="keep the output of all runs there")
    options = parser.parse_args()
    if options.jobs % (SAMPLES**2):
        parser.error(
            f"--jobs must be a multiple of {SAMPLES**2}: a tenth of them is run, too, and sampled as often"
        )
    return options


def _measure(options: argparse.Namespace) -> None:
    need_rig()
    with ExitStack() as stack:
        alone(stack)
        here = stack.enter_context(bench_namespace())
        folder = options.logs or Path(stack.enter_context(TemporaryDirectory(prefix="byok8s-scale-")))
        bucket = stack.enter_context(prefix(here.namespace))
        audit, source, before = AuditLog(), report.source(), os.getloadavg()[0]
        cases = [
            Case(OURS, options.jobs // 10, 2),
            Case(OURS, options.jobs // 10, options.workers),
            Case(OURS, options.jobs // 10, options.workers, far=True),
            Case(NULL, options.jobs, options.workers),
            Case(OURS, options.jobs, options.workers),
        ]
        few, near, far, null, ours = (
            _run(case, here, audit, bucket, folder.resolve(), options) for case in cases
        )
        words = [*_words(), *report.circumstances(here.cluster(), (before, os.getloadavg()[0]))]
        if not audit:
            words.append(f"API requests were not counted: {AUDIT_LOG} names no audit log")
        if report.source() != source:
            words.append("byok8s' source changed while this was measured")
    print(_growth(ours, null))
    if audit:
        print(_requests([few, near, ours]))
    print(_far(near, far))
    print(_verdict(ours, null))
    print("\n".join(f"- {word}" for word in words))


def _run(
    case: Case,
    here: BenchNamespace,
    audit: AuditLog,
    bucket: s3.Bucket,
    parent: Path,
    options: argparse.Namespace,
) -> Found:
    folder = parent / case.name
    folder.mkdir(parents=True)
    (folder / "Snakefile").write_text(SNAKEFILE)
    (folder / "workflow.json").write_text(json.dumps({"workflow_target": case.targets}))
    (folder / "params.json").write_text("{}")
    mine = s3.Bucket(bucket.name, f"{bucket.prefix}/{case.name}", bucket.endpoint_url)
    kubeconfig, result, log = (parent / f"{case.name}.{kind}" for kind in ("kubeconfig", "json", "log"))
    user = here.user(case.name, kubeconfig)
    _put_inputs(mine, case.jobs)
    environment = {
        **os.environ,
        "KUBECONFIG": str(kubeconfig),
        "XDG_CONFIG_HOME": str(parent / "none"),
        "BYOK8S_S3_BUCKET": f"{mine.name}/{mine.prefix}",
        "BYOK8S_K8S_NAMESPACE": here.namespace,
    }
    command = [sys.executable, str(CONTROLLER), case.side, str(case.jobs // SAMPLES), str(result)]
    command += ["workflow", "params", "--jobs", str(case.workers)]
    command += ["--", "--scheduler", options.scheduler] if options.scheduler else []
    with _way_to_s3(mine, far=case.far) as proxy:
        environment |= {"BYOK8S_S3_ENDPOINT_URL": proxy.url} if proxy else {}
        code = run(command, folder, environment, log, options.limit)
    if code != 0:
        what = f"exit code {code}" if code is not None else f"ended after {options.limit:.0f} s"
        raise BenchError(f"{case.name}: {what}. The end of its output:\n{log.read_text()[-3000:]}")
    stored = keys(s3.connect(mine.endpoint_url), mine)
    if (there := sum("/out-" in key for key in stored)) != case.jobs:
        raise BenchError(f"{case.name}: {there} outputs of {case.jobs} are in the bucket.")
    requests = Counter(map(_what, audit.events(user)))
    crowding = here.crowding()
    here.clear()
    samples = [Sample(**sample) for sample in json.loads(result.read_text())]
    asked, after = _questions(proxy, 0.0), _questions(proxy, samples[0].seconds)
    found = Found(case, samples, requests, asked, after)
    say(
        f"{case.name}: {found.seconds:.0f} s, {found.cpu_ms:.2f} ms of CPU a job, of it the executor's "
        f"{found.own_ms:.2f}" + (f" (pods waited: {crowding})" if crowding else "")
    )
    return found


def _put_inputs(bucket: s3.Bucket, jobs: int) -> None:
    client = s3.connect(bucket.endpoint_url)
    with ThreadPoolExecutor(16) as threads:
        keys = (f"{bucket.prefix}/in-{number}.txt" for number in range(jobs))
        for _ in threads.map(lambda key: client.put_object(Bucket=bucket.name, Key=key, Body=b"in\n"), keys):
            pass


@contextmanager
def _way_to_s3(bucket: s3.Bucket, *, far: bool) -> Iterator[Proxy | None]:
    """Have a proxy on the way, at the server's own address, which pods reach."""
    if not far:
        yield None
        return
    url = bucket.endpoint_url or ""
    with counting(url, urlsplit(url).hostname or "", FAR_SECONDS) as proxy:
        yield proxy


def _questions(proxy: Proxy | None, since: float) -> Counter[str]:
    """Count what was asked since a moment of time.monotonic(), which is the same in all processes."""
    if not proxy:
        return Counter()
    asked = list(zip(proxy.times, proxy.requests, strict=False))
    return Counter(request.partition(" ")[0] for moment, request in asked if moment >= since)


def _far(near: Found, far: Found) -> str:
    asked = ", ".join(f"{far.questions[kind]} {kind}" for kind in QUESTIONS)
    after = sum(far.questions_after[kind] for kind in QUESTIONS)
    return (
        f"S3 server {FAR_SECONDS * 1000:.0f} ms away, {far.case.jobs} jobs: {far.seconds:.0f} s instead of "
        f"{near.seconds:.0f} s; controller and workers asked {asked}, of it {after} after planning: "
        f"{after / far.case.jobs:.2f} a job, each with an input\n"
    )


def _what(event: Object) -> str:
    """Verb and resource, as in rules of RBAC: `get pods/exec`."""
    names = [text(event, "objectRef", "resource"), text(event, "objectRef", "subresource")]
    resource = "/".join(filter(None, names)) or text(event, "requestURI")
    return f"{text(event, 'verb')} {resource}"


def _growth(ours: Found, null: Found) -> str:
    head = (
        "jobs done",
        "byok8s: MiB",
        "null: MiB",
        "byok8s: CPU s",
        "null: CPU s",
        "of byok8s' its own: CPU s",
    )
    start, null_start = ours.samples[0].cpu, null.samples[0].cpu
    rows = [
        (
            str(a.done),
            f"{a.memory:.1f}",
            f"{b.memory:.1f}",
            f"{a.cpu - start:.2f}",
            f"{b.cpu - null_start:.2f}",
            f"{a.own:.2f}",
        )
        for a, b in zip(ours.samples, null.samples, strict=True)
    ]
    return report.columns([head, *rows]) + "\n"


def _requests(found: list[Found]) -> str:
    head = ("API requests", *(f"{one.case.jobs} jobs, {one.case.workers} workers" for one in found))
    counts = [one.requests for one in found]
    rows = [(kind, *(str(count[kind]) for count in counts)) for kind in sorted(set().union(*counts))]
    beside = [sum(n for kind, n in count.items() if kind not in OF_A_POD) for count in counts]
    sums = [
        ("all", *(str(count.total()) for count in counts)),
        (f"beside {', '.join(OF_A_POD)}", *map(str, beside)),
    ]
    return report.columns([head, *rows, *sums]) + "\n"


def _verdict(ours: Found, null: Found) -> str:
    growth = ours.growth - null.growth
    first, last = ours.samples[1].done, ours.samples[-1].done
    return (
        f"CPU time a job: byok8s' own {ours.own_ms:.2f} ms (submitting {ours.submitting_ms:.2f}, watching and "
        f"collecting {ours.collecting_ms:.2f}; {ours.further_ms:.2f} without the first tenth); goal {GOAL_MS:.0f}: "
        f"{'met' if ours.own_ms <= GOAL_MS else 'MISSED'}\n"
        f"    the whole process {ours.cpu_ms:.2f} in {ours.seconds:.0f} s; with the null executor {null.cpu_ms:.2f} in "
        f"{null.seconds:.0f} s\n"
        f"memory from {first} to {last} jobs: {ours.growth:+.1f} MiB, with the null executor {null.growth:+.1f}; "
        f"byok8s' own {growth:+.1f}; goal {GOAL_MIB:.0f}: {'met' if growth <= GOAL_MIB else 'MISSED'}\n"
    )


def _words() -> list[str]:
    return [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, N = 1",
        "STANDS IN for the workers' work only: pods, watch, streams, bucket and Snakemake are real, but in the pods no "
        "job is run: its output is put into the bucket, and nothing is said, as an `echo` into a file says nothing",
        f"workers ask for {CPU_REQUEST_SHARE} of a core each, so that many fit a small node",
        "null executor: in byok8s' place, with all else the same; another process puts a job's output: what such a run "
        "takes is Snakemake's own, its storage plugin's questions to the bucket included",
        "byok8s' own CPU time is measured in its threads and its entry points, without Snakemake's functions that are "
        "called there; from its start (after planning) until the last job is done. The difference of the two processes "
        "is more, or less: Snakemake looks at its jobs as often as some have ended, and that is not the same number",
        "each job has an input of its own, which is in the bucket; Snakemake's flags are byok8s' own defaults",
    ]


if __name__ == "__main__":
    main()
