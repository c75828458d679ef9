"""byok8s ls: what the bucket holds."""

from __future__ import annotations

from typing import NoReturn

import click

from byok8s.cli.common import bucket_option, debug_option, endpoint_option, exit_with

EPILOG = """\b
Exit codes:
  0    it is listed
  2    a flag is wrong, no bucket is named, or a PATTERN names nothing
  3    the bucket cannot be used
  130  interrupted
  141  whoever reads the output has ended, as head does
"""


@click.command(epilog=EPILOG, short_help="List files of the bucket.")
@click.argument("patterns", metavar="[PATTERN]...", nargs=-1)
@bucket_option
@endpoint_option
@debug_option
def ls(
    *, patterns: tuple[str, ...], s3_bucket: str | None, s3_endpoint_url: str | None, debug: bool
) -> NoReturn:
    """List the files of a workflow in the bucket, with their size and time (UTC).

    The bucket is the one that the flag, BYOK8S_S3_BUCKET or the config file names, else that of the last run in this
    folder. A PATTERN is a path as the Snakefile has it; * and ? stand for what is in a name, ** for folders of any
    depth, and a folder for all that is in it.
    """

    def carry_out() -> int:
        from byok8s import view
        from byok8s.data import contents
        from byok8s.settings import Settings

        bucket = contents.place(Settings(s3_bucket=s3_bucket, s3_endpoint_url=s3_endpoint_url))
        view.show_entries(contents.listed(bucket, patterns))
        return 0

    exit_with(carry_out, debug=debug)
