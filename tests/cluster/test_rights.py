"""A run passes as a user who has the rights that byok8s names and no other; without one it says which."""

from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from byok8s.kube.json import Json, text
from byok8s.preflight import RIGHTS, Right
from corner import KUBECONFIG, Cluster

GROUP = "rbac.authorization.k8s.io"
ACCOUNT = "byok8s-user"


def user(cluster: Cluster, rights: Iterable[Right]) -> str:
    """The path of a kubeconfig of a user with these rights alone, a service account."""
    namespace = f"namespaces/{cluster.namespace}"
    rules: list[Json] = [
        {"apiGroups": [right.group], "resources": [right.resource], "verbs": [right.verb]} for right in rights
    ]
    subject: Json = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": cluster.namespace}
    metadata: Json = {"name": ACCOUNT}
    create = cluster.client.post
    create(f"/api/v1/{namespace}/serviceaccounts", {"metadata": metadata})
    create(f"/apis/{GROUP}/v1/{namespace}/roles", {"metadata": metadata, "rules": rules})
    create(
        f"/apis/{GROUP}/v1/{namespace}/rolebindings",
        {
            "metadata": metadata,
            "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": ACCOUNT},
            "subjects": [subject],
        },
    )
    asked: dict[str, Json] = {"spec": {"expirationSeconds": 3600}}
    token = create(f"/api/v1/{namespace}/serviceaccounts/{ACCOUNT}/token", asked)
    kubeconfig = yaml.safe_load(Path(KUBECONFIG).read_text())
    for entry in kubeconfig["users"]:
        entry["user"] = {"token": text(token, "status", "token")}
    cluster.write({"../kubeconfig": yaml.safe_dump(kubeconfig)})
    return str(cluster.folder.parent / "kubeconfig")


def test_the_named_rights_are_enough(seed: Cluster) -> None:
    kubeconfig = user(seed, RIGHTS)
    seed.run("workflow-gamma", "params-blue", KUBECONFIG=kubeconfig)
    assert seed.read("gamma.txt") == "gamma 1 blue\ngamma 2 blue\n"
    assert seed.names() == []


@pytest.mark.parametrize("missing", RIGHTS, ids=lambda right: f"{right.verb} {right.resource}")
def test_a_missing_right_is_named_before_anything_is_created(missing: Right, seed: Cluster) -> None:
    kubeconfig = user(seed, set(RIGHTS) - {missing})
    said = seed.run("workflow-alpha", "params-blue", expect=3, KUBECONFIG=kubeconfig)
    assert f"{missing.resource}{'.' + missing.group if missing.group else ''}: {missing.verb}." in said
    assert seed.names() == []
    assert seed.made() == []


def test_a_failed_run_needs_no_more_rights(seed: Cluster) -> None:
    kubeconfig = user(seed, RIGHTS)
    seed.write({"Snakefile": "rule target1:\n    output: 'x'\n    shell: 'echo the reason; exit 4'\n"})
    said = seed.run("workflow-alpha", "params-blue", expect=1, KUBECONFIG=kubeconfig)
    assert "exit code 4" in said
    assert list((seed.folder / ".byok8s").glob("runs/*/logs/*.log"))
    assert seed.names() == []
