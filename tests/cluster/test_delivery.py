"""The workflow's files reach the pods: params of any shape, includes, scripts, environment; in any image."""

import json
import os

import pytest

from sandbox import Sandbox

NESTED = {"name": "blue", "deep": {"list": [1, 2.5, None, True], "text": "ü and 'quotes'"}, "number": "007"}


def test_params_keep_their_values_and_types_wherever_the_file_lies(cluster: Sandbox) -> None:
    cluster.write(
        {
            "Snakefile": "import json\nrule only:\n    output: 'config.json'\n"
            "    run:\n        with open(output[0], 'w') as out: json.dump(config, out)\n",
            "wf.json": '{"workflow_target": "only"}',
            "../elsewhere/params.json": json.dumps(NESTED),
        }
    )
    cluster.run("wf", "../elsewhere/params")
    assert json.loads(cluster.read("config.json")) == NESTED


def test_includes_scripts_and_modules_beside_them(cluster: Sandbox) -> None:
    cluster.write(
        {
            "workflow/Snakefile": "include: 'rules/more.smk'\nrule all:\n    input: 'out.txt'\n",
            "workflow/rules/more.smk": "rule made:\n    input: 'in.txt'\n    output: 'out.txt'\n"
            "    log: 'made.log'\n    script: '../scripts/make.py'\n"
            "rule start:\n    output: 'in.txt'\n    shell: 'echo start > {output}'\n",
            "workflow/scripts/make.py": "from helper import shout\n"
            "open(snakemake.output[0], 'w').write(shout(open(snakemake.input[0]).read()))\n",
            "workflow/scripts/helper.py": "def shout(words):\n    return words.upper()\n",
            "wf.yml": "workflow_target: all\n",
            "params.yml": "",
        }
    )
    cluster.run("wf", "params")
    assert cluster.read("out.txt") == "START\n"


def test_an_image_with_snakemake_and_no_s3_client_will_do(seed: Sandbox) -> None:
    image = os.environ.get("BYOK8S_TEST_MINIMAL_IMAGE")
    if not image:
        pytest.skip("BYOK8S_TEST_MINIMAL_IMAGE names no image with Snakemake and without boto3")
    seed.run("workflow-gamma", "params-red", "--image", image)
    assert seed.read("gamma.txt") == "gamma 1 red\ngamma 2 red\n"


def test_large_sources_are_shared_out_over_config_maps(cluster: Sandbox) -> None:
    """Three MB that do not compress."""
    cluster.write(
        {
            "Snakefile": "rule only:\n    output: 'size.txt'\n    script: 'scripts/size.py'\n",
            "scripts/size.py": "import os\nsize = os.path.getsize('scripts/data.bin')\n"
            "open(snakemake.output[0], 'w').write(str(size))\n",
            "wf.json": '{"workflow_target": "only"}',
            "params.json": "{}",
        }
    )
    (cluster.folder / "scripts/data.bin").write_bytes(os.urandom(3_000_000))
    cluster.run("wf", "params")
    assert cluster.read("size.txt") == "3000000"


def test_the_environment_that_a_workflow_asks_for_comes_by_the_secret(cluster: Sandbox) -> None:
    cluster.write(
        {
            "Snakefile": "envvars: 'MY_TOKEN'\nrule only:\n    output: 'out.txt'\n"
            "    shell: 'printf %s \"$MY_TOKEN\" | wc -c > {output}'\n",
            "wf.json": '{"workflow_target": "only"}',
            "params.json": "{}",
        }
    )
    said = cluster.run("wf", "params", MY_TOKEN="hidden-token")
    assert cluster.read("out.txt").strip() == "12"
    assert "hidden-token" not in said


def test_a_job_sees_no_credentials_in_its_environment(cluster: Sandbox) -> None:
    cluster.write(
        {
            "Snakefile": "rule only:\n    output: 'env.txt'\n"
            "    shell: 'env > {output}; id -u >> {output}'\n",
            "wf.json": '{"workflow_target": "only"}',
            "params.json": "{}",
        }
    )
    cluster.run("wf", "params")
    seen = cluster.read("env.txt")
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in seen
    assert seen.endswith("\n1000\n")


def test_plain_snakemake_can_use_the_executor(seed: Sandbox) -> None:
    seed.snakemake("target1", "--jobs", "2", "--configfile", "params-blue.json")
    assert seed.read("alpha.txt") == "alpha blue\n"
    assert seed.names() == []
