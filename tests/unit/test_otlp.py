"""A run's record as OpenTelemetry traces: what a collector gets, and that no collector can harm a run."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from byok8s.errors import CollectorError, InputError
from byok8s.history.event import Event, line, milliseconds, parsed
from byok8s.otlp import export
from byok8s.otlp.address import address, shown
from byok8s.report.figures import figures
from collector_standin import Collector, Span, collecting
from records import FACTS, RUN, START, at, given, many, worker

POD = "worker-0"
A, B, C = "aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"
OK, ERROR = 1, 2  # of OTLP's status
INTERNAL, SERVER = 1, 2  # of its kinds
STARTED, ENDED = at(0, "run.started", **FACTS), at(40, "run.ended", exit=0, state="COMPLETE")
LIFE = worker(POD, 2, 5, 9, 12, 38)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "EVERY_SECONDS", 0.02)
    for name in ("ENDPOINT", "TRACES_ENDPOINT", "HEADERS"):
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{name}", raising=False)


def nanoseconds(second: float) -> int:
    return START * 1_000_000 + round(second * 1e9)


def in_order(*events: Event) -> list[Event]:
    return sorted(events, key=lambda event: str(event["time"]))


def job(
    id_: str, give: float, begin: float, end: float, rule: str = "sort", /, **ending: object
) -> list[Event]:
    return [
        given(give, id_, rule, wildcards={"sample": id_[0]}, mem_mb=900),
        at(begin, "job.began", id=id_, pod=POD),
        at(
            end, "job.ended", **{"id": id_, "state": "COMPLETE", "exit": 0, "pod": POD, "node": "n", **ending}
        ),
    ]


def phases(end: float, id_: str, fetch: float, run: float, store: float) -> list[Event]:
    taken = {"fetched": fetch, "ran": run, "stored": store}
    return [at(end, f"job.{name}", id=id_, seconds=seconds) for name, seconds in taken.items()]


def sent(collector: Collector, *events: Event) -> dict[str, Span]:
    """Return the spans that a collector has of a record, by their names and those of what they are within."""
    count = export.send(address(collector.url), RUN, events)
    assert len(collector.spans) == count
    by_id = {span.id: span for span in collector.spans}
    return {"/".join(_names(span, by_id)): span for span in collector.spans}


def _names(span: Span, by_id: dict[str, Span]) -> list[str]:
    return [*(_names(by_id[span.parent], by_id) if span.parent else []), span.name]


# -- what is sent --


def test_a_run_is_a_tree_of_its_jobs_and_their_phases_with_the_times_of_the_record(
    collector: Collector,
) -> None:
    events = in_order(STARTED, *LIFE, *phases(19, A, 1.5, 4, 0.5), *job(A, 1, 12, 20), ENDED)
    found = sent(collector, *events)
    times = {name: (span.begin, span.end) for name, span in found.items()}
    assert times == {
        "RUN rnaseq": (nanoseconds(0), nanoseconds(40)),
        "RUN rnaseq/sort": (nanoseconds(1), nanoseconds(20)),
        "RUN rnaseq/sort/node": (nanoseconds(2), nanoseconds(5)),
        "RUN rnaseq/sort/pull": (nanoseconds(5), nanoseconds(9)),
        "RUN rnaseq/sort/start": (nanoseconds(9), nanoseconds(12)),
        "RUN rnaseq/sort/fetch": (nanoseconds(12), nanoseconds(13.5)),
        "RUN rnaseq/sort/run": (nanoseconds(13.5), nanoseconds(17.5)),
        "RUN rnaseq/sort/store": (nanoseconds(17.5), nanoseconds(18)),
    }
    assert {span.trace for span in found.values()} == {found["RUN rnaseq"].trace}
    assert {span.status for span in found.values()} == {0}
    assert [name for name, span in found.items() if span.kind != INTERNAL] == ["RUN rnaseq"]
    assert collector.paths == ["/v1/traces"]


def test_attributes_are_those_of_the_conventions_and_of_the_record(collector: Collector) -> None:
    ending: dict[str, object] = {
        "max_rss": 7.5,
        "cpu_time": 3.5,
        "io_in": 0.5,
        "io_out": 2.25,
        "fetched_bytes": 10,
        "cached_bytes": 0,
        "stored_bytes": 20,
    }
    found = sent(collector, *in_order(STARTED, *job(A, 1, 12, 20, **ending), ENDED))
    whole, one = found["RUN rnaseq"], found["RUN rnaseq/sort"]
    record = f"s3://lab/rnaseq/.byok8s/runs/{RUN}"
    assert whole.kind == SERVER
    assert whole.attributes == {
        "cicd.pipeline.action.name": "RUN",
        "cicd.pipeline.name": "rnaseq",
        "cicd.pipeline.run.id": RUN,
        "cicd.pipeline.run.url.full": record,
        "cicd.pipeline.result": "success",
        "process.exit.code": 0,
        "byok8s.context": "lab",
        "byok8s.bucket": "s3://lab/rnaseq",
        "byok8s.kubernetes": "v1.29.3",
        "byok8s.image": FACTS["image"],
        "snakemake.version": "9.27.1",
    }
    assert one.attributes == {
        "cicd.pipeline.task.name": "sort",
        "cicd.pipeline.task.run.id": A,
        "cicd.pipeline.task.run.result": "success",
        "cicd.worker.name": POD,
        "process.exit.code": 0,
        "k8s.pod.name": POD,
        "k8s.node.name": "n",
        "snakemake.wildcards.sample": "a",
        "byok8s.job.name": f"sort-{A}",
        "byok8s.job.attempt": 1,
        "byok8s.job.threads": 1,
        "byok8s.job.mem_mb": 900,
        "byok8s.job.max_rss": 7.5,
        "byok8s.job.cpu_time": 3.5,
        "byok8s.job.io_in": 0.5,
        "byok8s.job.io_out": 2.25,
        "byok8s.job.fetched_bytes": 10,
        "byok8s.job.cached_bytes": 0,
        "byok8s.job.stored_bytes": 20,
    }
    own = {
        "service.name": "byok8s",
        "service.version": "0.1.0",
        "cicd.pipeline.name": "rnaseq",
        "cicd.pipeline.run.id": RUN,
        "vcs.ref.head.revision": FACTS["commit"],
        "k8s.namespace.name": "ada",
    }
    assert own.items() <= whole.resource.items()


@pytest.mark.parametrize(
    ("state", "cause", "result", "error"),
    [
        ("EXECUTOR_ERROR", "exit-code", "failure", "exit-code"),
        ("SYSTEM_ERROR", "evicted", "error", "evicted"),
        ("SYSTEM_ERROR", "", "error", "SYSTEM_ERROR"),
    ],
)
def test_a_failure_is_an_error_by_its_name(
    collector: Collector, state: str, cause: str, result: str, error: str
) -> None:
    failed = job(A, 1, 2, 3, state=state, cause=cause, why="it went wrong", exit=3)
    found = sent(collector, STARTED, *failed, at(4, "run.ended", exit=1, state="EXECUTOR_ERROR"))
    one, whole = found["RUN rnaseq/sort"], found["RUN rnaseq"]
    assert (one.status, one.words) == (ERROR, "it went wrong")
    assert one.attributes["cicd.pipeline.task.run.result"] == result
    assert one.attributes["error.type"] == error
    assert (whole.status, whole.attributes["cicd.pipeline.result"]) == (ERROR, "failure")
    assert whole.attributes["error.type"] == "EXECUTOR_ERROR"
    assert whole.attributes["process.exit.code"] == 1


def test_tries_of_a_job_are_spans_of_their_own(collector: Collector) -> None:
    first = job(f"{A}-1", 1, 2, 3, state="SYSTEM_ERROR", cause="evicted", why="gone")
    sent(collector, STARTED, *first, *job(f"{A}-2", 3, 4, 5), ENDED)
    tries = [span for span in collector.spans if span.attributes.get("cicd.pipeline.task.name")]
    assert [span.attributes["cicd.pipeline.task.run.id"] for span in tries] == [f"{A}-1", f"{A}-2"]
    assert [span.status for span in tries] == [ERROR, 0]


def test_what_is_interrupted_is_cancelled_and_no_error(collector: Collector) -> None:
    begun = [given(1, A), at(2, "job.began", id=A, pod=POD), given(3, B, "other")]
    found = sent(collector, STARTED, *begun, at(9, "run.ended", exit=130, state="CANCELED"))
    assert found["RUN rnaseq"].attributes["cicd.pipeline.result"] == "cancellation"
    for name in ("sort", "other"):
        one = found[f"RUN rnaseq/{name}"]
        assert (one.status, one.end) == (0, nanoseconds(9))
        assert one.attributes["cicd.pipeline.task.run.result"] == "cancellation"


def test_a_run_whose_controller_was_killed_ends_with_its_record_as_an_error(collector: Collector) -> None:
    found = sent(
        collector, STARTED, given(1, A), at(2, "job.began", id=A, pod=POD), at(7, "api.away", why="-")
    )
    whole, one = found["RUN rnaseq"], found["RUN rnaseq/sort"]
    assert (whole.end, whole.status, whole.attributes["error.type"]) == (nanoseconds(7), ERROR, "LOST")
    assert (one.end, one.status) == (nanoseconds(7), ERROR)


def test_each_job_of_a_large_record_has_a_span_that_its_phases_fill_as_reported(collector: Collector) -> None:
    """By the events themselves, and by what the report makes of them."""
    events = list(parsed(many(600, 7)))
    export.send(address(collector.url), RUN, events)
    times: dict[object, list[int | None]] = {}
    for event in events:
        if event["event"] in ("job.given", "job.ended"):
            times.setdefault(event["id"], []).append(milliseconds(event))
    jobs = {span.attributes.get("cicd.pipeline.task.run.id"): span for span in collector.spans}
    del jobs[None]
    assert {id_: [span.begin // 1_000_000, span.end // 1_000_000] for id_, span in jobs.items()} == times
    by_parent: dict[str, dict[str, Span]] = {}
    for span in collector.spans:
        by_parent.setdefault(span.parent, {})[span.name] = span
    reported = figures(RUN, events, 0, alive=False).spent
    for id_, span in jobs.items():
        phases = by_parent.get(span.id, {})
        took = {name: phase.end - phase.begin for name, phase in phases.items()}
        spent = {k: round(v * 1e6) for k, v in reported[str(id_)]._asdict().items() if v}
        assert took == {k: v for k, v in spent.items() if k not in ("queue", "handover")}
        assert all(span.begin <= phase.begin <= phase.end <= span.end for phase in phases.values())
    assert len(jobs) == 600
    assert len({span.id for span in collector.spans}) == len(collector.spans)
    assert max(collector.sizes) <= export.MOST_SPANS
    assert len(collector.sizes) > 3


def test_a_name_that_is_no_utf_8_hinders_nothing(collector: Collector) -> None:
    odd = "\udcff.txt"
    (event,) = parsed(line(START, "job.given", {"id": A, "rule": odd, "name": odd, "wildcards": {odd: odd}}))
    found = sent(collector, STARTED, event, at(3, "job.ended", id=A, state="COMPLETE"), ENDED)
    assert found["RUN rnaseq/?.txt"].attributes["snakemake.wildcards.?.txt"] == "?.txt"


def test_the_usual_variables_are_honoured_and_what_they_hold_is_in_no_span(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=hush")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "team=genomes")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "pipelines")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"{collector.url}/base/")
    started = {**STARTED, "command": "byok8s wf p -- --config token=hush"}
    export.send(address("env"), RUN, [started, *job(A, 1, 2, 3), ENDED])
    assert collector.headers["api-key"] == "hush"
    assert collector.paths == ["/base/v1/traces"]
    assert collector.spans[0].resource["team"] == "genomes"
    assert collector.spans[0].resource["service.name"] == "pipelines"
    assert "hush" not in repr(collector.spans)


# -- while a run goes on --


class Writing:
    """A run's events, as its controller writes them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "events.jsonl"

    def add(self, *events: Event) -> None:
        with self.path.open("a") as file:
            file.writelines(json.dumps(event) + "\n" for event in events)


