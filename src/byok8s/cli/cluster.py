"""byok8s cluster: what is done with clusters rather than in them, a module for each command."""

from __future__ import annotations

import click

from byok8s.cli.cluster_down import down
from byok8s.cli.cluster_env import env
from byok8s.cli.cluster_fix_dns import fix_dns
from byok8s.cli.cluster_status import status
from byok8s.cli.cluster_up import up


@click.group(short_help="Make a cluster on this machine; fix any cluster's DNS.")
def cluster() -> None:
    """A cluster on this machine, with an S3 server beside it, made with minikube, kind, k3d or k3s; and the DNS of any
    cluster.
    """


cluster.add_command(up)
cluster.add_command(down)
cluster.add_command(env)
cluster.add_command(status)
cluster.add_command(fix_dns)
