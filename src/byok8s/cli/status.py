"""byok8s status: how a run is."""

from __future__ import annotations

import json
import sys
from typing import NoReturn

import click

from byok8s.cli.common import (
    EPILOG_OF_RECORDS,
    bucket_option,
    debug_option,
    endpoint_option,
    exit_with,
    run_argument,
)


@click.command(epilog=EPILOG_OF_RECORDS, short_help="Show how a run is: rules, jobs, workers and failures.")
@run_argument
@click.option(
    "--watch", is_flag=True, help="Draw it again and again in this terminal, until the run is over."
)
@click.option("--json", "as_json", is_flag=True, help="For machines, and nothing cut.")
@bucket_option
@endpoint_option
@debug_option
def status(
    *,
    run: str | None,
    watch: bool,
    as_json: bool,
    s3_bucket: str | None,
    s3_endpoint_url: str | None,
    debug: bool,
) -> NoReturn:
    """Show how a run is: what is done, what runs, what waits and why, and what has failed.

    RUN is the newest one, unless its id is given. What is shown comes from the record in this folder, or else in the
    bucket, into which a run puts it every few seconds; so it is there also when the run has been killed.
    """

    def carry_out() -> int:
        from byok8s import runs, view
        from byok8s.errors import InputError
        from byok8s.history import status
        from byok8s.run import live
        from byok8s.settings import Settings

        said = Settings(s3_bucket=s3_bucket, s3_endpoint_url=s3_endpoint_url)
        if watch:
            if as_json or not sys.stdout.isatty():
                raise InputError(
                    "--watch draws in a terminal, and this is none."
                    if not as_json
                    else "--watch is for people, --json for machines: say one of them.",
                    hint="`byok8s events -f` tells what happens, a line each.",
                )
            live.watch(lambda: runs.run(run, said))
            return 0
        found = runs.run(run, said)
        if as_json:
            whole = status.as_json(found.id, found.state, found.now, alive=found.alive)
            view.say(json.dumps(whole, indent=2))
        else:
            view.say("\n".join(status.lines(found.id, found.state, found.now, alive=found.alive)))
        return 0

    exit_with(carry_out, debug=debug)