def test_jobs_are_sent_as_they_end_and_the_run_when_it_does(collector: Collector, tmp_path: Path) -> None:
    record, told = Writing(tmp_path), list[str]()
    with export.sent(address(collector.url), RUN, record.path, told.append):
        record.add(STARTED, *job(A, 1, 2, 3))
        collector.wait(1)
        assert collector.spans[0].name == "sort"
        record.add(*job(B, 1, 2, 3, "other"), ENDED)
    collector.wait(3)
    assert [span.name for span in collector.spans] == ["sort", "other", "RUN rnaseq"]
    assert told == []


def test_a_resumed_run_sends_what_its_new_controller_sees_and_then_the_whole(
    collector: Collector, tmp_path: Path
) -> None:
    record = Writing(tmp_path)
    record.add(STARTED, *job(A, 1, 2, 3))
    with export.sent(address(collector.url), RUN, record.path, pytest.fail):
        record.add(at(10, "run.started", **{**FACTS, "resumed": True}), *job(B, 11, 12, 13), ENDED)
    collector.wait(2)
    ids = [span.attributes.get("cicd.pipeline.task.run.id") for span in collector.spans]
    assert [id_ for id_ in ids if id_] == [B]
    assert collector.spans[-1].begin == nanoseconds(0)
    alone = export.send(address(collector.url), RUN, parsed(record.path.read_bytes()))
    assert alone == 3
    assert collector.spans[-2].id == collector.spans[0].id, "sent again, it is the same span"


