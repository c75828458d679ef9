"""container: of images in a registry that wants credentials: with a pull secret, without one, and with a wrong one."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from image_registry import PASSWORD, PROGRAM, Registry, registry
from sandbox import Sandbox

IMAGES = os.environ.get("BYOK8S_TEST_TOOL_IMAGES", "")
ARCHIVE = os.environ.get("BYOK8S_TEST_TOOL_ARCHIVE", "")
SNAKEFILE = """
rule all:
    input: "public.txt", "private.txt", "wrong.txt"
rule public:
    output: "public.txt"
    container: "docker://PUBLIC"
    shell: "cat /etc/tool > {output}"
rule private:
    output: "private.txt"
    container: "docker://PRIVATE"
    resources: shell_exec="sh", MORE
    shell: "cat /etc/tool > {output}"
rule wrong:
    output: "wrong.txt"
    container: "docker://PRIVATE"
    resources: shell_exec="sh", image_pull_secrets="wrong"
    shell: "cat /etc/tool > {output}"
"""


@pytest.fixture
def images(cluster: Sandbox) -> Iterator[Registry]:
    if not (ARCHIVE and shutil.which(PROGRAM)):
        pytest.skip(
            f"no registry: BYOK8S_TEST_TOOL_ARCHIVE is not set (the rig's environment has it), or no {PROGRAM}"
        )
    cluster.environment["BYOK8S_SOFTWARE"] = "declared"
    with registry(cluster.folder.parent / "registry") as images:
        yield images


def test_an_image_of_a_private_registry_needs_a_pull_secret_and_fails_its_rules_alone_without(
    cluster: Sandbox, images: Registry
) -> None:
    tag = uuid.uuid4().hex[:8]  # that no node has
    name = images.push(Path(ARCHIVE), IMAGES % "busybox", f"lab/tool:{tag}")
    snakefile = SNAKEFILE.replace("PUBLIC", IMAGES % "debian").replace("PRIVATE", name)
    images.make_secret(cluster.client, cluster.namespace, "wrong", "other")
    cluster.write({"Snakefile": snakefile.replace("MORE", "")})
    said = cluster.run("-s", "Snakefile", "--", "--keep-going", expect=1)
    assert cluster.made() == ["public.txt"]
    told = dict(re.findall(r"Error in rule (\w+):\n(.*?)\n    jobid:", said, re.DOTALL))
    assert told.keys() == {"private", "wrong"}
    for words in told.values():
        assert f"its image {name} cannot be pulled: its registry denies access, or has no such image" in words
        assert "byok8s explain image-denied" in words

    # a rule's secret and policy count for its image; the pods' own, which is in no registry, is not asked for
    more = "image_pull_secrets='pull', image_pull_policy='Always'"
    cluster.write({"Snakefile": snakefile.replace("MORE", more)})
    images.make_secret(cluster.client, cluster.namespace, "pull")
    said = cluster.run("-s", "Snakefile", "private.txt")
    assert cluster.read("private.txt") == "busybox\n"
    assert cluster.names() == []
    record = b"".join(path.read_bytes() for path in cluster.folder.rglob("*") if path.is_file())
    assert PASSWORD.encode() not in record + said.encode()
