"""conda: each environment is made once, in a pod, and jobs have what is in it. This machine has no conda."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from byok8s import s3
from byok8s.kube import ApiError, Object
from byok8s.kube.objects import items, mapping, text
from byok8s.pods.names import ENVIRONMENT_LABEL
from byok8s.s3.client import connect
from channel import BRIDGE, greetings
from folders import run_in
from private_channel import CHANNEL_TOKEN, PASSWORD, USER, guarded
from sandbox import Sandbox
from unpacked import unpacked

ENVIRONMENT = "channels: [greetings, nodefaults]\ndependencies: [greet, 'libgreet=1.2', python]\n"
SNAKEFILE = """
rule all:
    input: "shell.txt", "run.txt", "script.txt", "wrapper.txt", "plain.txt"
rule shell:
    output: "shell.txt"
    conda: "envs/greet.yaml"
    shell: "greet > {output}; cat $CONDA_PREFIX/deployed >> {output}; echo $SAID >> {output}"
rule run:
    output: "run.txt"
    conda: "envs/greet.yaml"
    run: shell("greet > {output}")
rule script:
    output: "script.txt"
    conda: "envs/greet.yaml"
    script: "scripts/say.py"
rule wrapper:
    output: "wrapper.txt"
    wrapper: "v1/say"
rule plain:
    output: "plain.txt"
    shell: "(command -v greet || echo nothing) > {output}"
"""
SCRIPT = (
    "import os, subprocess\nsaid = subprocess.check_output(['greet'], text=True)\n"
    "open(snakemake.output[0], 'w').write(os.environ['THIS_PYTHON'] + ' ' + said)\n"
)
FILES = {
    "Snakefile": SNAKEFILE,
    "envs/greet.yaml": ENVIRONMENT + "variables:\n  SAID: it's so\n",
    "envs/greet.post-deploy.sh": "#!/bin/bash\ngreet > $CONDA_PREFIX/deployed\n",
    "scripts/say.py": SCRIPT,
    "wrappers/v1/say/wrapper.py": SCRIPT,
    "wrappers/v1/say/environment.yaml": ENVIRONMENT.replace("1.2", "1.3"),
}
ONE = "rule {0}:\n    output: '{0}.txt'\n    conda: 'envs/{0}.yaml'\n    shell: 'greet > {{output}}'\n"


@pytest.fixture
def flow(cluster: Sandbox) -> Iterator[Sandbox]:
    """A cluster whose runs find a channel."""
    assert shutil.which("conda") is None
    with greetings(cluster.folder.parent) as address:
        cluster.environment |= {"BYOK8S_SOFTWARE": "conda", "BYOK8S_CHANNEL_ALIAS": address}
        yield cluster


def archives(cluster: Sandbox) -> list[str]:
    return [key for key in cluster.kept() if re.fullmatch(r"\.byok8s/envs/linux-64/.*\.tar\.zst", key)]


def test_rules_have_what_they_declare_and_it_is_made_once(flow: Sandbox) -> None:
    flow.write(FILES)
    prefix = ("-s", "Snakefile", "--", "--wrapper-prefix", f"file://{flow.folder}/wrappers/")
    said = flow.run(*prefix)
    assert "2 conda environments (2 to make)" in said
    first, second, deployed, *rest = flow.read("shell.txt").splitlines()
    assert (first, deployed, rest[-1]) == ("hello from libgreet 1.2", first, "it's so")
    assert re.fullmatch(r"home (/work/envs/\w{32}_)/share/greet prefix \1", second)
    assert flow.read("run.txt").startswith("hello from libgreet 1.2\n")
    assert flow.read("script.txt").startswith("of-conda hello from libgreet 1.2\n")
    assert flow.read("wrapper.txt").startswith("of-conda hello from libgreet 1.3\n")
    assert flow.read("plain.txt") == "nothing\n"
    assert len(archives(flow)) == 2
    assert flow.names() == []
    assert "Nothing to be done" in flow.run(*prefix)

    # a changed environment makes its rules run again, and only these; the other is there
    flow.write({"envs/greet.yaml": ENVIRONMENT.replace("1.2", "1.3") + "variables: {SAID: else}\n"})
    assert "envs/greet.yaml (" in flow.run("-n", *prefix)
    said = flow.run(*prefix)
    assert "Making the conda environment envs/greet.yaml." in said
    assert said.count("Making the conda environment") == 1
    assert flow.read("shell.txt").startswith("hello from libgreet 1.3\n")
    ran = set(re.findall(r"jobs done: (\w+)", said))
    assert ran & {"shell", "run", "script", "wrapper", "plain"} == {"shell", "run", "script"}


IN_A_CONTAINER = """
container: "docker://{image}"
rule all:
    input: "shell.txt", "run.txt", "script.txt", "plain.txt"
