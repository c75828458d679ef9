"""Pod templates on a real cluster: for a run, for a rule, and one that the cluster does not want."""

from byok8s.kube.json import items, text
from corner import Cluster

SNAKEFILE = (
    "rule all:\n    input: 'run.txt', 'rule.txt'\n"
    "rule run:\n    output: 'run.txt'\n    shell: 'echo $OF_RUN ${{OF_RULE:-}} > {output}'\n"
    "rule rule:\n    output: 'rule.txt'\n    resources: pod_template='pods/rule.yaml'\n"
    "    shell: 'echo $OF_RUN $OF_RULE > {output}'\n"
)


def template(variable: str, extra: str = "") -> str:
    return f"spec:\n  containers:\n  - env: [{{name: {variable}, value: {variable.lower()}}}]\n{extra}"


def node(cluster: Cluster) -> str:
    return text(items(cluster.client.get("/api/v1/nodes"), "items")[0], "metadata", "name")


def test_a_runs_template_and_a_rules_over_it(cluster: Cluster) -> None:
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
    cluster: Cluster,
) -> None:
    cluster.write(
        {
            "Snakefile": SNAKEFILE,
            "wf.yaml": "workflow_target: all\n",
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
