"""Runs pass where the namespace takes pods of the restricted profile alone."""

import pytest

from byok8s.kube import ApiError, Object
from byok8s.kube.objects import Json
from sandbox import Sandbox

# https://kubernetes.io/docs/concepts/security/pod-security-admission/
RESTRICTED: dict[str, Json] = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/enforce-version": "latest",
}
UNSAFE: Object = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "unsafe"},
    "spec": {"containers": [{"name": "c", "image": "none:1"}]},
}


@pytest.fixture
def restricted(seed: Sandbox) -> Sandbox:
    """The seed's cluster with such a namespace; Kubernetes before 1.22 knows nothing of it."""
    seed.client.patch(f"/api/v1/namespaces/{seed.namespace}", {"metadata": {"labels": RESTRICTED}})
    try:
        seed.client.post(f"/api/v1/namespaces/{seed.namespace}/pods", UNSAFE, {"dryRun": "All"})
    except ApiError as error:
        if "violates PodSecurity" in error.message:
            return seed
        raise
    pytest.skip("this cluster has no Pod Security admission")


@pytest.mark.parametrize("flags", [(), ("--no-reuse",)], ids=["workers", "single pods"])
def test_a_run_in_a_restricted_namespace(flags: tuple[str, ...], restricted: Sandbox) -> None:
    restricted.run("workflow-zeta", "params-blue", *flags)
    assert restricted.read("zeta.txt").endswith("zeta blue\n")
    assert restricted.names() == []


def test_what_a_restricted_namespace_refuses_is_said_before_anything_is_created(restricted: Sandbox) -> None:
    restricted.write({"host.yaml": "spec: {hostNetwork: true}\n"})
    said = restricted.run("workflow-alpha", "params-blue", "--pod-template", "host.yaml", expect=3)
    assert "violates PodSecurity" in said
    assert "host namespaces" in said
    assert restricted.names() == []
