"""One test's share of the cluster and of the bucket, and how byok8s is run there."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from byok8s import s3
from byok8s.kube import Context, KubeClient, Object
from byok8s.kube.objects import items, text
from folders import run_in, start_in, write_files

KUBECONFIG = os.environ.get("BYOK8S_TEST_KUBECONFIG", "")


@dataclass
class Sandbox:
    """One test's share of the cluster and of the bucket, and the working folder that runs there.

    program: what is run; a package's command takes the same.
    """

    client: KubeClient
    namespace: str
    bucket: s3.Bucket
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    started: list[subprocess.Popen[str]] = field(default_factory=list)
    program: Sequence[str] = (sys.executable, "-m", "byok8s")

    def command(self, *arguments: str, command: str = "run") -> list[str]:
        return [*self.program, *command.split(), "-k", self.namespace, *arguments]

    def run(self, *arguments: str, expect: int = 0, command: str = "run", **environment: str) -> str:
        """byok8s with these arguments; its output and errors, after a check of its exit code."""
        return run_in(
            self.folder, self.command(*arguments, command=command), self.environment | environment, expect
        )

    def snakemake(self, *arguments: str) -> str:
        """Plain Snakemake with byok8s' executor and storage; its output and errors, after a check of its exit code."""
        return run_in(self.folder, *self._snakemake(*arguments))

    def start_snakemake(self, *arguments: str) -> subprocess.Popen[str]:
        return self._start(*self._snakemake(*arguments))

    def _snakemake(self, *arguments: str) -> tuple[list[str], dict[str, str]]:
        ours = (
            f"--executor byok8s --default-storage-provider byok8s --default-storage-prefix {self.bucket.url} "
            f"--byok8s-namespace {self.namespace} --container-image {os.environ['BYOK8S_IMAGE']}"
        )
        command = [sys.executable, "-m", "snakemake", *arguments, *ours.split()]
        return command, self.environment | {"AWS_ENDPOINT_URL": self.bucket.endpoint_url or ""}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return self._start(self.command(*arguments), self.environment)

    def _start(self, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
        run = start_in(self.folder, command, environment)
        self.started.append(run)
        return run

    def write(self, files: dict[str, str]) -> None:
        write_files(self.folder, files)

    def content(self, key: str) -> bytes:
        """Return the content of a file in the bucket, below the test's prefix."""
        client = s3.connect(self.bucket.endpoint_url)
        return client.get_object(Bucket=self.bucket.name, Key=f"{self.bucket.prefix}/{key}")["Body"].read()

    def read(self, key: str) -> str:
        """Return the same, of a file of text."""
        return self.content(key).decode()

    def made(self) -> list[str]:
        """Return the workflow's files in the bucket, below the test's prefix, without records or upstream's sources."""
        return [key for key in self.kept() if not key.startswith((".byok8s/", "snakemake-workflow-sources."))]

    def await_made(self, count: int, seconds: float = 90) -> None:
        until = time.monotonic() + seconds
        while len(self.made()) < count:
            assert time.monotonic() < until, f"only {self.made()} within {seconds} s\n{self._why()}"
            time.sleep(0.25)

    def _why(self) -> str:
        """Return what Kubernetes and the runs say, for a test that has waited in vain. The runs are ended."""
        pods = [(text(pod, "metadata", "name"), pod.get("status")) for pod in self.objects("pods")]
        events = items(self.client.get(f"/api/v1/namespaces/{self.namespace}/events"), "items")
        noted = [(text(event, "reason"), text(event, "message")) for event in events]
        for run in self.started:
            run.terminate()
        said = [run.communicate(timeout=60)[0] for run in self.started]
        return "\n".join(map(str, [*pods, *noted, *said]))

    def kept(self) -> list[str]:
        """All that is in the bucket, below the test's prefix."""
        client = s3.connect(self.bucket.endpoint_url)
        listed = client.list_objects_v2(Bucket=self.bucket.name, Prefix=f"{self.bucket.prefix}/")
        found = listed.get("Contents", [])
        return [entry["Key"].removeprefix(f"{self.bucket.prefix}/") for entry in found]

    def objects(self, *kinds: str) -> list[Object]:
        """Return what byok8s has in the namespace."""
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

    def await_pods(self, count: int = 1) -> list[str]:
        """Wait until so many pods or more run; return their names."""
        until = time.monotonic() + 60
        while len(running := self._running()) < count:
            assert time.monotonic() < until, f"{len(running)} instead of {count} pods run after 60 s"
            time.sleep(0.25)
        return running

    def _running(self) -> list[str]:
        pods = self.objects("pods")
        return [text(pod, "metadata", "name") for pod in pods if text(pod, "status", "phase") == "Running"]

    def await_log(self, word: str) -> None:
        """Until a job's log, as it comes in, has `word`."""
        until = time.monotonic() + 60
        while not any(word in log.read_text() for log in (self.folder / ".byok8s").glob("runs/*/logs/*.log")):
            assert time.monotonic() < until, f"{word!r} was in no log within 60 s"
            time.sleep(0.25)

    def names(self) -> list[str]:
        return [f"{obj['kind']}/{text(obj, 'metadata', 'name')}" for obj in self.objects()]


@contextlib.contextmanager
def sandbox(folder: Path) -> Iterator[Sandbox]:
    """Make a namespace and a prefix that nobody else has, and a new working folder. KUBECONFIG must be set."""
    client = KubeClient(Context())
    namespace = f"byok8s-test-{uuid.uuid4().hex[:8]}"
    metadata: Object = {"metadata": {"name": namespace}}
    client.post("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", **metadata})
    bucket = s3.Bucket.parse(
        f"{os.environ['BYOK8S_S3_BUCKET']}/{namespace}", os.environ.get("BYOK8S_S3_ENDPOINT_URL")
    )
    folder.mkdir()
    environment = {
        **os.environ,
        "KUBECONFIG": KUBECONFIG,
        "BYOK8S_S3_BUCKET": f"{bucket.name}/{bucket.prefix}",
        "PYTHONUNBUFFERED": "1",
    }
    yield Sandbox(client, namespace, bucket, folder, environment)
    client.delete(f"/api/v1/namespaces/{namespace}")


def await_line(run: subprocess.Popen[str], word: str) -> str:
    """Return the output up to a line with `word`."""
    assert run.stdout is not None
    said = ""
    for line in run.stdout:
        said += line
        if word in line:
            return said
    raise AssertionError(f"{word!r} was never said:\n{said}")
