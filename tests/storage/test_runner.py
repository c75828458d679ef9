"""Described jobs, carried out as in a pod: in a process of their own, with a real S3 server and Snakemake itself."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

import snakemake_storage_plugin_byok8s as plugin
from byok8s import s3
from byok8s.worker import machinery, parsed, transfer, undeclared
from byok8s.worker import member as members
from byok8s.worker.description import (
    Action,
    Done,
    Ensure,
    File,
    JobDescription,
    Member,
    RunDescription,
    ShellSettings,
    Snakefile,
)
from byok8s.worker.job import Job
from byok8s.worker.measured import Disks
from byok8s.worker.parsed import Parsed
from byok8s.worker.process import Order, Process
from byok8s.worker.protocol import Result
from byok8s.worker.runner import Runner
from byok8s.worker.transfer import Transfer
from byok8s.worker.values import Encoded, encode
from provide import Provide
from s3_faults import Fault, failing

NO_VALUES: dict[str, Encoded] = {"items": [], "names": []}


@dataclass
class Pod:
    """Runs jobs in folders of its own. said: what the last one has written."""

    provider: plugin.StorageProvider
    bucket: str
    prefix: str
    folder: Path
    client: s3.S3Client
    run: RunDescription = field(default_factory=lambda: RunDescription(Snakefile("Snakefile")))
    said: str = ""
    jobs: int = 0

    def carry_out(self, job: JobDescription) -> Result:
        self.jobs += 1
        root = self.folder / str(self.jobs) / "work"
        root.mkdir(parents=True)
        order, process = Order(str(self.jobs), {}), Process(Work(self, job))
        process.begin(order, root)
        under_way = Job(order, root, process, Disks())
        self.said = ""
        while data := under_way.read():
            self.said += data.decode()
        return under_way.result()

    def does(self, *levels: list[Member], **more: object) -> Result:
        return self.carry_out(JobDescription(levels, **more))  # type: ignore[arg-type]

    def file(self, path: str, **more: object) -> File:
        return File(path, self.bucket, f"{self.prefix}/{path}", **more)  # type: ignore[arg-type]

    def put(self, path: str, content: str) -> None:
        self.client.put_object(Bucket=self.bucket, Key=f"{self.prefix}/{path}", Body=content.encode())

    def get(self, path: str) -> str:
        body = self.client.get_object(Bucket=self.bucket, Key=f"{self.prefix}/{path}")["Body"]
        return str(body.read().decode())

    def keys(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=self.bucket, Prefix=f"{self.prefix}/").get("Contents", [])
        return [item["Key"].removeprefix(f"{self.prefix}/") for item in found]


@dataclass(frozen=True)
class Work:
    """What the process of one job does."""

    pod: Pod
    job: JobDescription

    def get_ready(self) -> None:
        self.pod.provider.connection.open_ahead(self.pod.bucket)

    def carry_out(self, order: Order, root: Path) -> Done:
        transfer = Transfer(self.pod.provider.connection)
        return Runner(self.pod.run, self.job, root, transfer).carry_out()


def member(action: Action | str, number: int = 1, **more: object) -> Member:
    """action: a shell command, or another."""
    action = Action("shell", action) if isinstance(action, str) else action
    return Member(rule=f"rule{number}", jobid=number, threads=1, action=action, **more)  # type: ignore[arg-type]


@pytest.fixture
def pod(provide: Provide, server: s3.EmbeddedS3, client: s3.S3Client, tmp_path: Path) -> Pod:
    return Pod(provide(), server.bucket.name, f"runner/{tmp_path.name}", tmp_path / "pod", client)


def test_inputs_are_there_and_outputs_and_logs_are_stored_with_their_facts(pod: Pod) -> None:
    pod.put("in/a b.txt", "one\n")
    result = pod.does(
        [
            member(
                "cat 'in/a b.txt' > out/x.txt; echo said; echo logged > logs/l.txt",
                input=[pod.file("in/a b.txt")],
                output=[pod.file("out/x.txt")],
                log=[pod.file("logs/l.txt"), pod.file("logs/never-written.txt")],
            )
        ]
    )
    assert (result.code, result.why) == (0, "")
    assert pod.said == "said\n"
    assert (pod.get("out/x.txt"), pod.get("logs/l.txt"), pod.get("logs/never-written.txt")) == (
        "one\n",
        "logged\n",
        "",
    )
    told = {item.key.removeprefix(f"{pod.prefix}/"): item for item in result.stored}
    assert told.keys() == {"out/x.txt", "logs/l.txt", "logs/never-written.txt"}
    for path, item in told.items():
        head = pod.provider.client.head_object(Bucket=pod.bucket, Key=f"{pod.prefix}/{path}")
        assert item.size == head["ContentLength"]
        assert abs(item.mtime - head["LastModified"].timestamp()) <= 1
        assert item.etag == head["ETag"]


def test_a_command_is_run_as_it_was_formatted(pod: Pod) -> None:
    pod.run = replace(pod.run, shell=ShellSettings("set -u; GREETING='{hi}'; ", " | tr a-z A-Z"))
    command = "echo \"$GREETING {not} a {format} \\\\ 'x'\" | tee o"
    assert pod.does([member(command, output=[pod.file("o")])]).code == 0
    assert pod.get("o") == "{hi} {not} a {format} \\ 'x'\n"


def test_a_snakemake_of_another_kind_is_named(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machinery, "USED", {"snakemake.shell": ("shell.no_such_name",)})
    result = pod.does([member("true")])
    assert result.cause == "snakemake-version"
    assert "has no snakemake.shell.shell.no_such_name" in result.why


def test_a_failing_command_stores_its_logs_and_nothing_else(pod: Pod) -> None:
    result = pod.does(
        [member("echo why > l; echo half > o; exit 7", output=[pod.file("o")], log=[pod.file("l")])]
    )
    assert (result.code, result.why, result.cause) == (7, "exit code 7", "exit-code")
    assert pod.keys() == ["l"]
    assert result.stored == ()


@pytest.mark.parametrize(
    ("command", "output", "cause", "words"),
    [
        ("true", {}, "missing-output", "did not make o"),
        ("ln -s nowhere o", {}, "missing-output", "did not make o"),
        ("mkdir o", {}, "unfit-output", "wants directory()"),
        ("touch o", {"directory": True}, "unfit-output", "directory() is too much"),
        ("touch o", {"ensure": Ensure(non_empty=True)}, "unfit-output", "is empty"),
        ("echo x > o", {"ensure": Ensure(checksum="ab", algorithm="md5")}, "unfit-output", "md5"),
        ("mkdir o; ln -s nowhere o/x", {"directory": True}, "unfit-output", "a link to nothing: x"),
        ("mkdir o; ln -s . o/x", {"directory": True}, "unfit-output", "a folder that it is in"),
    ],
)
def test_an_output_that_is_not_what_it_should_be(
    pod: Pod, command: str, output: dict[str, object], cause: str, words: str
) -> None:
    result = pod.does([member(command, output=[pod.file("o", **output)])])
    assert (result.code, result.cause) == (1, cause)
    assert words in result.why
    assert all(".byok8s" in key for key in pod.keys())  # noqa: SIM118


def test_an_output_that_is_what_it_should_be(pod: Pod) -> None:
    checksum = Ensure(non_empty=True, checksum="60b725f10c9c85c70d97880dfe8191b3", algorithm="md5")
    outputs = [pod.file("o", ensure=checksum), pod.file("t", touch=True)]
    assert pod.does([member("echo a > o", output=outputs)]).code == 0
    assert (pod.get("o"), pod.get("t")) == ("a\n", "")


def test_a_directory_comes_back_whole(pod: Pod) -> None:
    make = """
        mkdir -p d/sub d/empty other; echo 1 > d/1; echo 2 > d/sub/2; echo linked > other/l
        ln -s ../other/l d/file-link; ln -s ../other d/folder-link; printf '#!/bin/sh\\necho ran' > d/run
        chmod +x d/run
    """
    first = pod.does([member(make, output=[pod.file("d", directory=True)])])
    assert first.code == 0
    (told,) = first.stored
    assert told.directory
    use = "find d | LC_ALL=C sort > o; cat d/1 d/sub/2 d/file-link d/folder-link/l >> o; d/run >> o"
    assert pod.does([member(use, input=[pod.file("d")], output=[pod.file("o")])]).code == 0
    listed = [
        "d",
        "d/1",
        "d/empty",
        "d/file-link",
        "d/folder-link",
        "d/folder-link/l",
        "d/run",
        "d/sub",
        "d/sub/2",
    ]
    assert pod.get("o").split() == [*listed, "1", "2", "linked", "linked", "ran"]


def test_an_empty_directory_is_one(pod: Pod) -> None:
    assert pod.does([member("mkdir d", output=[pod.file("d", directory=True)])]).code == 0
    assert pod.does([member("ls d > o", input=[pod.file("d")], output=[pod.file("o")])]).code == 0
    assert pod.get("o") == ""


def test_what_a_directory_had_before_is_gone(pod: Pod) -> None:
    for name in ("a", "b"):
        output = [pod.file("d", directory=True)]
        assert pod.does([member(f"mkdir d; touch d/{name}", output=output)]).code == 0
    assert pod.keys() == ["d/b"]


def test_a_directory_and_a_file_of_it_are_both_inputs(pod: Pod) -> None:
    for name in "123":
        pod.put(f"d/{name}", name)
    inputs = [pod.file("d/1"), pod.file("d"), pod.file("d/1")]
    assert pod.does([member("ls d > o", input=inputs, output=[pod.file("o")])]).code == 0
    assert pod.get("o").split() == ["1", "2", "3"]


def test_an_input_that_is_not_there_is_named(pod: Pod) -> None:
    result = pod.does([member("true", input=[pod.file("no/such")])])
    assert (result.cause, result.code) == ("missing-input", 1)
    assert f"s3://{pod.bucket}/{pod.prefix}/no/such" in result.why


def test_keys_that_would_leave_their_directory_are_refused(pod: Pod) -> None:
    pod.put("d/ok", "x")
    path = transfer._inside(Path("d"), "a/../b", "s3://b/d/a/../b")
    assert path == Path("d/b")
    with pytest.raises(transfer.Missing, match="outside"):
        transfer._inside(Path("d"), "../x", "s3://b/d/../x")


def test_an_output_that_is_updated_begins_with_what_it_was(pod: Pod) -> None:
    pod.put("o", "old\n")
    assert pod.does([member("echo new >> o", output=[pod.file("o", update=True)])]).code == 0
    assert pod.get("o") == "old\nnew\n"
    assert pod.does([member("echo new >> p", output=[pod.file("p", update=True)])]).code == 0


def test_members_of_a_group_share_their_files_and_drop_what_nobody_needs(pod: Pod) -> None:
    between = File("t")
    result = pod.does(
        [member("echo 1 > t; echo k > kept", 1, output=[between, pod.file("kept")])],
        [member("cat t kept > u", 2, input=[between, pod.file("kept")], output=[pod.file("u")])],
        [member("ls > v", 3, input=[pod.file("u")], output=[pod.file("v")])],
        drop=[[], ["t"], []],
    )
    assert (result.code, result.why) == (0, "")
    assert pod.keys() == ["kept", "u", "v"]
    assert pod.get("v").split() == ["kept", "u", "v"]


def test_the_ends_of_a_pipe_run_at_once(pod: Pod) -> None:
    pipe = File("p", pipe=True)
    reader = member("cat p > o", 2, input=[File("p")], output=[pod.file("o")])
    assert pod.does([reader, member("echo piped > p", 1, output=[pipe])]).code == 0
    assert pod.get("o") == "piped\n"


def test_a_pipe_whose_reader_fails_does_not_wait(pod: Pod) -> None:
    writer = member("while echo piped; do :; done > p", 1, output=[File("p", pipe=True)])
    result = pod.does([writer, member("head -n1 p; exit 5", 2, input=[File("p")], output=[pod.file("o")])])
    assert result.code in {5, 141}
    assert "in rule rule" in result.why


def test_a_service_is_there_for_its_users_and_ends_with_them(pod: Pod) -> None:
    service = member("mkfifo s; echo served > s; sleep 1000", 1, output=[File("s", service=True)])
    user = member("cat s > o", 2, input=[File("s")], output=[pod.file("o")])
    assert pod.does([user, service]).code == 0
    assert pod.get("o") == "served\n"


def test_members_of_a_level_run_at_once_as_far_as_their_threads_allow(pod: Pod) -> None:
    def meeting(number: int, other: int) -> Member:
        return member(
            f"touch {number}; for i in $(seq 200); do [ -e {other} ] && exit 0; sleep .05; done; exit 9",
            number,
        )

    assert pod.does([meeting(1, 2), meeting(2, 1)], cores=2).code == 0
    alone = [member("[ ! -e x ]; touch x; sleep .3; rm x", number) for number in (1, 2)]
    assert pod.does(alone, cores=1).code == 0


def test_a_script_has_its_values_and_what_lies_beside_it(pod: Pod) -> None:
    source = (
        "import helper, json\n"
        "json.dump([snakemake.params.q, snakemake.config, helper.X], open(snakemake.output[0], 'w'))\n"
    )
    values = {
        "params": {"items": ["a'b\\c"], "names": [["q", 0, None]]},
        "output": {"items": ["o"], "names": []},
        "config": encode({"k": {1: 2}}),
    }
    helper = base64.b64encode(b"X = 'helped'\n").decode()
    result = pod.does(
        [member(Action("script", source, "scripts/s.py"), output=[pod.file("o")], values=values)],
        files={"scripts/helper.py": helper},
    )
    assert result.code == 0, pod.said
    assert pod.get("o") == '["a\'b\\\\c", {"k": {"1": 2}}, "helped"]'


def test_a_benchmark_measures_as_often_as_it_is_to(pod: Pod) -> None:
    benchmark = pod.file("b.tsv")
    result = pod.does(
        [member("sleep 0.1; echo x >> o", output=[pod.file("o")], benchmark=benchmark, repeats=3)]
    )
    assert result.code == 0, pod.said
    head, *rows = pod.get("b.tsv").splitlines()
    assert head.startswith("s\th:m:s\tmax_rss")
    assert [float(row.split("\t")[0]) >= 0.1 for row in rows] == [True] * 3
    assert pod.get("o") == "x\n" * 3


SNAKEFILE = """
import os
open("parsed", "a").write("x")
N = int(os.environ.get("N_HERE", "1"))
TABLE = [N]
def helped():
    return TABLE
