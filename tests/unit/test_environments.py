"""Conda environments: what they are made of, and how one is made of that. The channel is made by hand."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from byok8s.errors import InputError
from byok8s.run.adjust import made_in_pods
from byok8s.software.spec import ENVIRONMENTS, Specs
from byok8s.worker import conda, environment
from byok8s.worker.environment import Wanted
from byok8s.worker.failure import Failure
from channel import greeting
from planned import planned
from serving import served

RULE = "rule a:\n    output: 'a'\n    conda: '{}'\n    shell: 'touch {{output}}'\n"
YAML = "channels: [greetings]\ndependencies: [greet, 'libgreet=1.2']\n"


@pytest.mark.parametrize("beside", [{}, {"envs/a.linux-64.pin.txt": "pin"}, {"envs/a.post-deploy.sh": "sh"}])
def test_the_name_of_an_environment_is_snakemakes(beside: dict[str, str], tmp_path: Path) -> None:
    from snakemake.deployment.conda import Env

    files = {"Snakefile": RULE.format("envs/a.yaml"), "envs/a.yaml": YAML, **beside}
    with made_in_pods(), planned(tmp_path, files, methods=frozenset({"conda"})) as dag:
        (job,) = dag.jobs
        spec = Specs(dag.workflow).of(job)
        assert spec
        env = Env(dag.workflow, env_file=job.conda_env_spec.file, envs_dir=ENVIRONMENTS)
        assert (spec.name, spec.yaml) == (env.hash, YAML)
        assert bool(spec.pin or spec.deploy) == bool(beside)
        # and Snakemake knows it, for what has changed
        assert job.conda_env.content_hash == env.content_hash


def test_an_environment_by_its_name_is_refused(tmp_path: Path) -> None:
    files = {"Snakefile": RULE.format("base")}
    with made_in_pods(), planned(tmp_path, files, methods=frozenset({"conda"})) as dag:
        (job,) = dag.jobs
        with pytest.raises(InputError, match="by its name"):
            Specs(dag.workflow).of(job)


def test_pods_have_environments_where_their_names_are_of() -> None:
    from byok8s.pods.manifest import WORK
    from byok8s.worker.job_folder import ENVIRONMENTS as IN_PODS

    assert f"{WORK}/{IN_PODS.name}" == ENVIRONMENTS


# -- made --


@pytest.fixture
def wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wanted]:
    monkeypatch.setattr(environment, "WORK", tmp_path)
    monkeypatch.setattr(conda, "BASE", tmp_path / "base")
    monkeypatch.setenv("RATTLER_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    environment.SAID.clear()
    greeting(tmp_path / "channels/greetings")
    with served(tmp_path / "channels") as address:
        yield Wanted("x", YAML, "", "", "linux-64", "bucket", "folder", address)


def greet(prefix: Path) -> str:
    conda.lay_base()
    command = f"source {conda.BASE}/bin/activate '{prefix}'; greet; echo $SAID"
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True).stdout


def test_what_is_packed_is_what_was_made(wanted: Wanted, tmp_path: Path) -> None:
    prefix = tmp_path / "envs/x_"
    variables = "variables:\n  SAID: it's $so\n"
    again = Wanted.of_argument(replace(wanted, yaml=YAML + variables).to_argument())
    environment.install(again, prefix)
    before = greet(prefix)
    assert before.splitlines() == [
        "hello from libgreet 1.2",
        f"home {prefix}/share/greet prefix {prefix}",
        "it's $so",
    ]
    conda.pack(prefix, tmp_path / "packed")
    prefix.rename(tmp_path / "elsewhere")
    conda.unpack(tmp_path / "packed", prefix)
    assert greet(prefix) == before
    assert os.access(prefix / "bin/greet", os.X_OK)


@pytest.mark.parametrize(("version", "pinned"), [("1.3", True), ("1.9", False)])
def test_a_pin_file_counts_if_its_packages_are_there(
    version: str, pinned: bool, wanted: Wanted, tmp_path: Path
) -> None:
    urls = [
        f"https://conda.anaconda.org/greetings/linux-64/{name}.conda"
        for name in ("greet-2.0-0", f"libgreet-{version}-0")
    ]
    environment.install(replace(wanted, pin="\n".join(["@EXPLICIT", *urls])), tmp_path / "envs/x_")
    assert greet(tmp_path / "envs/x_").startswith(f"hello from libgreet {'1.3' if pinned else '1.2'}\n")
    assert bool(environment.SAID) != pinned


def test_a_package_is_taken_from_the_first_channel_that_has_it(wanted: Wanted, tmp_path: Path) -> None:
    greeting(tmp_path / "channels/later").add("libgreet", "9.9", {"share/greet/words": "later\n"})
    text = "channels: [greetings, later, nodefaults]\ndependencies: [greet]\n"
    environment.install(replace(wanted, yaml=text), tmp_path / "envs/x_")
    assert greet(tmp_path / "envs/x_").startswith("hello from libgreet 1.3\n")


@pytest.mark.parametrize(
    ("changes", "cause", "words"),
    [
        ({"yaml": YAML.replace("1.2", "7.7")}, "conda-unsolvable", "no packages"),
        ({"yaml": YAML.replace("greetings", "absent")}, "conda-channel", "cannot be reached"),
        ({"yaml": YAML.replace("greet,", "{more: [x]},")}, "conda-unsolvable", "no package"),
        ({"yaml": YAML.replace("greet,", "greet, {pip: ['-r x.txt']},")}, "conda-install", "-r x.txt"),
        ({"yaml": YAML.replace("greet,", "greet, {pip: [x]},")}, "conda-install", "Python"),
        ({"deploy": "echo oh; exit 3"}, "conda-post-deploy", "exit code 3"),
    ],
)
def test_what_cannot_be_made_has_a_name(
    changes: dict[str, str], cause: str, words: str, wanted: Wanted, tmp_path: Path
) -> None:
    with pytest.raises(Failure, match=words) as caught:
        environment.install(replace(wanted, **changes), tmp_path / "envs/x_")
    assert caught.value.cause == cause


def test_a_post_deploy_script_runs_in_the_environment(wanted: Wanted, tmp_path: Path) -> None:
    deploy = "#!/bin/bash\n[[ -n $GREET_HOME ]] && greet > $CONDA_PREFIX/deployed\n"
    environment.install(replace(wanted, deploy=deploy), tmp_path / "envs/x_")
    assert (tmp_path / "envs/x_/deployed").read_text().startswith("hello from libgreet 1.2\n")
