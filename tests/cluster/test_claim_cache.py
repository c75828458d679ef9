"""A claim in which workers and runs keep inputs for each other: a real volume, on a real cluster."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import pytest

from byok8s import s3
from byok8s.history.event import FILE
from byok8s.kube.objects import Json, Object, text
from sandbox import Sandbox

SIZE = 20 << 20
SNAKEFILE = """
rule all:
    input: expand("{batch}-{i}.txt", batch=config["batch"], i=range(2))
rule sum:
    input: "ref.bin"
    output: "{batch}-{i}.txt"
    shell: "md5sum < {input} > {output}"
"""


@dataclass(frozen=True)
class Claim:
    name: str
    folder: Path


@pytest.fixture
def claim(cluster: Sandbox) -> Iterator[Claim]:
    """A claim in the test's namespace, and the folder that is its volume: the rig's node is this machine."""
    folder = Path(mkdtemp(prefix="byok8s-claim-", dir="/var/tmp"))
    folder.chmod(0o777)
    name = f"cache-{cluster.namespace}"
    volumes = "/api/v1/persistentvolumes"
    claims = f"/api/v1/namespaces/{cluster.namespace}/persistentvolumeclaims"
    common: dict[str, Json] = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    volume: dict[str, Json] = {
        "capacity": {"storage": "1Gi"},
        "hostPath": {"path": str(folder)},
        "claimRef": {"namespace": cluster.namespace, "name": name},
    }
    wanted: dict[str, Json] = {"volumeName": name, "resources": {"requests": {"storage": "1Gi"}}}
    metadata: Object = {"apiVersion": "v1", "metadata": {"name": name}}
    cluster.client.post(volumes, {**metadata, "kind": "PersistentVolume", "spec": {**common, **volume}})
    cluster.client.post(claims, {**metadata, "kind": "PersistentVolumeClaim", "spec": {**common, **wanted}})
    until = time.monotonic() + 60
    while text(cluster.client.get(f"{claims}/{name}"), "status", "phase") != "Bound":
        assert time.monotonic() < until, "the claim is not bound"
        time.sleep(0.2)
    yield Claim(name, folder)
    cluster.client.delete(f"{claims}/{name}")
    cluster.client.delete(f"{volumes}/{name}")
    shutil.rmtree(folder)


def moved(cluster: Sandbox) -> tuple[int, int]:
    """Return how many bytes the jobs of the newest run have fetched from the bucket, and not had to fetch."""
    record = max((cluster.folder / ".byok8s").glob(f"runs/*/{FILE}"), key=lambda path: path.stat().st_mtime)
    events = [json.loads(row) for row in record.read_text().splitlines()]
    ended = [event for event in events if event["event"] == "job.ended"]
    fetched, cached = (
        sum(event.get(name, 0) for event in ended) for name in ("fetched_bytes", "cached_bytes")
    )
    return fetched, cached


def test_runs_share_a_reference_by_a_claim(cluster: Sandbox, claim: Claim) -> None:
    cluster.write({"Snakefile": SNAKEFILE, "wf.yaml": f"workflow_target: all\ncache: {claim.name}\n"})
    reference = os.urandom(SIZE)
    s3.connect(cluster.bucket.endpoint_url).put_object(
        Bucket=cluster.bucket.name, Key=f"{cluster.bucket.prefix}/ref.bin", Body=reference
    )
    for batch in "abc":
        cluster.write({f"{batch}.json": json.dumps({"batch": [batch]})})
    cluster.run("wf", "a", "--jobs", "1")
    assert moved(cluster) == (SIZE, SIZE)
    cluster.run("wf", "b", "--jobs", "1", "--no-reuse")
    assert moved(cluster) == (0, 2 * SIZE)
    assert cluster.read("b-0.txt") == cluster.read("a-0.txt")
    (kept,) = claim.folder.glob("*/*")
    content = bytearray(reference)
    content[SIZE // 2] ^= 1
    kept.write_bytes(content)
    cluster.run("wf", "c", "--jobs", "1")
    assert moved(cluster) == (SIZE, SIZE)
    assert cluster.read("c-0.txt") == cluster.read("a-0.txt")
    assert kept.read_bytes() == reference


def test_a_claim_that_is_not_there_is_named_before_anything_is_created(cluster: Sandbox) -> None:
    cluster.write({"Snakefile": SNAKEFILE, "wf.yaml": "workflow_target: all\n", "a.json": '{"batch": ["a"]}'})
    said = cluster.run("wf", "a", "--cache", "no-such-claim", expect=3)
    assert "has no PersistentVolumeClaim 'no-such-claim', which --cache names." in " ".join(said.split())
    assert cluster.names() == []


def checks_of(cluster: Sandbox, claim: str, expect: int = 0) -> dict[str, list[str]]:
    """Return what doctor says of a claim, by its status."""
    said = json.loads(cluster.run("--cache", claim, "--json", command="doctor", expect=expect))
    found: dict[str, list[str]] = {}
    for check in said["checks"]:
        if check["name"] == "claim":
            found.setdefault(check["status"], []).append(check["seen"])
    assert cluster.names() == []
    return found


def test_doctor_looks_at_the_claim_and_writes_to_it(cluster: Sandbox, claim: Claim) -> None:
    assert checks_of(cluster, claim.name) == {
        "ok": [f"{claim.name}, which --cache names", "the pod can write to it"]
    }
    assert [*claim.folder.glob("*/*")] == []
    (claim.folder / "byok8s-cache").chmod(0o555)
    found = checks_of(cluster, claim.name)
    assert found["ok"] == [f"{claim.name}, which --cache names"]
    assert "nothing can be kept in it" in found["warning"][0]
    assert "Permission denied" in found["warning"][0]


def test_doctor_names_a_claim_that_is_not_there(cluster: Sandbox) -> None:
    (seen,) = checks_of(cluster, "no-such-claim", expect=3)["failed"]
    assert "has no PersistentVolumeClaim 'no-such-claim'" in seen


def test_a_claim_that_pods_cannot_write_to_is_named_before_anything_is_created(cluster: Sandbox) -> None:
    cluster.write({"Snakefile": SNAKEFILE, "a.json": '{"batch": ["a"]}'})
    cluster.client.post(
        f"/api/v1/namespaces/{cluster.namespace}/persistentvolumeclaims",
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "read-only"},
            "spec": {"accessModes": ["ReadOnlyMany"], "resources": {"requests": {"storage": "1Gi"}}},
        },
    )
    said = cluster.run("a", "--cache", "read-only", expect=3)
    assert "cannot all write to the PersistentVolumeClaim 'read-only'" in " ".join(said.split())
    assert cluster.names() == []


def test_what_a_job_writes_to_a_volume_of_yours_stays_there(cluster: Sandbox, claim: Claim) -> None:
    snakefile = "rule all:\n    output: 'done'\n    shell: 'echo result > /data/result; touch {output}'\n"
    cluster.write({"Snakefile": snakefile})
    cluster.run("--pod", f"persistent_volume_claims={claim.name}:/data")
    assert (claim.folder / "result").read_text() == "result\n"