rule rule1:
    output: "o"
    params: p=1
    run:
        print(helped(), params.p, wildcards.w, threads, config, os.path.exists("parsed"), file=open(output[0], "w"))
        shell("echo {wildcards.w} {rule} >> {output}")
rule rule2:
    output: "o"
    run:
        raise KeyError("by the test")
"""


def function(pod: Pod, number: int = 1, **action: object) -> Member:
    values = {
        "params": {"items": [5], "names": [["p", 0, None]]},
        "wildcards": {"items": ["W"], "names": [["w", 0, None]]},
        "output": {"items": ["o"], "names": []},
    }
    return member(Action("function", **action), number, output=[pod.file("o")], values=values)  # type: ignore[arg-type]


@pytest.fixture
def snakefile(pod: Pod) -> Pod:
    folder = pod.folder / "stage"
    folder.mkdir(parents=True)
    (folder / "Snakefile").write_text(SNAKEFILE)
    config = encode({"a": 1})
    pod.run = RunDescription(Snakefile(str(folder / "Snakefile"), config=config), places=[])
    return pod


def test_code_of_the_snakefile_has_the_values_of_the_controller(snakefile: Pod) -> None:
    result = snakefile.does([function(snakefile, globals={"TABLE": encode([1, 2])})])
    assert result.code == 0, (result, snakefile.said)
    assert snakefile.get("o") == "[1, 2] 5 W 1 {'a': 1} True\nW rule1\n"


def test_a_variable_that_cannot_be_sent_and_differs_fails_by_name(snakefile: Pod) -> None:
    result = snakefile.does([function(snakefile, described={"TABLE": "[1, 2]"})])
    assert result.cause == "snakefile"
    assert "TABLE, which is [1, 2] on the user's machine, but [1] in the pod" in result.why
    assert snakefile.keys() == []


def test_a_snakefile_that_cannot_be_read_fails_by_name(snakefile: Pod) -> None:
    snakefile.run = replace(snakefile.run, snakefile=Snakefile(str(snakefile.folder / "none")))
    result = snakefile.does([function(snakefile)])
    assert (result.cause, result.code) == ("snakefile", 1)


def test_code_of_the_snakefile_that_raises_leaves_its_traceback(snakefile: Pod) -> None:
    result = snakefile.does([function(snakefile, 2)])
    assert (result.why, result.cause) == ("KeyError: 'by the test'", "exit-code")
    assert "Traceback" in snakefile.said


def test_the_snakefile_is_read_once_for_many_jobs(
    snakefile: Pod, monkeypatch: pytest.MonkeyPatch, processes: Callable[[int], None]
) -> None:
    monkeypatch.setattr(parsed, "SOCKET", snakefile.folder / "p.sock")
    stage = snakefile.folder / "stage"
    code = Parsed(snakefile.run, lambda: stage, members.run_function)
    code.start()
    code.start()
    (process,) = code.processes
    processes(process)
    for _ in range(3):
        result = snakefile.does([function(snakefile)])
        assert result.code == 0, (result, snakefile.said)
        assert snakefile.get("o") == "[1] 5 W 1 {'a': 1} False\nW rule1\n"
    assert (stage / "parsed").read_text() == "x"
    failed = snakefile.does([function(snakefile, 2)])
    assert failed.why == "KeyError: 'by the test'"
    assert "Traceback" in snakefile.said  # the output is the job's own
    assert code.processes == {process}


@pytest.fixture
def processes() -> Iterator[Callable[[int], None]]:
    """Process ids that are to be ended after the test."""
    kept: list[int] = []
    yield kept.append
    for process in kept:
        os.kill(process, 9)
        os.waitpid(process, 0)


def test_a_file_that_is_executable_stays_so(pod: Pod) -> None:
    assert pod.does([member("echo 'echo ran' > s; chmod 755 s", output=[pod.file("s")])]).code == 0
    assert pod.does([member("./s > o", input=[pod.file("s")], output=[pod.file("o")])]).code == 0
    assert pod.get("o") == "ran\n"
    mode = (pod.folder / "2" / "work" / "s").stat().st_mode
    assert stat.S_IMODE(mode) == 0o755


def test_an_upload_that_is_swallowed_on_its_way_fails_by_name(
    pod: Pod, server: s3.EmbeddedS3, provide: Provide
) -> None:
    swallow = Fault(200, "", methods=("PUT",), path="/o", everybody=True)
    with failing(server.endpoint_url, swallow) as url:
        pod.provider = provide(url=url)
        outputs = [pod.file("o"), pod.file("other")]
        result = pod.does([member("echo x | tee o > other", output=outputs)])
    assert (result.code, result.cause) == (1, "s3-unreachable")
    assert f"{pod.prefix}/o is not stored as it was sent" in result.why


def test_a_download_that_is_cut_on_its_way_fails_by_name(
    pod: Pod, server: s3.EmbeddedS3, provide: Provide
) -> None:
    pod.put("i", "0123456789" * 100)
    with failing(
        server.endpoint_url, Fault(0, "", methods=("GET",), path="/i", everybody=True, cut=5)
    ) as url:
        pod.provider = provide(url=url)
        result = pod.does([member("wc -c i", input=[pod.file("i")])])
    assert (result.code, result.cause) == (1, "s3-unreachable")
    assert "does not arrive as it is stored" in result.why


# -- what no rule declares --


def lost(result: Result) -> list[tuple[str, list[str], int]]:
    assert result.code == 0, result.why
    return [(left.rule, list(left.paths), left.count) for left in result.left]


def test_files_beside_the_outputs_are_told(pod: Pod) -> None:
    pod.put("ref/genome.fa", "ACGT\n")
    command = (
        "for of in amb ann bwt pac sa; do touch ref/genome.fa.$of; done; ln -s nowhere link; mkfifo pipe"
    )
    job = member(command, input=[pod.file("ref/genome.fa")], output=[pod.file("ref/genome.fa.bwt")])
    paths = ["link", *(f"ref/genome.fa.{of}" for of in ("amb", "ann", "pac", "sa"))]
    assert lost(pod.does([job])) == [("rule1", paths, 5)]
    assert sorted(pod.keys()) == ["ref/genome.fa", "ref/genome.fa.bwt"]


def test_what_is_no_result_is_not_told(pod: Pod) -> None:
    pod.put("in.txt", "")
    pod.put("many/a", "")
    command = (
        "mkdir -p __pycache__ .cache own/tmp; touch __pycache__/x.pyc .cache/x .snakemake/x own/tmp/x;"
        "t=$(mktemp); echo more >> in.txt; echo log > l.txt; mkdir -p d/deep; touch d/deep/x; touch gone; rm gone $t"
    )
    result = pod.does(
        [
            member(
                command,
                input=[pod.file("in.txt"), pod.file("many")],
                output=[pod.file("d", directory=True), pod.file("t", touch=True)],
                log=[pod.file("l.txt")],
                benchmark=pod.file("b.tsv"),
                tmpdir="own/tmp",
            )
        ],
        files={"lib/source.py": base64.b64encode(b"").decode()},
    )
    assert lost(result) == []


def test_a_pattern_keeps_what_it_names(pod: Pod) -> None:
    pod.run = replace(pod.run, bucket=pod.bucket, prefix=f"{pod.prefix}/")
    job = member(
        "mkdir idx; echo a > idx/a; echo b > idx/b.txt; echo c > c.txt; touch out; ln -s nothing idx/broken",
        output=[pod.file("out")],
        keep=["idx/**"],
    )
    result = pod.does([job])
    assert lost(result) == [("rule1", ["c.txt", "idx/broken"], 2)]
    assert pod.keys() == ["idx/a", "idx/b.txt", "out"]
    assert pod.get("idx/b.txt") == "b\n"
    assert [item.key.removeprefix(f"{pod.prefix}/") for item in result.stored] == [
        "idx/a",
        "idx/b.txt",
        "out",
    ]


def test_more_than_is_looked_at_is_kept_all_the_same(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undeclared, "MOST_LOOKED_AT", 5)
    pod.run = replace(pod.run, bucket=pod.bucket, prefix=f"{pod.prefix}/")
    command = "for n in $(seq 12); do touch x$n; done; touch out"
    assert lost(pod.does([member(command, output=[pod.file("out")], keep=["x*"])])) == []
    assert len(pod.keys()) == 13
    ((_, paths, count),) = lost(pod.does([member(command, output=[pod.file("out")])]))
    assert (len(paths), count) == (5, 5)


def test_in_a_group_each_rule_answers_for_its_own_and_not_for_what_a_later_one_removes(pod: Pod) -> None:
    first = member("touch a a.side a.brief", 1, output=[pod.file("a")])
    second = member(
        "cat a.side > b; rm a.brief; touch b.side", 2, input=[pod.file("a")], output=[pod.file("b")]
    )
    shadow = member("touch c c.side", 3, input=[pod.file("b")], output=[pod.file("c")], shadow=True)
    assert lost(pod.does([first], [second], [shadow])) == [
        ("rule1", ["a.side"], 1),
        ("rule2", ["b.side"], 1),
    ]