rule shell:
    output: "shell.txt"
    conda: "envs/greet.yaml"
    shell: "greet > {{output}}; cat /etc/tool >> {{output}}; echo $SAID >> {{output}}; "
        "touch $CONDA_PREFIX/x || echo read-only >> {{output}}"
rule run:
    output: "run.txt"
    conda: "envs/greet.yaml"
    run: shell("(greet; cat /etc/tool) > {{output}}")
rule script:
    output: "script.txt"
    conda: "envs/greet.yaml"
    script: "scripts/say.sh"
rule plain:
    output: "plain.txt"
    shell: "(command -v greet || cat /etc/tool) > {{output}}"
"""


def test_an_environment_stands_on_the_container_that_its_rule_declares(flow: Sandbox) -> None:
    images = os.environ.get("BYOK8S_TEST_TOOL_IMAGES")
    if not images:
        pytest.skip("no images: BYOK8S_TEST_TOOL_IMAGES is not set (the rig's environment has it)")
    script = {"scripts/say.sh": "(greet; cat /etc/tool) > ${snakemake_output[0]}\n"}
    flow.write(FILES | script | {"Snakefile": IN_A_CONTAINER.format(image=images % "debian")})
    flow.run("-s", "Snakefile", "--software", "declared")
    first, _, *rest = flow.read("shell.txt").splitlines()
    assert (first, rest) == ("hello from libgreet 1.2", ["debian", "it's so", "read-only"])
    for name in ("run.txt", "script.txt"):
        said = flow.read(name).splitlines()
        assert (said[0], said[-1]) == ("hello from libgreet 1.2", "debian")
    assert flow.read("plain.txt") == "debian\n"
    assert flow.names() == []


def begin_storing(flow: Sandbox) -> None:
    """Leave of an environment what a pod does that is killed while it stores a large one."""
    key = f"{flow.bucket.prefix}/.byok8s/envs/linux-64/name-sum.tar.zst"
    client, at = connect(flow.bucket.endpoint_url), {"Bucket": flow.bucket.name, "Key": key}
    upload = client.create_multipart_upload(**at)["UploadId"]
    client.upload_part(**at, UploadId=upload, PartNumber=1, Body=b"half of it")


def test_an_environment_whose_pod_is_deleted_is_made_again(flow: Sandbox) -> None:
    slow = "sleep 3; echo slow > $CONDA_PREFIX/slow\n"
    flow.write(
        {"Snakefile": ONE.format("good"), "envs/good.yaml": ENVIRONMENT, "envs/good.post-deploy.sh": slow}
    )
    run = flow.start("-s", "Snakefile")
    flow.await_pods()
    (pod,) = flow.objects("pods")
    name = text(pod, "metadata", "name")
    assert "-env-" in name  # and no worker has the node's room yet
    begin_storing(flow)
    flow.client.delete(f"/api/v1/namespaces/{flow.namespace}/pods/{name}", {"gracePeriodSeconds": 0})
    said, _ = run.communicate(timeout=120)
    assert run.returncode == 0, said
    assert "The conda environment envs/good.yaml is made again" in said
    assert flow.read("good.txt").startswith("hello from libgreet 1.2\n")
    assert flow.names() == []
    assert s3.unfinished(flow.bucket) == []


def test_environments_are_listed_and_removed(flow: Sandbox) -> None:
    flow.write({"Snakefile": ONE.format("good"), "envs/good.yaml": ENVIRONMENT})
    flow.run("-s", "Snakefile")
    (key,) = archives(flow)
    listed = run_in(flow.folder, [*flow.program, "envs"], flow.environment, 0)
    assert listed.splitlines()[-1].split()[-3:] == ["linux-64", key.rpartition("/")[2][:8], "envs/good.yaml"]
    run_in(flow.folder, [*flow.program, "clean", "--envs", "--yes"], flow.environment, 0)
    assert archives(flow) == [key]
    run_in(flow.folder, [*flow.program, "clean", "--envs", "--all", "--yes"], flow.environment, 0)
    assert [kept for kept in flow.kept() if "/envs/" in kept] == []
    assert "Making the conda environment" in flow.run("-s", "Snakefile", "-f")


def test_an_environment_that_cannot_be_made_fails_its_jobs_and_no_others(flow: Sandbox) -> None:
    rules = [ONE.format(name) for name in ("good", "impossible", "broken", "nowhere")]
    flow.write(
        {
            "Snakefile": "rule all:\n    input: 'good.txt', 'impossible.txt', 'broken.txt', 'nowhere.txt'\n"
            + "".join(rules),
            "envs/good.yaml": ENVIRONMENT,
            "envs/impossible.yaml": ENVIRONMENT.replace("1.2", "7.7"),
            "envs/broken.yaml": ENVIRONMENT,
            "envs/broken.post-deploy.sh": "echo no way; exit 5\n",
            "envs/nowhere.yaml": "channels: [absent]\ndependencies: [greet]\n",
        }
    )
    said = flow.run("-s", "Snakefile", "--", "--keep-going", expect=1)
    assert flow.made() == ["good.txt"]
    assert "libgreet" in said
    assert "7.7" in said
    assert "no way" in said
    for name in ("conda-unsolvable", "conda-post-deploy", "conda-channel"):
        assert said.count(f"byok8s explain {name}") >= 1, name
    assert len(archives(flow)) == 1


def test_an_environment_that_was_changed_in_the_bucket_is_refused(flow: Sandbox) -> None:
    flow.write({"Snakefile": ONE.format("good"), "envs/good.yaml": ENVIRONMENT})
    flow.run("-s", "Snakefile")
    (key,) = archives(flow)
    client = connect(flow.bucket.endpoint_url)
    client.put_object(Bucket=flow.bucket.name, Key=f"{flow.bucket.prefix}/{key}", Body=b"other software")
    said = flow.run("-s", "Snakefile", "-f", expect=1)
    assert "is not what was made" in said
    assert "byok8s explain conda-changed" in said


def test_an_image_that_cannot_make_environments_is_named(flow: Sandbox) -> None:
    minimal_image = os.environ.get("BYOK8S_TEST_MINIMAL_IMAGE")
    if not minimal_image:
        pytest.skip("BYOK8S_TEST_MINIMAL_IMAGE names no image with Snakemake and without py-rattler")
    flow.write({"Snakefile": ONE.format("good"), "envs/good.yaml": ENVIRONMENT})
    said = flow.run("-s", "Snakefile", "--image", minimal_image, expect=1)
    assert "the image has no py-rattler" in said
    assert flow.made() == []


# -- private channels --

SEEN_BY_NOBODY = (CHANNEL_TOKEN, PASSWORD, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode())
PRIVATE = {
    "Snakefile": "rule all:\n    input: 'basic.txt', 'token.txt'\n"
    + ONE.format("basic")
    + ONE.format("token"),
    "envs/basic.yaml": "channels: ['$SERVER/basic/greetings']\ndependencies: [greet, 'libgreet=1.2']\n",
    "envs/token.yaml": "channels: ['$SERVER/t/$CHANNEL_TOKEN/private/greetings']\n"
    "dependencies: [greet, 'libgreet=1.3']\n",
    # it tells what a pod knows of itself
    "envs/token.post-deploy.sh": "env; cat /proc/1/cmdline\n",
}


@pytest.fixture
def private(flow: Sandbox) -> Iterator[Sandbox]:
    """A cluster, channels that want credentials, and a machine that has some: a home of its own with a .netrc."""
    home = flow.folder.parent / "home"
    home.mkdir()
    (home / ".netrc").write_text(f"machine {BRIDGE} login {USER} password {PASSWORD}\n")
    del flow.environment["BYOK8S_CHANNEL_ALIAS"]
    with guarded(flow.folder.parent / "channels", BRIDGE) as address:
        flow.environment |= {"HOME": str(home), "SERVER": address, "CHANNEL_TOKEN": CHANNEL_TOKEN}
        flow.write(PRIVATE)
        yield flow


def shown(objects: list[Object]) -> str:
    """Return what objects say, in lines, also what is packed in them; of Secrets their names alone."""
    lines = []
    for each in objects:
        if each["kind"] == "secrets":
            lines.append(f"secret {sorted(mapping(each, 'data'))}")
            continue
        lines.append(json.dumps(each))
        for container in items(each, "spec", "containers") if each["kind"] == "pods" else ():
            arguments = container["args"]
            assert isinstance(arguments, list)
            for word in map(str, arguments):
                with contextlib.suppress(ValueError, zlib.error):
                    lines.append(zlib.decompress(base64.b64decode(word)).decode())
        for packed in mapping(each, "binaryData").values():
            lines.append(unpacked(base64.b64decode(str(packed))).decode(errors="replace"))
    return "\n".join(lines)


def test_private_channels_are_had_and_nobody_sees_their_credentials(private: Sandbox) -> None:
    run = private.start("-s", "Snakefile", "--", "--verbose")
    output = ThreadPoolExecutor(1).submit(run.communicate)
    seen: list[str] = []
    has_credentials: dict[bool, set[bool]] = {True: set(), False: set()}  # by whether it makes environments
    while not output.done():
        objects = private.objects()
        seen.append(shown(objects))
        for pod in (each for each in objects if each["kind"] == "pods"):
            has_credentials[ENVIRONMENT_LABEL in mapping(pod, "metadata", "labels")].add(
                "channels.json" in str(pod)
            )
            path = f"/api/v1/namespaces/{private.namespace}/pods/{text(pod, 'metadata', 'name')}/log"
            with contextlib.suppress(ApiError):
                seen.append(private.client.get_text(path))
    said, _ = output.result()
    assert run.returncode == 0, said
    assert private.read("basic.txt").startswith("hello from libgreet 1.2\n")
    assert private.read("token.txt").startswith("hello from libgreet 1.3\n")
    stored = [unpacked(private.content(key)) for key in private.kept()]
    local = [path.read_bytes() for path in private.folder.rglob("*") if path.is_file()]
    everything = b"".join(["\n".join([said, *seen]).encode(), *stored, *local])
    # what was looked through has what it should have: objects, arguments, archives, logs and the record
    for word in (
        "channels.json",
        '"channels": ["http',
        "etc/conda/activate.d",
        "CHANNEL_TOKEN",
        '"event":"job.',
    ):
        assert word.encode() in everything, word
    for secret in SEEN_BY_NOBODY:
        assert secret.encode() not in everything
    assert has_credentials == {True: {True}, False: {False}}
    assert private.names() == []


def test_credentials_that_are_wrong_fail_their_rules_and_no_others(private: Sandbox) -> None:
    said = private.run("-s", "Snakefile", "--", "--keep-going", expect=1, CHANNEL_TOKEN="old-7c2")
    assert private.made() == ["basic.txt"]
    assert f"{BRIDGE} refuses the credentials that this machine has for its channel" in said
    assert "byok8s explain conda-denied" in said
    assert "old-7c2" not in said
    (Path(private.environment["HOME"]) / ".netrc").unlink()
    private.write({"envs/basic.yaml": PRIVATE["envs/basic.yaml"] + "variables: {A: b}\n"})
    said = private.run("-s", "Snakefile", "basic.txt", expect=1)
    assert f"{BRIDGE} wants credentials for its channel, and this machine has none" in said
    assert private.names() == []


CHECKPOINT = """
checkpoint first:
    output: "first.txt"
    shell: "echo basic > {output}"
def more(_):
    with open(checkpoints.first.get().output[0]) as names:
        return names.read().strip() + ".txt"
rule all:
    input: more
    default_target: True
"""


def test_channels_of_rules_behind_a_checkpoint_have_their_credentials(private: Sandbox) -> None:
    private.write({"Snakefile": CHECKPOINT + ONE.format("basic")})
    private.run("-s", "Snakefile")
    assert private.read("basic.txt").startswith("hello from libgreet 1.2\n")


def test_a_password_in_a_file_of_the_workflow_is_refused_before_anything_is_made(private: Sandbox) -> None:
    private.write({"envs/basic.yaml": "channels: ['http://ada:old-7c2@host/c']\ndependencies: [greet]\n"})
    said = private.run("-s", "Snakefile", expect=2)
    assert "The conda environment envs/basic.yaml has credentials in an address" in said
    assert "old-7c2" not in said
    assert private.made() == []
