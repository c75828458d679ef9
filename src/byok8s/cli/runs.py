"""byok8s runs: the runs that there were."""

from __future__ import annotations

import json
from typing import NoReturn

import click

from byok8s.cli.common import EPILOG_OF_RECORDS, bucket_option, debug_option, endpoint_option, exit_with


@click.command(epilog=EPILOG_OF_RECORDS, short_help="List runs, and how they are.")
@click.option(
    *("-n", "--newest"),
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="How many, from the newest.",
)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@bucket_option
@endpoint_option
@debug_option
def runs(
    *, newest: int, as_json: bool, s3_bucket: str | None, s3_endpoint_url: str | None, debug: bool
) -> NoReturn:
    """List the runs of this folder, the newest first; if there are none, or with --s3-bucket, those of the bucket.

    A run is listed from its record, as `byok8s status RUN` shows it.
    """

    def carry_out() -> int:
        from byok8s import runs, view
        from byok8s.history import status
        from byok8s.settings import Settings

        found = runs.listed(Settings(s3_bucket=s3_bucket, s3_endpoint_url=s3_endpoint_url), newest)
        if as_json:
            said = [status.summary(each.id, each.state, each.now, alive=each.alive) for each in found]
            view.say(json.dumps(said, indent=2))
        elif not found:
            view.say("There are no runs.")
        for each in [] if as_json else found:
            view.say(status.head(each.id, each.state, each.now, status.rules(each.state), alive=each.alive))
        return 0

    exit_with(carry_out, debug=debug)
