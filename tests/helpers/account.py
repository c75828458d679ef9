"""A user of the cluster who has the rights that are given, and no other."""

from collections.abc import Iterable
from pathlib import Path

import yaml

from byok8s.access import rbac
from byok8s.access.rights import Right
from byok8s.kube import Object
from byok8s.kube.objects import Json, text
from sandbox import KUBECONFIG, Sandbox

ACCOUNT = "byok8s-user"
PATHS = {
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "Role": f"/apis/{rbac.GROUP}/v1/namespaces/{{}}/roles",
    "RoleBinding": f"/apis/{rbac.GROUP}/v1/namespaces/{{}}/rolebindings",
}


def user(cluster: Sandbox, rights: Iterable[Right]) -> str:
    """The path of a kubeconfig of a service account with these rights alone."""
    apply(cluster, rbac.objects(cluster.namespace, ACCOUNT, None, rights))
    return kubeconfig(cluster, ACCOUNT)


def apply(cluster: Sandbox, objects: Iterable[Object]) -> None:
    for obj in objects:
        cluster.client.post(PATHS[text(obj, "kind")].format(text(obj, "metadata", "namespace")), obj)


def kubeconfig(cluster: Sandbox, account: str) -> str:
    """The path of a kubeconfig of a service account in the test's namespace."""
    asked: dict[str, Json] = {"spec": {"expirationSeconds": 3600}}
    path = f"/api/v1/namespaces/{cluster.namespace}/serviceaccounts/{account}/token"
    token = cluster.client.post(path, asked)
    content = yaml.safe_load(Path(KUBECONFIG).read_text())
    for entry in content["users"]:
        entry["user"] = {"token": text(token, "status", "token")}
    cluster.write({"../kubeconfig": yaml.safe_dump(content)})
    return str(cluster.folder.parent / "kubeconfig")
