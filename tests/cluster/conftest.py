"""What the tests on a real cluster share: a namespace and a prefix for each, and a way to run byok8s.

The cluster is the one of BYOK8S_TEST_KUBECONFIG (`make test` sets it to the rig's), the bucket that of
BYOK8S_S3_BUCKET with the keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from byok8s import s3
from byok8s.kube import Context, KubeClient, Object
from byok8s.kube.json import items, text

KUBECONFIG = os.environ.get("BYOK8S_TEST_KUBECONFIG", "")
SEED = Path(__file__).parents[2] / "examples" / "seed"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if KUBECONFIG:
        return
    why = "no cluster: BYOK8S_TEST_KUBECONFIG is not set (`make test` sets it, as root on Debian 12)"
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=why))


@dataclass
class Cluster:
    """One test's corner of the cluster and of the bucket, and the working folder that runs there."""

    client: KubeClient
    namespace: str
    bucket: s3.Bucket
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "byok8s", "run", "-k", self.namespace, *arguments]

    def run(self, *arguments: str, expect: int = 0, **environment: str) -> str:
        """byok8s with these arguments; its output and errors, after a check of its exit code."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        print(done.stdout)
        assert done.returncode == expect, done.stdout
        assert "Traceback" not in done.stdout
        return done.stdout

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def write(self, files: dict[str, str]) -> None:
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)

    def read(self, key: str) -> str:
        """The content of a file in the bucket, below the test's prefix."""
        client = s3.connect(self.bucket.endpoint_url)
        body = client.get_object(Bucket=self.bucket.name, Key=f"{self.bucket.prefix}/{key}")["Body"]
        return str(body.read().decode())  # type: ignore[attr-defined]

    def made(self) -> list[str]:
        """The files in the bucket, below the test's prefix."""
        client = s3.connect(self.bucket.endpoint_url)
        listed = client.list_objects_v2(Bucket=self.bucket.name, Prefix=f"{self.bucket.prefix}/")
        found = listed.get("Contents", [])
        return [entry["Key"].removeprefix(f"{self.bucket.prefix}/") for entry in found]  # type: ignore[attr-defined]

    def objects(self, *kinds: str) -> list[Object]:
        """What byok8s has in the namespace."""
        paths = {
            "pods": "/api/v1/namespaces/{}/pods",
            "secrets": "/api/v1/namespaces/{}/secrets",
            "configmaps": "/api/v1/namespaces/{}/configmaps",
            "jobs": "/apis/batch/v1/namespaces/{}/jobs",
        }
        selector = {"labelSelector": "app.kubernetes.io/managed-by=byok8s"}
        return [
            {"kind": kind, **item}
            for kind in kinds or paths
            for item in items(self.client.get(paths[kind].format(self.namespace), selector), "items")
        ]

    def names(self) -> list[str]:
        return [f"{obj['kind']}/{text(obj, 'metadata', 'name')}" for obj in self.objects()]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setenv("KUBECONFIG", KUBECONFIG)
    client = KubeClient(Context())
    namespace = f"byok8s-test-{uuid.uuid4().hex[:8]}"
    metadata: Object = {"metadata": {"name": namespace}}
    client.post("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", **metadata})
    bucket = s3.Bucket.parse(
        f"{os.environ['BYOK8S_S3_BUCKET']}/{namespace}", os.environ.get("BYOK8S_S3_ENDPOINT_URL")
    )
    folder = tmp_path / "workflow"
    folder.mkdir()
    environment = {
        **os.environ,
        "KUBECONFIG": KUBECONFIG,
        "BYOK8S_S3_BUCKET": f"{bucket.name}/{bucket.prefix}",
        "PYTHONUNBUFFERED": "1",
    }
    yield Cluster(client, namespace, bucket, folder, environment)
    client.delete(f"/api/v1/namespaces/{namespace}")


@pytest.fixture
def seed(cluster: Cluster) -> Cluster:
    """A cluster whose working folder is the seed example."""
    shutil.copytree(SEED, cluster.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))
    return cluster
