"""`byok8s cluster status` and `env`: what there is, and how a workflow is run there."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Final

import msgspec

from byok8s.errors import Byok8sError, ClusterError
from byok8s.local_cluster import nodes, s3_process, state
from byok8s.local_cluster.home import Home
from byok8s.s3.client import KEY_VARIABLES

RUN: Final = 'eval "$(byok8s cluster env)" && byok8s WORKFLOW PARAMS'
_UP: Final = "byok8s cluster up"
# what would send the run elsewhere, or with other keys
_UNSET: Final = ("AWS_SESSION_TOKEN", "AWS_PROFILE")


class ClusterStatus(msgspec.Struct, frozen=True, kw_only=True):
    """driver: the tool that made the cluster. problems: why no workflow can run there; empty when one can.

    next: the line to type now. Other than that, None and 0 stand for what there is not, or is not known.
    """

    driver: str | None = None
    nodes: int = 0
    ready_nodes: int = 0
    kubernetes: str | None = None
    kubeconfig: str | None = None
    context: str | None = None
    s3_endpoint_url: str | None = None
    bucket: str | None = None
    image: str | None = None
    problems: tuple[str, ...] = ()
    next: str = RUN


def status(home: Home) -> ClusterStatus:
    """Changes nothing. Raises InputError if what was noted cannot be read."""
    noted = state.read(home.state)
    if noted is None:
        return ClusterStatus(problems=("There is no local cluster.",), next=_UP)
    cluster, problems = _cluster(home)
    if not noted.ready:
        problems.insert(0, "`byok8s cluster up` did not come to its end.")
    if why := s3_process.why_not_usable(home.s3):
        problems.append(f"The S3 server cannot be used: {why}.")
    bucket = s3_process.bucket(home.s3)
    return ClusterStatus(
        driver=noted.driver,
        nodes=len(cluster.nodes) if cluster else 0,
        ready_nodes=sum(node.ready for node in cluster.nodes) if cluster else 0,
        kubernetes=cluster.version if cluster else None,
        kubeconfig=str(home.kubeconfig),
        context=cluster.context if cluster else None,
        s3_endpoint_url=bucket.endpoint_url if bucket else None,
        bucket=bucket.name if bucket else None,
        image=noted.image,
        problems=tuple(problems),
        next=_UP if problems else RUN,
    )


def environment(home: Home) -> str:
    """Shell lines for `eval`, with the keys in them. Raises Byok8sError if no workflow can run."""
    found = status(home)
    if found.problems:
        raise ClusterError(" ".join(found.problems), hint=found.next)
    keys = s3_process.keys(home.s3)
    access_key, secret_key = KEY_VARIABLES
    said = {
        "KUBECONFIG": found.kubeconfig,
        "BYOK8S_CONTEXT": found.context,
        "BYOK8S_K8S_NAMESPACE": nodes.NAMESPACE,
        "BYOK8S_S3_BUCKET": found.bucket,
        "BYOK8S_S3_ENDPOINT_URL": found.s3_endpoint_url,
        "BYOK8S_IMAGE": found.image,
        access_key: keys.access_key,
        secret_key: keys.secret_key,
    }
    return shell_lines({name: value for name, value in said.items() if value})


def shell_lines(variables: Mapping[str, str]) -> str:
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    return "\n".join([*lines, f"unset {' '.join(_UNSET)}"])


def _cluster(home: Home) -> tuple[nodes.LocalCluster | None, list[str]]:
    if not home.kubeconfig.is_file():
        return None, ["There is no kubeconfig of it."]
    try:
        cluster = nodes.ask(home.kubeconfig)
    except Byok8sError as error:
        return None, [f"The cluster does not answer: {error}"]
    return cluster, [] if cluster.ready else ["The cluster is not ready."]
