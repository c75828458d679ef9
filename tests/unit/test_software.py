"""What rules declare of software and caches, and a cluster does not have."""

from __future__ import annotations

from pathlib import Path

import pytest

from byok8s.errors import InputError
from byok8s.executor.software import check, environments, unused_cache
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


@pytest.mark.parametrize(
    ("methods", "named"),
    [
        ({"env-modules"}, ""),
        ({"apptainer"}, "b (container)"),
        ({"apptainer", "env-modules"}, "b (container)"),
    ],
)
def test_rules_that_would_have_software_of_their_own_are_named(
    methods: set[str], named: str, tmp_path: Path
) -> None:
    with planned(tmp_path, FILES, methods=frozenset(methods)) as dag:
        if not named:
            check(dag)
            return
        with pytest.raises(InputError) as caught:
            check(dag)
    assert caught.value.where == f"It is declared by {named}."
    assert "--image" in caught.value.hint


def test_all_that_is_declared_is_an_environment_or_is_refused(tmp_path: Path) -> None:
    with planned(tmp_path, FILES | {"more": ""}, "a", methods=frozenset({"conda"})) as dag:
        check(dag, all_declared=True)
        assert environments(dag) == "Conda environments: envs/a.yaml (a)."
    with (
        planned(tmp_path, FILES, "a", "b", methods=frozenset({"conda"})) as dag,
        pytest.raises(InputError, match="except conda environments") as caught,
    ):
        check(dag, all_declared=True)
    assert caught.value.where == "It is declared by b (container)."
    with planned(tmp_path, FILES, "a", "b", methods=frozenset({"conda"})) as dag:
        check(dag)  # as with plain Snakemake


def test_a_rule_of_this_machine_has_no_environment(tmp_path: Path) -> None:
    with (
        planned(tmp_path, FILES, "here", methods=frozenset({"conda"})) as dag,
        pytest.raises(InputError, match="run on this machine") as caught,
    ):
        check(dag)
    assert caught.value.where == "They are here."


def test_rules_of_groups_that_would_use_the_cache_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(tmp_path))
    with planned(tmp_path, FILES) as dag:
        assert unused_cache(dag) == ""
    with planned(tmp_path, FILES, cache=True) as dag:
        assert unused_cache(dag).endswith("Rules that would use it: c.")
