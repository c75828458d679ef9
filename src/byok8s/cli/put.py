"""byok8s put: files of this folder, put into the bucket."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import click

from byok8s.cli.common import bucket_option, debug_option, endpoint_option, exit_with

EPILOG = """\b
Exit codes:
  0    all that PATH names is in the bucket
  2    a flag is wrong, no bucket is named, or a PATH cannot be put; or the bucket has another file there
  3    the bucket cannot be used, or a run is at work with it
  130  interrupted
"""


@click.command(epilog=EPILOG, short_help="Put files into the bucket.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@bucket_option
@endpoint_option
@click.option("--replace", is_flag=True, help="Also over files of the bucket that differ.")
@debug_option
def put(
    *,
    paths: tuple[Path, ...],
    s3_bucket: str | None,
    s3_endpoint_url: str | None,
    replace: bool,
    debug: bool,
) -> NoReturn:
    """Put files, and all that is in folders, into the bucket, at the paths that they have in this folder.

    A run does so by itself with the inputs that its jobs need; this is for a bucket that others use. What is there
    already is not sent again. A file of the bucket that differs is not replaced, unless you say --replace. The bucket
    is the one of byok8s ls.
    """

    def carry_out() -> int:
        from byok8s import s3, view
        from byok8s.data import contents
        from byok8s.data.fetch import connecting
        from byok8s.data.put import put as carry_up
        from byok8s.data.remove import unused
        from byok8s.settings import Settings

        bucket = contents.place(Settings(s3_bucket=s3_bucket, s3_endpoint_url=s3_endpoint_url))
        with connecting(bucket) as connected:
            client = s3.usable(bucket)
            with unused(bucket, client):
                carry_up(bucket, paths, view, replace=replace, client=client, connected=connected)
        return 0

    exit_with(carry_out, debug=debug)
