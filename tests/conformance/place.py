"""Where byok8s runs a workflow: on this machine or on a cluster, with a bucket for its files."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from byok8s import s3
from byok8s.s3.embedded import embedded_server
from conformance.workflow import NOT_RESULTS
from sandbox import KUBECONFIG, sandbox

CORPUS_IMAGE = "BYOK8S_TEST_CORPUS_IMAGE"


@dataclass(frozen=True)
class Shelf:
    """A prefix in the bucket that one run has for itself."""

    client: s3.S3Client
    bucket: s3.Bucket

    def put(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=self.bucket.name, Key=f"{self.bucket.prefix}/{key}", Body=content)

    def get(self, key: str) -> bytes:
        found = self.client.get_object(Bucket=self.bucket.name, Key=f"{self.bucket.prefix}/{key}")
        return found["Body"].read()

    def all_keys(self) -> list[str]:
        """Return the workflow's keys: those that byok8s and Snakemake have for themselves are left out."""
        beginning = f"{self.bucket.prefix}/"
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket.name, Prefix=beginning
        )
        found = (entry["Key"].removeprefix(beginning) for page in pages for entry in page.get("Contents", []))
        return [key for key in found if NOT_RESULTS.isdisjoint(key.split("/"))]


@dataclass(frozen=True)
class Place:
    """name: "local" or "cluster". seconds: for one run. jobs: at once, None for as many as the workflow has cores."""

    name: str
    bucket: s3.Bucket
    client: s3.S3Client
    arguments: Sequence[str]
    seconds: float
    jobs: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def shelf(self, name: str) -> Shelf:
        prefix = "/".join(part for part in (self.bucket.prefix, name) if part)
        return Shelf(self.client, s3.Bucket(self.bucket.name, prefix, self.bucket.endpoint_url))


@contextlib.contextmanager
def this_machine() -> Iterator[Place]:
    """Run with --local; with one S3 server for all runs."""
    with TemporaryDirectory(prefix="conformance-") as scratch, embedded_server(Path(scratch, "s3")) as server:
        keys = server.credentials
        variables = {"AWS_ACCESS_KEY_ID": keys.access_key, "AWS_SECRET_ACCESS_KEY": keys.secret_key}
        client = s3.connect(server.endpoint_url, keys)
        variables |= {"BYOK8S_S3_ENDPOINT_URL": server.endpoint_url, "KUBECONFIG": "/nonexistent"}
        yield Place(
            "local", server.bucket, client, ["--local", "--upload", "replace"], 120, environment=variables
        )


def cluster_is_named() -> bool:
    return bool(KUBECONFIG)


@contextlib.contextmanager
def the_cluster() -> Iterator[Place]:
    """Run on the cluster that the environment names, in a namespace of its own."""
    os.environ["KUBECONFIG"] = KUBECONFIG
    with TemporaryDirectory(prefix="conformance-") as scratch, sandbox(Path(scratch, "none")) as here:
        ours = ("BYOK8S_", "AWS_", "KUBE")
        variables = {name: value for name, value in here.environment.items() if name.startswith(ours)}
        if image := os.environ.get(CORPUS_IMAGE):
            variables["BYOK8S_IMAGE"] = image
        client = s3.connect(here.bucket.endpoint_url)
        yield Place(
            "cluster", here.bucket, client, ["-k", here.namespace, "--upload", "replace"], 180, 2, variables
        )
