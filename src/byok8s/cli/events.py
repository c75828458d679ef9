"""byok8s events: what has happened in a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
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


@click.command(epilog=EPILOG_OF_RECORDS, short_help="Show what has happened in a run.")
@run_argument
@click.option("-f", "--follow", is_flag=True, help="Go on until the run ends.")
@click.option(
    "--json", "as_json", is_flag=True, help="The record's own lines: docs/events.md has their schema."
)
@bucket_option
@endpoint_option
@debug_option
def events(
    *,
    run: str | None,
    follow: bool,
    as_json: bool,
    s3_bucket: str | None,
    s3_endpoint_url: str | None,
    debug: bool,
) -> NoReturn:
    """Show what has happened in a run, an event a line, with its time (UTC).

    RUN is the newest one, unless its id is given. What is shown comes from the record in this folder, or else in the
    bucket, into which a run puts it every few seconds; so it is there also when the run has been killed.
    """

    def carry_out() -> int:
        from byok8s import runs, view
        from byok8s.history import status
        from byok8s.settings import Settings

        def tell(event: Mapping[str, object]) -> None:
            view.say(json.dumps(event) if as_json else status.told(event))

        runs.events(run, Settings(s3_bucket=s3_bucket, s3_endpoint_url=s3_endpoint_url), tell, follow=follow)
        return 0

    exit_with(carry_out, debug=debug)
