"""What an operator sees of a run: owned, labelled, no credential outside of the Secret; then nothing."""

import base64
import json
import os
import time

import pytest

from byok8s.kube.objects import Json, get_in, items, text
from sandbox import Sandbox

SLOW = {
    "Snakefile": "rule slow:\n    output: 'slow.txt'\n    threads: 1\n"
    "    resources: mem_mb=300, disk_mb=100\n    shell: 'env; sleep 6; touch {output}'\n",
    "wf.json": '{"workflow_target": "slow"}',
    "params.json": "{}",
}


def running(cluster: Sandbox) -> list[dict[str, Json]]:
    """The run's objects, once its pod runs."""
    cluster.await_pods()
    return [dict(obj) for obj in cluster.objects()]


def test_objects_during_a_run_and_after_it(cluster: Sandbox) -> None:
    cluster.write(SLOW)
    run = cluster.start("wf", "params")
    found = running(cluster)
    said, _ = run.communicate(timeout=120)
    assert run.returncode == 0, said

    by_kind = {kind: [obj for obj in found if obj["kind"] == kind] for kind in {obj["kind"] for obj in found}}
    assert set(by_kind) == {"jobs", "secrets", "configmaps", "pods"}
    (owner,), (secret,), (pod,) = by_kind["jobs"], by_kind["secrets"], by_kind["pods"]
    for obj in found:
        assert get_in(obj, "metadata", "labels", "byok8s.io/run")
        if obj is not owner:
            assert get_in(obj, "metadata", "ownerReferences", 0, "uid") == get_in(owner, "metadata", "uid")

    key = os.environ["AWS_SECRET_ACCESS_KEY"]
    hidden = key, os.environ["AWS_ACCESS_KEY_ID"], base64.b64encode(key.encode()).decode()
    credentials = base64.b64decode(text(secret, "data", "aws-credentials")).decode()
    assert f"aws_secret_access_key = {key}" in credentials
    for obj in found:
        if obj is not secret:
            assert not any(word in json.dumps(obj) for word in hidden), obj["kind"]
    assert not any(word in said for word in hidden)

    assert get_in(pod, "spec", "containers", 0, "resources", "limits", "memory") == "300M"
    assert get_in(pod, "spec", "containers", 0, "resources", "limits", "ephemeral-storage") == "100M"
    assert get_in(pod, "spec", "securityContext", "runAsNonRoot") is True
    assert not [volume for volume in items(pod, "spec", "volumes") if "token" in text(volume, "name")]
    assert cluster.names() == []


@pytest.mark.parametrize("flags", [(), ("--no-reuse",)], ids=["workers", "single pods"])
def test_deleting_the_owner_removes_all_of_a_run_and_ends_it(
    flags: tuple[str, ...], cluster: Sandbox
) -> None:
    """The way out for an operator: `kubectl delete job NAME`. No pod is made in the place of those that go with it."""
    cluster.write(SLOW)
    run = cluster.start("wf", "params", *flags)
    owner = next(obj for obj in running(cluster) if obj["kind"] == "jobs")
    path = f"/apis/batch/v1/namespaces/{cluster.namespace}/jobs/{text(owner, 'metadata', 'name')}"
    cluster.client.delete(path, {"propagationPolicy": "Background"})
    said, _ = run.communicate(timeout=120)
    assert run.returncode == 130
    assert f"Job {text(owner, 'metadata', 'name')} is gone, to which all of this run belongs" in said
    assert "Traceback" not in said
    assert "is tried again" not in said
    for _ in range(120):
        if not cluster.names():
            break
        time.sleep(0.25)
    assert cluster.names() == []
