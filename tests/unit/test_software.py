"""What rules declare of software and caches, and a cluster does not have."""

from __future__ import annotations

from pathlib import Path

import pytest

from byok8s.errors import InputError
from byok8s.jobs.software import check, containers, environments, image_of, unused_cache
from byok8s.software.container import Unfit, image
from planned import planned

FILES = {
    "Snakefile": """
localrules: here
rule all:
    input: "a", "b", "c", "d", "here"
rule a:
    output: "a"
    conda: "envs/a.yaml"
    shell: "touch {output}"
rule b:
    output: "b"
    container: "docker://debian:12"
    shell: "touch {output}"
rule c:
    output: "c"
    group: "g"
    cache: True
    shell: "touch {output}"
rule d:
    output: "d"
    cache: True
    shell: "touch {output}"
rule here:
    output: "here"
    conda: "envs/a.yaml"
    cache: True
    shell: "touch {output}"
""",
    "envs/a.yaml": "channels: [conda-forge]\ndependencies: [samtools]\n",
}


def test_what_rules_declare_does_not_matter_unless_snakemake_is_asked_for_it(tmp_path: Path) -> None:
    with planned(tmp_path, FILES) as dag:
        check(dag)


@pytest.mark.parametrize("methods", [{"env-modules"}, {"apptainer"}, {"apptainer", "env-modules"}])
def test_containers_are_honoured_and_modules_that_nobody_declares_do_not_matter(
    methods: set[str], tmp_path: Path
) -> None:
    with planned(tmp_path, FILES, "a", "b", "c", methods=frozenset(methods)) as dag:
        check(dag)
        found = {job.rule.name: image_of(job) for job in dag.needrun_jobs()}
    image = "docker.io/library/debian:12" if "apptainer" in methods else ""
    assert found == {"a": "", "b": image, "c": ""}


BOTH = frozenset({"apptainer", "conda"})


def test_all_that_is_declared_is_had(tmp_path: Path) -> None:
    with planned(tmp_path, FILES, "a", "b", methods=BOTH) as dag:
        check(dag, all_declared=True)
        assert environments(dag) == "Conda environments: envs/a.yaml (a)."
        assert containers(dag) == "Containers: docker.io/library/debian:12 (b)."
    with planned(tmp_path, FILES, "a", "b", methods=frozenset({"conda"})) as dag:
        check(dag)  # as with plain Snakemake
        assert containers(dag) == ""


RULE = "rule a:\n    output: 'a'\n    shell: 'touch {output}'\n"


@pytest.mark.parametrize(
    ("declared", "what", "where"),
    [
        ("container: 'my.sif'", "containers", "a (my.sif: it is a file, which nodes cannot run)"),
        ("container: 'shub://x/y'", "containers", "a (shub://x/y: nodes take no images by shub://)"),
        ("container: 'docker://Name'", "containers", "a (docker://Name: it is no name of an image)"),
        ("envmodules: 'bwa'", "modules", "a."),
    ],
)
def test_what_pods_cannot_give_is_refused_by_rule(
    declared: str, what: str, where: str, tmp_path: Path
) -> None:
    rule = RULE.replace("    shell", f"    {declared}\n    shell")
    with (
        planned(tmp_path, FILES | {"Snakefile": rule}, methods=BOTH) as dag,
        pytest.raises(InputError, match=what) as caught,
    ):
        check(dag, all_declared=True)
    assert f"It is declared by {where}" in caught.value.where


@pytest.mark.parametrize("word", ["container", "containerized"])
def test_a_rule_with_both_gets_both(word: str, tmp_path: Path) -> None:
    rule = RULE.replace("    shell", f"    {word}: 'docker://debian'\n    conda: 'envs/a.yaml'\n    shell")
    image = "docker.io/library/debian"
    with planned(tmp_path, FILES | {"Snakefile": rule}, methods=BOTH) as dag:
        check(dag, all_declared=True)
        assert (containers(dag), environments(dag)) == (
            f"Containers: {image} (a).",
            "Conda environments: envs/a.yaml (a).",
        )
        assert [image_of(job) for job in dag.needrun_jobs()] == [image]
    with planned(tmp_path, FILES | {"Snakefile": rule}, methods=frozenset({"conda"})) as dag:
        assert [image_of(job) for job in dag.needrun_jobs()] == [""]


def test_what_is_for_apptainer_itself_is_refused(tmp_path: Path) -> None:
    rule = RULE.replace("    shell", "    container: 'docker://debian'\n    shell")
    with planned(tmp_path, {"Snakefile": rule}, methods=BOTH) as dag:
        dag.workflow.deployment_settings.apptainer_args = "--nv"
        with pytest.raises(InputError, match="'--nv' is for"):
            check(dag)
    with planned(tmp_path, {"Snakefile": RULE}, methods=BOTH) as dag:
        dag.workflow.deployment_settings.apptainer_args = "--nv"
        check(dag)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("docker://debian", "docker.io/library/debian"),
        ("docker://biocontainers/bwa:v0.7.17_cv1", "docker.io/biocontainers/bwa:v0.7.17_cv1"),
        (
            "docker://quay.io/biocontainers/bwa:0.7.17--h5bf99c6_8",
            "quay.io/biocontainers/bwa:0.7.17--h5bf99c6_8",
        ),
        ("docker://localhost:5000/a/b@sha256:" + 64 * "0", "localhost:5000/a/b@sha256:" + 64 * "0"),
        ("docker://localhost/byok8s/tool:rig", "localhost/byok8s/tool:rig"),
    ],
)
def test_a_short_name_is_one_of_docker_hub(url: str, name: str) -> None:
    assert image(url) == name


@pytest.mark.parametrize(
    "url", ["docker://", "docker:debian", "debian", "docker://a;b", "docker://$(x)/y", "/a.sif"]
)
def test_what_is_no_image(url: str) -> None:
    with pytest.raises(Unfit):
        image(url)


def test_a_rule_of_this_machine_has_no_software_of_its_own(tmp_path: Path) -> None:
    with (
        planned(tmp_path, FILES, "here", methods=frozenset({"conda"})) as dag,
        pytest.raises(InputError, match="run on this machine") as caught,
    ):
        check(dag)
    assert caught.value.where == "It is declared by here."


def test_rules_of_groups_that_would_use_the_cache_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(tmp_path))
    with planned(tmp_path, FILES) as dag:
        assert unused_cache(dag) == ""
    with planned(tmp_path, FILES, cache=True) as dag:
        assert unused_cache(dag).endswith("Rules that would use it: c.")