@pytest.mark.parametrize(("trouble", "why"), [(500, "it answers 500"), (401, "it answers 401")])
def test_a_collector_that_takes_nothing_is_said_once_and_gets_all_when_it_does(
    collector: Collector, tmp_path: Path, trouble: int, why: str
) -> None:
    record, told = Writing(tmp_path), list[str]()
    collector.trouble = trouble
    with export.sent(address(collector.url), RUN, record.path, told.append):
        record.add(STARTED, *job(A, 1, 2, 3), *job(B, 1, 2, 3))
        collector.wait_for_requests(4)
        collector.trouble = ""
        collector.wait(2)
        record.add(ENDED)
    collector.wait(3)
    assert [span.name for span in collector.spans] == ["sort", "sort", "RUN rnaseq"]
    assert len(told) == 1
    assert why in told[0]
    assert f"`byok8s trace {RUN} --otlp URL`" in told[0]


def test_a_collector_that_is_away_is_said_once_and_the_runs_end_does_not_wait(tmp_path: Path) -> None:
    record, told = Writing(tmp_path), list[str]()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with export.sent(address(url), RUN, record.path, told.append):
            record.add(STARTED, *job(A, 1, 2, 3), ENDED)
        with pytest.raises(CollectorError, match="Connection refused"):
            export.send(address(url), RUN, [STARTED, ENDED])
    assert len(told) == 1
    assert "does not take the record of the run: it does not answer (Connection refused)." in told[0]


