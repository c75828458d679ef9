"""What a worker keeps of its jobs' inputs: real processes, and a real S3 server behind a proxy that counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

import snakemake_storage_plugin_byok8s as plugin
from byok8s import s3
from byok8s.worker import cache, process
from byok8s.worker.cache import Cache, CacheIndex
from byok8s.worker.description import Action, Done, File, JobDescription, Member, RunDescription, Snakefile
from byok8s.worker.job import Job
from byok8s.worker.measured import FILE, Disks, Phases
from byok8s.worker.process import Order, Process
from byok8s.worker.runner import Runner
from byok8s.worker.transfer import Transfer
from counting_proxy import Counter, counting
from provide import Provide

LARGE = b"reference\n" * 200_000


@dataclass(frozen=True)
class Work:
    """What the process of one job does: a command, with inputs."""

    worker: Worker
    command: str
    inputs: tuple[File, ...]

    def get_ready(self) -> None: ...

    def carry_out(self, order: Order, root: Path) -> Done:
        kept = None if order.cached is None else Cache(self.worker.folder, order.cached, process.NOTES)
        transfer = Transfer(self.worker.provider.connection, kept)
        member = Member("work", 1, 1, Action("shell", self.command), input=self.inputs)
        run, job = RunDescription(Snakefile("Snakefile")), JobDescription([[member]])
        return Runner(run, job, root, transfer, Phases(root.parent / FILE)).carry_out()


@dataclass
class Worker:
    """Runs jobs one after another. said: what the last has written. moved: the bytes of files that it has moved."""

    provider: plugin.StorageProvider
    proxy: Counter
    client: s3.S3Client
    bucket: str
    prefix: str
    root: Path
    said: str = ""
    moved: Mapping[str, int] = field(default_factory=dict)
    jobs: int = 0
    keeper: CacheIndex = field(init=False)

    def __post_init__(self) -> None:
        self.keeper = CacheIndex(self.folder)

    @property
    def folder(self) -> Path:
        return self.root / "cache"

    def put(self, path: str, content: bytes = LARGE) -> File:
        self.client.put_object(Bucket=self.bucket, Key=f"{self.prefix}/{path}", Body=content)
        return File(path, self.bucket, f"{self.prefix}/{path}", size=len(content), shared=True)

    def does(self, command: str, *inputs: File, code: int = 0) -> list[str]:
        """Run a job; return the names of the objects that it fetched."""
        self.jobs += 1
        root = self.root / f"job-{self.jobs}" / "work"
        root.mkdir(parents=True)
        begun = Process(Work(self, command, inputs))
        order = Order(str(self.jobs), {}, cached=self.keeper.checked())
        self.proxy.requests.clear()
        begun.begin(order, root)
        job = Job(order, root, begun, Disks())
        self.said = ""
        while data := job.read():
            self.said += data.decode()
        result = job.result()
        self.moved = result.measured.moved()
        self.keeper.learn(begun.notes)
        assert result.code == code, (result, self.said)
        return [request.rpartition("/")[2] for request in self.proxy.of("GET")]


@pytest.fixture
def worker(provide: Provide, server: s3.EmbeddedS3, client: s3.S3Client, tmp_path: Path) -> Iterator[Worker]:
    with counting(server.endpoint_url) as proxy:
        yield Worker(
            provide(url=proxy.url), proxy, client, server.bucket.name, f"cache/{tmp_path.name}", tmp_path
        )


def test_what_several_jobs_take_is_fetched_once(worker: Worker) -> None:
    reference, own = worker.put("ref.fa"), replace(worker.put("own.fq"), shared=False)
    assert sorted(worker.does("cksum ref.fa own.fq", reference, own)) == ["own.fq", "ref.fa"]
    first = worker.said
    size = len(LARGE)
    assert worker.moved == {"fetched_bytes": 2 * size, "cached_bytes": 0, "stored_bytes": 0}
    assert worker.does("cksum ref.fa own.fq", reference, own) == ["own.fq"]
    assert worker.said == first
    assert worker.moved == {"fetched_bytes": size, "cached_bytes": size, "stored_bytes": 0}
    worker.does("kill -9 $PPID $$", reference, own, code=137)
    assert worker.moved["cached_bytes"] == size
    (root,) = worker.root.glob("job-2")
    head = worker.provider.client.head_object(Bucket=worker.bucket, Key=reference.key)
    assert int((root / "work/ref.fa").stat().st_mtime) == int(head["LastModified"].timestamp())


def test_a_directory_is_fetched_once(worker: Worker) -> None:
    for name in ("index/a", "index/b/c"):
        worker.put(name)
    index = File("index", worker.bucket, f"{worker.prefix}/index", directory=True, shared=True)
    assert sorted(worker.does("cat index/a index/b/c | cksum", index)) == ["a", "c"]
    first = worker.said
    size = len(LARGE)
    assert worker.moved == {"fetched_bytes": 2 * size, "cached_bytes": 0, "stored_bytes": 0}
    assert worker.does("cat index/a index/b/c | cksum", index) == []
    assert worker.said == first


def test_what_has_changed_in_the_bucket_is_fetched_again(worker: Worker) -> None:
    reference = worker.put("ref.fa")
    worker.does("true", reference)
    worker.put("ref.fa", LARGE[::-1])
    assert worker.does("head -c 2 ref.fa | od -An -c", reference) == ["ref.fa"]
    assert worker.said.split() == ["\\n", "e"]
    worker.client.delete_object(Bucket=worker.bucket, Key=reference.key)
    worker.does("true", reference, code=1)


@pytest.mark.parametrize(
    "command", ["echo worse >> ref.fa", "rm ref.fa; echo worse > ref.fa", "chmod 777 ref.fa"]
)
def test_a_job_that_changes_its_input_changes_its_own_copy(worker: Worker, command: str) -> None:
    reference = worker.put("ref.fa")
    worker.does("true", reference)
    worker.does(command, reference)
    assert worker.does("wc -c < ref.fa; stat -c %a ref.fa", reference) == []
    assert worker.said.split() == [str(len(LARGE)), "644"]


@pytest.mark.parametrize(
    "attack",
    [
        "for f in {cache}/*; do cat evil > $f; done",  # the inode is the same
        "for f in {cache}/*; do printf X | dd of=$f conv=notrunc; touch -r ref.fa $f; done",  # so are size and time
        "for f in {cache}/*; do cp evil2 $f.new; touch -r $f $f.new; mv $f.new $f; done",
        "for f in {cache}/*; do ln -f $f {root}/other; printf X | dd of={root}/other conv=notrunc; done",
        "rm -rf {root}/else; mv {cache} {root}/else; cp evil2 {root}/else/*; ln -s {root}/else {cache}",
        "rm -r {cache}",
        "rm -r {cache}; touch {cache}",
    ],
)
def test_what_a_job_has_changed_behind_the_workers_back_is_not_used(worker: Worker, attack: str) -> None:
    reference = worker.put("ref.fa")
    command = (
        f"echo evil > evil; tr r R < ref.fa > evil2; {attack.format(cache=worker.folder, root=worker.root)}"
    )
    worker.does(command, reference)
    assert worker.does("head -c 9 ref.fa; wc -c < ref.fa", reference) == ["ref.fa"]
    assert (
        worker.said.split() == ["reference", *[str(len(LARGE))]] or worker.said == f"reference{len(LARGE)}\n"
    )
    worker.does(command, reference)  # and so for what was kept before the job began
    worker.does("head -c 9 ref.fa", reference)
    assert worker.said == "reference"


def test_a_folder_that_a_job_has_closed_is_opened_again(worker: Worker) -> None:
    reference = worker.put("ref.fa")
    worker.does(f"chmod 000 {worker.folder}", reference)
    assert worker.does("head -c 9 ref.fa", reference) == []
    assert worker.said == "reference"


def test_a_job_cannot_say_what_is_kept(worker: Worker) -> None:
    reference = worker.put("ref.fa")
    worker.does(f"ls -l /proc/self/fd /proc/$PPID/fd; echo forged >&{process.NOTES}", reference, code=1)
    assert worker.does("true", reference) == []


def test_little_is_kept_where_there_is_little_room(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_room", lambda *_: len(LARGE) * 2)
    files = [worker.put(f"{number}.fa") for number in range(3)]
    worker.does("true", *files[:1])
    worker.does("true", *files[1:])
    assert worker.does("true", *files) == ["0.fa"]  # the oldest had to go
    monkeypatch.setattr(cache, "_room", lambda *_: len(LARGE) - 1)
    worker.does("true", *files)
    assert sorted(worker.does("true", *files)) == ["0.fa", "1.fa", "2.fa"]
    assert list(worker.folder.iterdir()) == []


def test_one_job_with_many_large_inputs_does_not_fill_the_disk(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_room", lambda *_: len(LARGE) * 3 // 2)
    files = [worker.put(f"{number}.fa") for number in range(4)]
    worker.does("true", *files)
    assert len(worker.does("true", *files)) == 3  # one of them has room


def test_small_files_are_not_kept(worker: Worker) -> None:
    small = worker.put("sheet.tsv", b"a\tb\n")
    for _ in range(2):
        assert worker.does("true", small) == ["sheet.tsv"]
