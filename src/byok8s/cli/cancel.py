"""byok8s cancel: the end of a run that goes on."""

from __future__ import annotations

from typing import NoReturn

import click

from byok8s.cli.common import bucket_option, debug_option, endpoint_option, exit_with, run_argument

EPILOG = """\b
Exit codes:
  0    the run has ended
  1    it was asked to, and has not ended yet
  2    a flag is wrong, there is no such run, or nobody is at work on it
  3    the bucket cannot be used
  130  interrupted: the run has been asked to end all the same
"""


@click.command(epilog=EPILOG, short_help="End a run that goes on, also from another machine.")
@run_argument
@bucket_option
@endpoint_option
@debug_option
def cancel(*, run: str | None, s3_bucket: str | None, s3_endpoint_url: str | None, debug: bool) -> NoReturn:
    """End a run as Ctrl-C would: its jobs are ended, its pods removed, and what is done stays.

    RUN is the newest one, unless its id is given. In the folder of the run its process gets the signal; from elsewhere
    it is asked by way of the bucket, where it looks every 10 seconds.
    """

    def carry_out() -> int:
        from byok8s import cancel, view
        from byok8s.settings import Settings

        over = cancel.cancel(run, Settings(s3_bucket=s3_bucket, s3_endpoint_url=s3_endpoint_url), view.say)
        view.say("It has ended." if over else "It has not ended yet: `byok8s status` shows how it is.")
        return 0 if over else 1

    exit_with(carry_out, debug=debug)