def test_a_collector_that_hangs_does_not_keep_a_run_from_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "LAST_SECONDS", 0.2)
    record, told = Writing(tmp_path), list[str]()
    with collecting("hangs") as collector:
        with export.sent(address(collector.url), RUN, record.path, told.append):
            record.add(STARTED, *job(A, 1, 2, 3), ENDED)
            collector.wait_for_requests(1)
        assert len(told) == 1
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
        with pytest.raises(CollectorError, match="timed out"):
            export.send(address(collector.url), RUN, [STARTED, ENDED])


def test_a_run_that_is_refused_sends_nothing(collector: Collector, tmp_path: Path) -> None:
    with export.sent(address(collector.url), RUN, tmp_path / "none" / "events.jsonl", pytest.fail):
        collector.wait_for_requests(1)
    assert collector.spans == []


# -- where to, and whether it can be --


@pytest.mark.parametrize(
    ("said", "url"),
    [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("https://collector/otel/", "https://collector/otel/v1/traces"),
        ("http://collector:4318/v1/traces", "http://collector:4318/v1/traces"),
    ],
)
def test_the_path_of_traces_is_added(said: str, url: str) -> None:
    assert address(said) == url


@pytest.mark.parametrize(
    "said", ["collector:4318", "params-blue", "grpc://c", "http://", "http://c:port", "env"]
)
def test_what_is_no_collector_is_refused(said: str) -> None:
    with pytest.raises(InputError):
        address(said)


@pytest.mark.parametrize("said", ["https://ada:hush@collector", "https://collector/v1/traces?key=hush"])
def test_a_secret_in_the_url_is_refused_and_not_said(said: str) -> None:
    with pytest.raises(InputError) as raised:
        address(said)
    assert "hush" not in str(raised.value)


def test_the_environments_url_may_have_secrets_which_are_not_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://ada:hush@c:1/own?key=hush")
    assert address("env") == "https://ada:hush@c:1/own?key=hush"
    assert shown(address("env")) == "https://c:1/own"


def python(code: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


SLOW_END = """
import sys, threading, time
from pathlib import Path
from byok8s.otlp import export
told, events = threading.Event(), Path("events.jsonl")
with export.sent(sys.argv[1], "run-1", events, lambda words: told.set()):
    told.wait()
    events.write_text(sys.argv[2])
threading.Thread(target=time.sleep, args=(1,)).start()
"""


def test_a_collector_that_refuses_to_the_end_is_left_alone_when_the_program_ends(
    collector: Collector, tmp_path: Path
) -> None:
    """What OpenTelemetry then asked of Python, Python refuses at its end: a traceback was a run's last word."""
    collector.trouble = 500
    record = "".join(json.dumps(event) + "\n" for event in [STARTED, *job(A, 1, 2, 3)])
    done = python(SLOW_END, tmp_path, address(collector.url), record)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert collector.paths == ["/v1/traces"], "the question whether it takes any"


WITHOUT = """
import sys
sys.modules["opentelemetry.sdk.trace"] = None
from byok8s.cli import main
main()
"""


@pytest.mark.parametrize("command", [["run", "-s", "Snakefile", "--local"], ["trace"]])
def test_a_missing_extra_is_said_before_anything_is_created(tmp_path: Path, command: Sequence[str]) -> None:
    (tmp_path / "Snakefile").write_text("rule t:\n    output: 'a'\n    shell: 'touch {output}'\n")
    done = python(WITHOUT, tmp_path, *command, "--otlp", "http://127.0.0.1:1")
    assert done.returncode == 2, done.stderr
    assert "pip install 'byok8s[otlp]'" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["Snakefile"]


def test_without_the_flag_nothing_of_it_is_loaded(tmp_path: Path) -> None:
    code = "import sys, byok8s.run.flow, byok8s.cli.trace; print([m for m in sys.modules if 'opentelemetry' in m])"
    assert python(code, tmp_path).stdout == "[]\n"
