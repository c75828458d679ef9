"""byok8s envs: the conda environments that the bucket holds."""

from __future__ import annotations

from typing import NoReturn

import click

from byok8s.cli.common import bucket_option, debug_option, endpoint_option, exit_with

EPILOG = """\b
Exit codes:
  0    they are listed
  2    a flag is wrong, or no bucket is named
  3    the bucket cannot be used
  130  interrupted
  141  whoever reads the output has ended, as head does
"""


@click.command(epilog=EPILOG, short_help="List the conda environments of the bucket.")
@bucket_option
@endpoint_option
@debug_option
def envs(*, s3_bucket: str | None, s3_endpoint_url: str | None, debug: bool) -> NoReturn:
    """List the conda environments that runs have made: packed size, time (UTC), platform, name and file.

    The time is when a run made one, or noted that it uses it: each run does that once the last note is a week old.

    The bucket is the one that the flag, BYOK8S_S3_BUCKET or the config file names, else that of the last run in this
    folder. `byok8s clean --envs` removes those that no run has used for 30 days.
    """

    def carry_out() -> int:
        from byok8s import view
        from byok8s.data import contents
        from byok8s.settings import Settings
        from byok8s.software.store import Store

        bucket = contents.usable_place(Settings(s3_bucket=s3_bucket, s3_endpoint_url=s3_endpoint_url))
        view.show_environments(Store(bucket).entries())
        return 0

    exit_with(carry_out, debug=debug)
