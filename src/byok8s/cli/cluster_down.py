"""byok8s cluster down: the cluster on this machine, and the S3 server beside it, removed."""

from __future__ import annotations

from typing import NoReturn

import click

from byok8s.cli.common import debug_option, exit_with


@click.command(short_help="Remove the cluster on this machine.")
@click.option("--purge", is_flag=True, help="Remove what is in the bucket, too.")
@debug_option
def down(*, purge: bool, debug: bool) -> NoReturn:
    """Remove the cluster that `byok8s cluster up` made, and stop the S3 server.

    What is in the bucket stays for the next `up`, unless --purge is said. A k3s service that ran before goes on.
    """

    def carry_out() -> int:
        from byok8s import view
        from byok8s.local_cluster.down import down as remove
        from byok8s.local_cluster.home import home

        remove(home(), purge=purge, say=view.say)
        return 0

    exit_with(carry_out, debug=debug)
