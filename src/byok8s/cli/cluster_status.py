"""byok8s cluster status: whether a workflow can run on the cluster of this machine, and how."""

from __future__ import annotations

from typing import NoReturn

import click

from byok8s.cli.common import debug_option, exit_with
from byok8s.errors import ClusterError

EPILOG = """\b
Exit codes:
  0    a workflow can run there
  3    none can, or there is no such cluster
"""


@click.command(epilog=EPILOG, short_help="Show the cluster on this machine.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@debug_option
def status(*, as_json: bool, debug: bool) -> NoReturn:
    """Show the cluster that `byok8s cluster up` made, its S3 server, and the line that runs a workflow there."""

    def carry_out() -> int:
        import msgspec

        from byok8s import view
        from byok8s.local_cluster.home import home
        from byok8s.local_cluster.status import status as look

        found = look(home())
        view.say(msgspec.json.encode(found).decode() if as_json else view.local_cluster(found))
        return ClusterError.exit_code if found.problems else 0

    exit_with(carry_out, debug=debug)
