"""byok8s cluster: the cluster itself, a module for each of its commands."""

from __future__ import annotations

import click

from byok8s.cli.cluster_fix_dns import fix_dns


@click.group(short_help="Mend the cluster's DNS.")
def cluster() -> None:
    """What is done to a cluster, and not to a workflow on it."""


cluster.add_command(fix_dns)
