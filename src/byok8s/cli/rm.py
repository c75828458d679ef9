"""byok8s rm: files removed from the bucket."""

from __future__ import annotations

from typing import NoReturn

import click

from byok8s.cli.common import agreed, bucket_option, debug_option, endpoint_option, exit_with

EPILOG = """\b
Exit codes:
  0    nothing is left of what PATTERN names; or only a list was wanted, or the answer was no
  2    a flag is wrong, no bucket is named, or a PATTERN names nothing; or --yes is missing where there is no terminal
  3    the bucket cannot be used, a run is at work with it, or a file cannot be removed
  130  interrupted
"""


@click.command(epilog=EPILOG, short_help="Remove files from the bucket.")
@click.argument("patterns", metavar="PATTERN...", nargs=-1, required=True)
@bucket_option
@endpoint_option
@click.option(*("-n", "--dry-run"), is_flag=True, help="Only list; nothing is removed.")
@click.option(*("-y", "--yes"), is_flag=True, help="Remove without asking.")
@debug_option
def rm(
    *,
    patterns: tuple[str, ...],
    s3_bucket: str | None,
    s3_endpoint_url: str | None,
    dry_run: bool,
    yes: bool,
    debug: bool,
) -> NoReturn:
    """List what PATTERN names in the bucket, and remove it once you have agreed.

    The next run makes again what a rule makes and its targets need. PATTERN and bucket: as of byok8s ls. What byok8s
    keeps of its runs is not removed.
    """

    def carry_out() -> int:
        from byok8s import view
        from byok8s.data import contents
        from byok8s.data.inputs import files_words
        from byok8s.data.remove import remove, unused
        from byok8s.settings import Settings

        bucket = contents.place(Settings(s3_bucket=s3_bucket, s3_endpoint_url=s3_endpoint_url))
        entries = contents.listed(bucket, patterns)
        view.show_entries(entries)
        words = files_words(len(entries), sum(entry.size for entry in entries))
        if dry_run or not (yes or agreed(f"Remove {words}?", "Nothing was removed")):
            return 0
        with unused(bucket):
            remove(bucket, entries)
        view.say(f"Removed: {words}.")
        return 0

    exit_with(carry_out, debug=debug)
