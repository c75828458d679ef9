"""Pod templates on a real cluster: for a run, for a rule, and one that the cluster does not want."""

import base64
import os
import time

import pytest

from byok8s.kube import Object
from byok8s.kube.objects import items, mapping, text
from sandbox import Sandbox

SNAKEFILE = (
    "rule all:\n    input: 'run.txt', 'rule.txt'\n"
    "rule run:\n    output: 'run.txt'\n    shell: 'echo $OF_RUN ${{OF_RULE:-}} > {output}'\n"
    "rule rule:\n    output: 'rule.txt'\n    resources: pod_template='pods/rule.yaml'\n"
    "    shell: 'echo $OF_RUN $OF_RULE > {output}'\n"
)


def template(variable: str, extra: str = "") -> str:
    return f"spec:\n  containers:\n  - env: [{{name: {variable}, value: {variable.lower()}}}]\n{extra}"


KEYS = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key"}


def node(cluster: Sandbox) -> str:
    return text(items(cluster.client.get("/api/v1/nodes"), "items")[0], "metadata", "name")


def test_a_runs_template_and_a_rules_over_it(cluster: Sandbox) -> None:
    placed = f"  nodeSelector: {{kubernetes.io/hostname: {node(cluster)}}}\n"
    cluster.write(
        {
            "Snakefile": SNAKEFILE,
            "wf.yaml": "workflow_target: all\npod_template: pods/run.yaml\n",
            "params.json": "{}",
            "pods/run.yaml": template("OF_RUN", placed),
            "pods/rule.yaml": template("OF_RULE"),
        }
    )
    cluster.run("wf", "params")
    assert cluster.read("run.txt") == "of_run\n"
    assert cluster.read("rule.txt") == "of_run of_rule\n"
    assert cluster.names() == []


def test_a_template_that_the_cluster_does_not_want_is_refused_before_anything_is_created(
    cluster: Sandbox,
) -> None:
    cluster.write(
        {
            "Snakefile": SNAKEFILE,
            "wf.yaml": "workflow_target: run\n",
            "params.json": "{}",
            "bad.yaml": "spec:\n  tolerations: [{operator: Sometimes}]\n",
        }
    )
    said = cluster.run("wf", "params", "--pod-template", "bad.yaml", expect=2)
    assert "tolerations" in said
    assert "Sometimes" in said
    assert cluster.names() == []
    said = cluster.run("wf", "params", "--pod-template", "none.yaml", expect=2)
    assert "no pod template 'none.yaml'" in said
    said = cluster.run("wf", "params", "rule", expect=2)
    assert "In rule rule: There is no pod template 'pods/rule.yaml'" in said


WORDS = (
    "rule all:\n    input: 'run.txt', 'rule.txt'\n"
    "rule run:\n    output: 'run.txt'\n    shell: 'sleep 3; echo run > {output}'\n"
    "rule rule:\n    output: 'rule.txt'\n    resources: labels='team=reads', service_account='reader'\n"
    "    shell: 'sleep 3; echo rule > {output}'\n"
)


def test_words_of_a_run_and_a_rules_over_them(cluster: Sandbox) -> None:
    """Seen in the pods while they run: a service account of its own, and each word where Kubernetes wants it."""
    accounts = f"/api/v1/namespaces/{cluster.namespace}/serviceaccounts"
    cluster.client.post(accounts, {"metadata": {"name": "reader"}})
    cluster.write(
        {
            "Snakefile": WORDS,
            "wf.yaml": "workflow_target: all\npod: {labels: {team: genomes}, image_pull_policy: Never}\n",
            "params.json": "{}",
        }
    )
    selector = f"kubernetes.io/hostname={node(cluster)}"
    run = cluster.start("wf", "params", "--pod", "labels=team=genomes", "--pod", f"node_selector={selector}")
    seen: dict[str, Object] = {}
    while run.poll() is None:
        seen |= {text(pod, "metadata", "name"): pod for pod in cluster.objects("pods")}
        time.sleep(0.2)
    assert run.stdout
    assert run.returncode == 0, run.stdout.read()
    found = {
        (text(pod, "metadata", "labels", "team"), text(pod, "spec", "serviceAccountName"))
        for pod in seen.values()
    }
    assert found == {("genomes", "default"), ("reads", "reader")}
    assert {text(pod, "spec", "nodeSelector", "kubernetes.io/hostname") for pod in seen.values()} == {
        node(cluster)
    }


