"""The metagenomics example as the command taco, on a real cluster: all of it beside plain Snakemake, and again after
something has changed.

The tests share one bucket, so that what takes a minute is done once: each leaves there what it has found.
"""

import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import plain
from byok8s import s3
from installed import Installed, install_beside
from sandbox import KUBECONFIG, Sandbox, sandbox

EXAMPLE = Path(__file__).parents[2] / "examples" / "metagenomics"
IMAGE = os.environ.get("BYOK8S_TEST_METAGENOMICS_IMAGE", "")
ASSEMBLED = ("lambda", "plasmids", "mixture", "bees")
ALL = (*ASSEMBLED, "isolate")
# of a job, as Snakemake announces it: indented where it is part of a group
JOB = re.compile(r"^( *)(?:local)?(?:rule|checkpoint) (\w+):\n((?:\1    .*\n)*)", re.MULTILINE)

pytestmark = [
    pytest.mark.skipif(not IMAGE, reason="BYOK8S_TEST_METAGENOMICS_IMAGE names no image (the rig has one)"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def taco(bananas: Installed, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return install_beside(bananas, EXAMPLE, "taco", "1.0", tmp_path_factory.mktemp("taco"))


@pytest.fixture(scope="module")
def example(taco: Installed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A folder that was empty, and a bucket, after one run of all of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", KUBECONFIG)
        with sandbox(tmp_path_factory.mktemp("metagenomics") / "empty") as here:
            here.program = [str(taco.command)]
            # as many jobs at once as a test has cores of the node: others run beside it
            here.environment |= {"BYOK8S_IMAGE": IMAGE, "BYOK8S_JOBS": "2", **taco.environment}
            assert "Snakefile of taco 1.0" in here.run("workflow-all", "params-all")
            yield here


def objects(cluster: Sandbox) -> dict[str, tuple[str, str]]:
    """When each of the workflow's files was put there, and the SHA-256 of its content; logs hold times and paths."""
    client, found = s3.connect(cluster.bucket.endpoint_url), {}
    for key in cluster.made():
        if not key.startswith("logs/"):
            held = client.get_object(Bucket=cluster.bucket.name, Key=f"{cluster.bucket.prefix}/{key}")
            found[key] = (held["LastModified"].isoformat(), hashlib.sha256(held["Body"].read()).hexdigest())
    return found


def remade(before: dict[str, tuple[str, str]], after: dict[str, tuple[str, str]]) -> set[str]:
    return {key for key, (when, _) in after.items() if key not in before or before[key][0] != when}


def jobs(said: str) -> set[tuple[str, str]]:
    """Rule and wildcards of each job that Snakemake has announced."""
    wildcards = re.compile(r"wildcards: (.*)")
    return {
        (rule, found[1] if (found := wildcards.search(facts)) else "") for _, rule, facts in JOB.findall(said)
    }


def changed(cluster: Sandbox, **params: object) -> str:
    """The name of a params file like params-all, but for these."""
    content = yaml.safe_load((EXAMPLE / "params-all.yaml").read_text()) | params
    name = f"params-{uuid.uuid4().hex[:8]}"
    (cluster.folder / f"{name}.yaml").write_text(yaml.safe_dump(content))
    return name


def test_its_results_are_those_of_plain_snakemake_byte_for_byte(example: Sandbox) -> None:
    ours = {key: digest for key, (_, digest) in objects(example).items()}
    theirs = plain.digests(example, IMAGE, EXAMPLE, "all", "params-all.yaml")
    assert ours == {key: digest for key, digest in theirs.items() if not key.startswith("logs/")}
    assert {key for key in ours if key.endswith(".fasta")} == {f"assembly/{s}.fasta" for s in ASSEMBLED}
    assert not [
        key for key in ours if key.startswith("reads/") or key.endswith((".fastp.json", ".gather.csv"))
    ]


def test_a_second_run_does_nothing(example: Sandbox) -> None:
    before = objects(example)
    assert "Nothing to be done" in example.run("workflow-all", "params-all")
    assert objects(example) == before


def test_a_samples_file_that_is_gone_is_made_again_and_what_follows_from_it(example: Sandbox) -> None:
    """Its trimmed reads: the checkpoint looks at all samples again, and what it says of the others is as before."""
    before = objects(example)
    client, bucket = s3.connect(example.bucket.endpoint_url), example.bucket
    client.delete_object(Bucket=bucket.name, Key=f"{bucket.prefix}/trimmed/bees.fastq.gz")
    example.run("workflow-all", "params-all")
    after = objects(example)
    assert {key: digest for key, (_, digest) in after.items()} == {key: d for key, (_, d) in before.items()}
    assert remade(before, after) == {
        *("trimmed/bees.fastq.gz", "quality/bees.json", "sketches/bees.sig", "classification/bees.tsv"),
        *("assembly/samples.tsv", "assembly/bees.fasta", "assembly/bees.json"),
        *("comparison/similarity.csv", "comparison/similarity.png", "report.html"),
    }


def test_a_changed_parameter_makes_again_exactly_what_snakemake_says(example: Sandbox) -> None:
    params, before = changed(example, contig_length=1000, overlap_bases=20000), objects(example)
    planned = jobs(example.run("workflow-all", params, "--dry-run"))
    done = jobs(example.run("workflow-all", params, "--", "--printshellcmds"))
    assert done == planned
    assert {rule for rule, _ in done} == {
        "assemble",
        "measure_contigs",
        "gather",
        "name_what_is_there",
        "report",
        "all",
    }
    after = objects(example)
    assert remade(before, after) == {
        *(f"assembly/{sample}.{kind}" for sample in ASSEMBLED for kind in ("fasta", "json")),
        *(f"classification/{sample}.tsv" for sample in ALL),
        "report.html",
    }
    assert after["assembly/plasmids.fasta"] != before["assembly/plasmids.fasta"]


def test_a_job_with_too_little_memory_gets_more_at_its_second_try(cluster: Sandbox) -> None:
    shutil.copytree(EXAMPLE, cluster.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))
    cluster.environment["BYOK8S_IMAGE"] = IMAGE
    params = changed(cluster, trim_memory_mb=800)
    said = cluster.run("workflow-quality", params, "trimmed/isolate.fastq.gz")
    assert "out-of-memory" in said
    assert cluster.made() == ["logs/trim/isolate.log", "trimmed/isolate.fastq.gz"]
