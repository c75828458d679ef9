"""The main job, as its user does it: the seed workflows on a real cluster, read back from the bucket."""

import pytest

from sandbox import Sandbox

ZETA = "zeta a1 {0}\nzeta a2 {0}\nzeta b1 {0}\nzeta b2 {0}\nzeta {0}\n"


@pytest.mark.parametrize("name", ["blue", "red"])
def test_alpha(name: str, seed: Sandbox) -> None:
    said = seed.run("workflow-alpha", f"params-{name}")
    assert seed.read("alpha.txt") == f"alpha {name}\n"
    assert seed.made() == ["alpha.txt"]
    assert "details!" in said
    assert f"Results: {seed.bucket.url}\n" in said
    for word in ("target1", seed.namespace, seed.bucket.url, "v1."):
        assert word in said
    assert seed.names() == []


def test_gamma(seed: Sandbox) -> None:
    seed.run("workflow-gamma.json", "params-blue.json")
    assert seed.read("gamma.txt") == "gamma 1 blue\ngamma 2 blue\n"


def test_zeta_holds_its_five_lines_in_order(seed: Sandbox) -> None:
    seed.run("workflow-zeta", "params-red")
    assert seed.read("zeta.txt") == ZETA.format("red")
    assert seed.names() == []


def test_a_second_run_does_nothing_force_runs_again_and_another_parameter_too(seed: Sandbox) -> None:
    seed.run("workflow-alpha", "params-blue")
    assert "Nothing to be done" in seed.run("workflow-alpha", "params-blue")
    assert "Nothing to be done" not in seed.run("workflow-alpha", "params-blue", "--force")
    seed.run("workflow-alpha", "params-red")
    assert seed.read("alpha.txt") == "alpha red\n"


def test_a_dry_run_creates_nothing_and_asks_no_cluster(seed: Sandbox) -> None:
    said = seed.run("workflow-zeta", "params-blue", "--dry-run", KUBECONFIG="/nonexistent")
    assert "zeta_second" in said
    assert "dry" in said
    assert seed.made() == []
    assert not list((seed.folder / ".byok8s").glob("runs/*"))


def test_targets_on_the_command_line_replace_the_workflows(seed: Sandbox) -> None:
    seed.run("workflow-zeta", "params-blue", "gamma-1.txt", "target1")
    assert sorted(seed.made()) == ["alpha.txt", "gamma-1.txt"]