def test_what_no_node_can_ever_take_is_said_before_anything_is_created(cluster: Sandbox) -> None:
    cluster.write(
        {
            "Snakefile": "rule all:\n    input: 'a.txt'\n"
            "rule big:\n    output: 'a.txt'\n    threads: 512\n    resources: gpu=100\n    shell: 'touch {output}'\n",
            "wf.yaml": "workflow_target: all\n",
            "params.json": "{}",
        }
    )
    said = cluster.run("wf", "params", "--strict-threads", expect=3)
    assert "No node of the cluster can ever take" in said
    assert "rule big" in said
    assert "486 CPU" in said
    assert "nvidia.com/gpu" in said
    assert cluster.names() == []


def test_a_rules_words_are_tried_before_the_first_job(cluster: Sandbox) -> None:
    """Its job comes second: what is wrong with it is said before the first has run."""
    cluster.write(
        {
            "Snakefile": "rule second:\n    input: 'a.txt'\n    output: 'b.txt'\n"
            "    resources: service_account='nobody'\n    shell: 'cp {input} {output}'\n"
            "rule first:\n    output: 'a.txt'\n    shell: 'echo > {output}'\n",
            "wf.yaml": "workflow_target: second\n",
            "params.json": "{}",
        }
    )
    said = cluster.run("wf", "params", expect=3)
    assert "rule second" in said
    assert "nobody" in said
    assert cluster.names() == []
    assert cluster.made() == []


def test_pods_with_credentials_of_their_own_get_no_copy_of_the_users(cluster: Sandbox) -> None:
    data = {name: base64.b64encode(os.environ[variable].encode()).decode() for variable, name in KEYS.items()}
    keys: Object = {"metadata": {"name": "job-keys"}, "data": dict(data)}
    cluster.client.post(f"/api/v1/namespaces/{cluster.namespace}/secrets", keys)
    variables = "".join(
        f"    - name: {variable}\n      valueFrom: {{secretKeyRef: {{name: job-keys, key: {name}}}}}\n"
        for variable, name in KEYS.items()
    )
    cluster.write(
        {
            "Snakefile": "rule only:\n    output: 'out.txt'\n"
            "    shell: 'sleep 3; ls $AWS_SHARED_CREDENTIALS_FILE > {output} 2>&1 || true'\n",
            "wf.yaml": "workflow_target: only\npod_template: keys.yaml\nno_credentials: true\n",
            "params.json": "{}",
            "keys.yaml": f"spec:\n  containers:\n  - env:\n{variables}",
        }
    )
    run = cluster.start("wf", "params")
    cluster.await_pods()
    (secret,) = (obj for obj in cluster.objects() if obj["kind"] == "secrets")
    said, _ = run.communicate(timeout=120)
    assert run.returncode == 0, said
    assert "aws-credentials" not in mapping(secret, "data")
    assert not set(data.values()) & set(mapping(secret, "data").values())
    assert "No such file" in cluster.read("out.txt")
    assert cluster.names() == []


BESIDE = """
spec:
  initContainers:
  - {name: a-mesh-init, image: IMAGE, command: ["true"]}
  containers:
  - {name: worker}
  - {name: a-sidecar, image: IMAGE, command: [sleep, "3600"]}
"""


@pytest.mark.parametrize("flags", [(), ("--no-reuse",)], ids=["workers", "single pods"])
def test_a_container_beside_ours_that_never_ends(flags: tuple[str, ...], cluster: Sandbox) -> None:
    """As a mesh or a policy puts one there. It is our container's end that counts, well or badly."""
    cluster.write(
        {
            "Snakefile": SNAKEFILE.replace("resources: pod_template='pods/rule.yaml'\n    ", "")
            + "rule bad:\n    output: 'bad.txt'\n    shell: 'exit 9'\n",
            "wf.json": '{"workflow_target": "all"}',
            "params.json": "{}",
            "beside.yaml": BESIDE.replace("IMAGE", os.environ["BYOK8S_IMAGE"]),
        }
    )
    said = cluster.run("wf", "params", "--pod-template", "beside.yaml", *flags, "bad.txt", expect=1)
    assert "exit code 9" in said
    cluster.write({"Snakefile": "rule all:\n    output: 'well.txt'\n    shell: 'echo well > {output}'\n"})
    cluster.run("wf", "params", "--pod-template", "beside.yaml", *flags)
    assert cluster.read("well.txt") == "well\n"
    assert cluster.names() == []
