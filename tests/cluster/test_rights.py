"""A run passes as a user who has the rights that `byok8s rbac` prints and no other; without one it says which."""

from pathlib import Path

import pytest
import yaml

from account import ACCOUNT, PATHS, apply, kubeconfig, user
from byok8s.access.rights import RIGHTS, STREAM_RIGHTS, Right
from sandbox import KUBECONFIG, Sandbox

ALONE = "each job gets a pod of its own"


def printed(cluster: Sandbox, *arguments: str) -> str:
    """The kubeconfig of the service account that `byok8s rbac` makes."""
    apply(cluster, yaml.safe_load_all(cluster.run(*arguments, command="rbac")))
    return kubeconfig(cluster, "byok8s")


def test_what_rbac_prints_is_enough_for_a_run(seed: Sandbox) -> None:
    said = seed.run("workflow-gamma", "params-blue", KUBECONFIG=printed(seed))
    assert ALONE not in said
    assert seed.read("gamma.txt") == "gamma 1 blue\ngamma 2 blue\n"
    assert seed.names() == []


def test_and_so_is_what_it_prints_without_streams(seed: Sandbox) -> None:
    said = seed.run("workflow-gamma", "params-blue", KUBECONFIG=printed(seed, "--no-exec"))
    assert ALONE in said
    assert seed.read("gamma.txt") == "gamma 1 blue\ngamma 2 blue\n"
    assert seed.names() == []


@pytest.mark.parametrize("missing", STREAM_RIGHTS, ids=lambda right: right.verb)
def test_a_stream_needs_both_of_its_rights(missing: Right, seed: Sandbox) -> None:
    account = user(seed, {*RIGHTS, *STREAM_RIGHTS} - {missing})
    assert ALONE in seed.run("workflow-alpha", "params-blue", KUBECONFIG=account)


@pytest.mark.parametrize("missing", RIGHTS, ids=lambda right: f"{right.verb} {right.resource}")
def test_a_missing_right_is_named_before_anything_is_created(missing: Right, seed: Sandbox) -> None:
    account = user(seed, {*RIGHTS, *STREAM_RIGHTS} - {missing})
    said = seed.run("workflow-alpha", "params-blue", expect=3, KUBECONFIG=account)
    assert f"{missing.group_resource}: {missing.verb}." in said
    assert seed.names() == []
    assert seed.made() == []


def test_a_failed_run_needs_no_more_rights(seed: Sandbox) -> None:
    seed.write({"Snakefile": "rule target1:\n    output: 'x'\n    shell: 'echo the reason; exit 4'\n"})
    said = seed.run("workflow-alpha", "params-blue", expect=1, KUBECONFIG=user(seed, RIGHTS))
    assert "exit code 4" in said
    assert list((seed.folder / ".byok8s").glob("runs/*/logs/*.log"))
    assert seed.names() == []


def acting_as(cluster: Sandbox, account: str) -> str:
    """The path of a kubeconfig of the cluster's administrator who acts as a service account."""
    content = yaml.safe_load(Path(KUBECONFIG).read_text())
    for entry in content["users"]:
        entry["user"]["as"] = f"system:serviceaccount:{cluster.namespace}:{account}"
    cluster.write({"../acting": yaml.safe_dump(content)})
    return str(cluster.folder.parent / "acting")


def test_who_acts_as_somebody_else_has_the_others_rights_and_no_more(seed: Sandbox) -> None:
    """For requests and for streams."""
    user(seed, {*RIGHTS, *STREAM_RIGHTS})
    account = acting_as(seed, ACCOUNT)
    said = seed.run("workflow-alpha", "params-blue", KUBECONFIG=account)
    assert ALONE not in said
    seed.client.delete(f"{PATHS['RoleBinding'].format(seed.namespace)}/{ACCOUNT}")
    assert "Missing: " in seed.run("workflow-alpha", "params-blue", expect=3, KUBECONFIG=account)
    said = seed.run(command="doctor", expect=3, KUBECONFIG=account)
    assert f"acting as system:serviceaccount:{seed.namespace}:{ACCOUNT}" in " ".join(said.split())
