"""What cannot work is said in one short paragraph, with its exit code, before anything is created."""

import subprocess
from pathlib import Path

import pytest
import yaml

from sandbox import KUBECONFIG, Sandbox

ROWS = {
    "no Snakefile": (2, ["-s", "no-such"], {}, "There is no Snakefile"),
    "no workflow file": (2, [], {"workflow": "no-such"}, "There is no workflow file"),
    "no params file": (2, [], {"params": "no-such"}, "There is no params file"),
    "broken JSON": (2, [], {"params": "broken.json"}, "not valid JSON: Expecting value at line 1, column 10"),
    "broken YAML": (2, [], {"workflow": "broken.yaml"}, "not valid YAML"),
    "no target": (2, [], {"workflow": "aimless"}, "does not say what to make"),
    "unknown target": (2, ["no-such-target"], {}, "No rule to produce no-such"),
    "missing input": (2, ["-s", "Missing"], {}, "Missing input files for rule target1"),
    "Snakemake's arguments": (2, ["--", "--no-such-flag"], {}, "unrecognized arguments: --no-such-flag"),
    "broken Snakefile": (2, ["-s", "Broken"], {}, "Unexpected keyword ouput in rule definition"),
    "no bucket": (2, [], {"BYOK8S_S3_BUCKET": ""}, "No bucket is named"),
    "no such bucket": (3, ["-b", "no-such-bucket"], {}, "There is no bucket 'no-such-bucket'"),
    "wrong keys": (3, [], {"AWS_SECRET_ACCESS_KEY": "wrong"}, "refuses the secret key"),
    "no credentials": (3, [], {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "no S3 credentials"),
    "S3 unreachable": (3, ["--s3-endpoint-url", "http://127.0.0.2:9"], {}, "127.0.0.2:9"),
    "no kubeconfig": (3, [], {"KUBECONFIG": "/nonexistent"}, "There is no kubeconfig at /nonexistent"),
    "unknown context": (2, ["--context", "no-such"], {}, "no context named 'no-such'"),
    "API unreachable": (3, [], {"KUBECONFIG": "unreachable"}, "cannot be reached"),
    "no namespace": (3, ["-k", "no-such-namespace"], {}, "no namespace 'no-such-namespace'"),
    "absolute path": (2, ["-s", "Absolute"], {}, "/var/tmp/x is an absolute path"),
    "changed name": (2, ["-s", "Changed"], {}, "a name that the S3 server does not keep"),
    "include outside": (2, ["-s", "Including"], {}, "outside.smk is outside of"),
}


@pytest.mark.parametrize("row", ROWS)
def test_bad_input(row: str, seed: Sandbox) -> None:
    code, flags, given, words = ROWS[row]
    kubeconfig = yaml.safe_load(Path(KUBECONFIG).read_text())
    for cluster in kubeconfig["clusters"]:
        cluster["cluster"]["server"] = "https://127.0.0.2:9"
    seed.write(
        {
            "broken.json": '{"name": blue}',
            "broken.yaml": "a: b: c",
            "aimless.json": '{"workflow_target": ""}',
            "Broken": "rule a:\n    ouput: 'x'\n",
            "Missing": "rule target1:\n    input: 'no-such.txt'\n    output: 'x'\n    shell: 'true'\n",
            "Absolute": "rule target1:\n    output: '/var/tmp/x'\n    shell: 'true'\n",
            "Changed": "rule target1:\n    output: 'a\\\\b'\n    shell: 'true'\n",
            "../outside.smk": "",
            "Including": "include: '../outside.smk'\nrule target1:\n    output: 'x'\n    shell: 'true'\n",
            "unreachable": yaml.safe_dump(kubeconfig),
        }
    )
    environment = {name: value for name, value in given.items() if name.isupper()}
    environment |= {"HOME": str(seed.folder), "AWS_EC2_METADATA_DISABLED": "true"}
    files = given.get("workflow", "workflow-alpha"), given.get("params", "params-blue")
    said = seed.run(*files, *flags, expect=code, **environment)
    assert words in said
    assert seed.names() == []
    assert seed.made() == []
    paragraph = said[said.rfind("byok8s: ") :] if "byok8s: " in said else said
    paragraph = paragraph.replace(str(seed.folder.parent), "/home/me")  # as long as a user's, not as a test's
    assert len(" ".join(paragraph.split())) <= 700


def test_an_endpoint_and_a_region_of_the_aws_profile_are_those_of_the_pods(cluster: Sandbox) -> None:
    """Else the pods would ask another provider with these keys."""
    cluster.write(
        {
            "../aws": f"[profile lab]\nregion = eu-central-1\nendpoint_url = {cluster.bucket.endpoint_url}\n",
            "Snakefile": "rule only:\n    output: 'out.txt'\n"
            "    shell: 'echo $AWS_ENDPOINT_URL_S3 $AWS_DEFAULT_REGION > {output}'\n",
            "wf.json": '{"workflow_target": "only"}',
            "params.json": "{}",
        }
    )
    for name in ("BYOK8S_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        cluster.environment.pop(name, None)
    cluster.environment |= {"AWS_CONFIG_FILE": str(cluster.folder.parent / "aws"), "AWS_PROFILE": "lab"}
    said = cluster.run("wf", "params")
    assert f"at {cluster.bucket.endpoint_url}, region eu-central-1" in said
    assert cluster.read("out.txt") == f"{cluster.bucket.endpoint_url} eu-central-1\n"


def test_a_link_of_a_repository_that_leads_out_of_it_is_not_shipped(cluster: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("the key")
    cluster.write({"Snakefile": "rule a:\n    output: 'a.txt'\n    shell: 'cat innocent > {output}'\n"})
    cluster.write({"wf.json": '{"workflow_target": "a"}', "params.json": "{}"})
    (cluster.folder / "innocent").symlink_to(tmp_path / "secret")
    for command in ("init -q", "add -A"):
        subprocess.run(["git", *command.split()], cwd=cluster.folder, check=True)
    said = cluster.run("wf", "params", expect=2)
    assert "a link that leads out of its folder: innocent" in said
    assert cluster.names() == []
    assert cluster.made() == []
