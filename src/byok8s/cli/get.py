"""byok8s get: files of the bucket, brought to this machine."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import click

from byok8s.cli.common import bucket_option, debug_option, endpoint_option, exit_with

EPILOG = """\b
Exit codes:
  0    all that PATTERN names is here
  2    a flag is wrong, no bucket is named, or a PATTERN names nothing; or a file here is another one
  3    the bucket cannot be used, or a file does not come whole
  130  interrupted
  141  whoever reads the output has ended, as head does
"""


@click.command(epilog=EPILOG, short_help="Fetch files from the bucket.")
@click.argument("patterns", metavar="PATTERN...", nargs=-1, required=True)
@bucket_option
@endpoint_option
@click.option(
    *("-d", "--directory"),
    metavar="DIR",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Where to. [default: this folder]",
)
@click.option("--replace", is_flag=True, help="Also over files that are yours, and differ.")
@debug_option
def get(
    *,
    patterns: tuple[str, ...],
    s3_bucket: str | None,
    s3_endpoint_url: str | None,
    directory: Path,
    replace: bool,
    debug: bool,
) -> NoReturn:
    """Fetch what PATTERN names from the bucket, to the same paths below DIR.

    What is here already is not fetched again. A file that is whole in the bucket is whole here, or not here. A file of
    yours that differs is not replaced, unless you say --replace; one that came from the bucket, and that you have not
    changed, is. PATTERN and bucket: as of byok8s ls.
    """

    def carry_out() -> int:
        from byok8s import view
        from byok8s.data import contents, fetch
        from byok8s.settings import Settings

        bucket = contents.place(Settings(s3_bucket=s3_bucket, s3_endpoint_url=s3_endpoint_url))
        with fetch.connecting(bucket) as connected:
            found = contents.listed(bucket, patterns)
            fetch.bring(bucket, found, directory, view, replace=replace, connected=connected)
        return 0

    exit_with(carry_out, debug=debug)
