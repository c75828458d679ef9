"""What rules keep of the files that they do not declare, and what is said of the others."""

from types import SimpleNamespace
from typing import Any

import pytest

from byok8s.errors import InputError
from byok8s.jobs import keep
from byok8s.jobs.keep import Kept
from byok8s.worker.description import Left, Stored

S3 = "s3://bucket/team/"


class Job:
    """As much of Snakemake's as is asked for here. made: the jobs that have made its inputs."""

    def __init__(
        self, rule: str, *output: str, pattern: object = None, made: tuple["Job", ...] = (), log: str = ""
    ) -> None:
        settings = SimpleNamespace(default_storage_prefix=S3)
        self.rule = SimpleNamespace(
            name=rule,
            resources={} if pattern is None else {keep.RESOURCE: pattern},
            workflow=SimpleNamespace(storage_settings=settings),
        )
        self.resources = dict(self.rule.resources)
        self.input: list[Any] = []
        self.output = [_file(path) for path in output]
        self.log = [_file(log)] if log else []
        self.benchmark = None
        self.dag = SimpleNamespace(dependencies={self: dict.fromkeys(made)})


def _file(path: str) -> Any:
    return SimpleNamespace(flags={"storage_object": SimpleNamespace(query=S3 + path)})


class Bucket:
    """What is in the bucket by its keys. listed: what was asked for."""

    def __init__(self, **sizes: int) -> None:
        self.sizes, self.listed = sizes, list[str]()

    def listing(self, bucket: str, prefix: str) -> dict[str, Any]:
        self.listed.append(prefix)
        return {key: SimpleNamespace(size=size) for key, size in self.sizes.items() if key.startswith(prefix)}


def refusal(*jobs: Any) -> str:
    with pytest.raises(InputError) as caught:
        keep.check(jobs)
    return caught.value.what


def test_several_patterns() -> None:
    job: Any = Job("index", "genome.fa.bwt", pattern="genome.fa.*, idx/**")
    assert keep.patterns(job) == ["genome.fa.*", "idx/**"]
    assert keep.patterns(Job("other", "x")) == []


@pytest.mark.parametrize("pattern", ["../x", "a/../../b", "/tmp/x"])
def test_a_pattern_that_leads_outside_is_refused_by_name(pattern: str) -> None:
    words = refusal(Job("index", "a", pattern=pattern))
    assert words == f"byok8s_keep='{pattern}' of rule index leads out of the working folder."


@pytest.mark.parametrize("pattern", ["**", "*", "./", "."])
def test_a_pattern_of_all_files_is_refused(pattern: str) -> None:
    assert "names every file" in refusal(Job("index", "a", pattern=pattern))


def test_what_is_no_text_is_refused() -> None:
    assert "byok8s_keep=3 of rule index" in refusal(Job("index", "a", pattern=3))


@pytest.mark.parametrize(
    ("pattern", "path", "rule"),
    [("ref/*", "ref/genome.fa.bwt", "index"), ("logs/a.log", "logs/a.log", "index"), ("qc", "qc/x", "other")],
)
def test_a_pattern_that_names_what_is_declared_is_refused_by_name(pattern: str, path: str, rule: str) -> None:
    jobs = Job("index", "ref/genome.fa.bwt", log="logs/a.log", pattern=pattern), Job("other", "qc/x")
    assert refusal(*jobs) == (
        f"byok8s_keep='{pattern}' of rule index also names {path}, which rule {rule} declares."
    )


def test_a_pattern_beside_what_is_declared() -> None:
    jobs: Any = Job("index", "ref/genome.fa.bwt", pattern="ref/genome.fa.a*,ref/x*"), Job("other", "qc/x")
    keep.check(jobs)


def test_words() -> None:
    left = Left("index", ("genome.fa.amb", "genome.fa.ann"), 5)
    assert keep.words(left, ()).startswith(
        "Rule index also left genome.fa.amb and 4 more, which no rule declares: not kept."
    )
    assert "also left genome.fa.ann and 3 more," in keep.words(left, {"genome.fa.amb"})
    assert "also left x, which" in keep.words(Left("index", ("x",), 1), ())
    assert keep.words(Left("index", ("x",), 1), {"x"}) == ""


def test_what_this_run_has_kept_is_beside_its_outputs_without_a_question() -> None:
    index, bucket = Job("index", "ref/g.bwt", pattern="ref/g.a*"), Bucket()
    kept = Kept(bucket, "bucket", "team/")
    stored = [Stored("bucket", f"team/ref/g.{of}", 1, 7) for of in ("amb", "bwt", "pac")]
    assert kept.learn([index], [*stored, Stored("bucket", "foreign/ref/g.ann", 1, 7)]) == stored[:1]
    (file,) = kept.beside([Job("align", "x.bam", made=(index,))])
    assert (file.path, file.bucket, file.key, file.size) == ("ref/g.amb", "bucket", "team/ref/g.amb", 7)
    assert bucket.listed == []


def test_what_an_earlier_run_has_kept_is_listed_once() -> None:
    bucket = Bucket(**{"team/ref/g.amb": 1, "team/ref/g.bwt": 2, "team/ref/g.a/": 0})
    indexes = [Job("index", f"{n}.done", pattern="ref/g.a*") for n in range(3)]
    kept = Kept(bucket, "bucket", "team/")
    for index in indexes:
        found = kept.beside([Job("align", "x.bam", made=(index,))])
        assert [file.path for file in found] == ["ref/g.amb"]
    assert bucket.listed == ["team/ref/g.a"]


def test_what_could_not_be_told_is_asked_for_again() -> None:
    bucket = Bucket(**{"team/ref/g.amb": 1})
    first, second = (Job("index", f"{n}.done", pattern="ref/g.a*") for n in range(2))
    kept = Kept(bucket, "bucket", "team/")
    assert len(kept.beside([Job("align", "x.bam", made=(first,))])) == 1
    bucket.sizes["team/ref/g.ann"] = 1
    assert kept.learn([second], []) == []
    assert len(kept.beside([Job("align", "y.bam", made=(second,))])) == 2


def test_jobs_of_a_group_have_one_folder() -> None:
    index = Job("index", "g.bwt", pattern="g.a*")
    bucket = Bucket(**{"team/g.amb": 1})
    group: Any = [index, Job("align", "x.bam", made=(index,))]
    assert Kept(bucket, "bucket", "team/").beside(group) == []
