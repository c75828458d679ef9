"""byok8s cluster env: the shell lines that make byok8s use the cluster on this machine."""

from __future__ import annotations

from typing import NoReturn

import click

from byok8s.cli.common import debug_option, exit_with


@click.command(short_help="Print the shell lines that make byok8s run there.")
@debug_option
def env(*, debug: bool) -> NoReturn:
    """Print shell lines, among them the bucket's keys, for

    \b
    eval "$(byok8s cluster env)" && byok8s WORKFLOW PARAMS

    Only this shell then uses the cluster on this machine, for kubectl and aws too.
    """

    def carry_out() -> int:
        from byok8s import view
        from byok8s.errors import Byok8sError
        from byok8s.local_cluster.home import home
        from byok8s.local_cluster.status import environment

        try:
            lines = environment(home())
        except Byok8sError:
            # `eval` of nothing is a success, and what comes after && would run on another cluster
            view.say("false")
            raise
        view.say(lines)
        return 0

    exit_with(carry_out, debug=debug)
