"""byok8s trace: a run's jobs as a table."""

from __future__ import annotations

import json
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


@click.command(epilog=EPILOG_OF_RECORDS, short_help="Show a run's jobs as a table with Nextflow's columns.")
@run_argument
@click.option("--json", "as_json", is_flag=True, help="A list of objects, with null for what is not known.")
@bucket_option
@endpoint_option
@debug_option
def trace(
    *, run: str | None, as_json: bool, s3_bucket: str | None, s3_endpoint_url: str | None, debug: bool
) -> NoReturn:
    """Show a line for each try of a run's jobs, with the columns of Nextflow's trace files (TSV).

    Durations are in milliseconds and sizes in bytes; - stands for what is not known.

    RUN is the newest one, unless its id is given. What is shown comes from the record in this folder, or else in the
    bucket, into which a run puts it every few seconds; so it is there also when the run has been killed.
    """

    def carry_out() -> int:
        from byok8s import runs, view
        from byok8s.history import trace as traced
        from byok8s.settings import Settings

        state = runs.run(run, Settings(s3_bucket=s3_bucket, s3_endpoint_url=s3_endpoint_url)).state
        if as_json:
            view.say(json.dumps(list(traced.rows(state)), indent=2))
        else:
            view.say("\n".join(traced.table(state)))
        return 0

    exit_with(carry_out, debug=debug)
