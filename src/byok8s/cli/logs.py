"""byok8s logs: what jobs have said."""

from __future__ import annotations

from typing import NoReturn

import click

from byok8s.cli import complete
from byok8s.cli.common import bucket_option, debug_option, endpoint_option, exit_with

EPILOG = """\b
Exit codes:
  0    the logs are shown
  2    a flag is wrong, or there is no such run or job
  3    the bucket cannot be used
  130  interrupted
  141  whoever reads the output has ended, as head does
"""


@click.command(epilog=EPILOG, short_help="Show what the jobs of a run have said.")
@click.argument("words", metavar="[RUN] [RULE|JOB|FILE]", nargs=-1, shell_complete=complete.runs_and_rules)
@click.option("--failed", is_flag=True, help="Only of jobs that have failed.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run ends.")
@click.option(
    *("-n", "--lines"),
    type=click.IntRange(1, 100_000),
    default=1000,
    show_default=True,
    help="How many lines of each log, from its end.",
)
@bucket_option
@endpoint_option
@debug_option
def logs(
    *,
    words: tuple[str, ...],
    failed: bool,
    follow: bool,
    lines: int,
    s3_bucket: str | None,
    s3_endpoint_url: str | None,
    debug: bool,
) -> NoReturn:
    """Show the logs of a run's jobs: what they have printed, then their rules' log files.

    RUN is the newest one, unless its id is given. A RULE names all of its jobs, a FILE the job that makes it, or one of
    its log files; JOB is what a failure says. Without any the jobs are listed, or with --failed the logs of all that
    have failed shown. The record is that of this folder, or else of the bucket, into which a run puts the logs of a
    failed job at once, and all others as it ends.
    """

    def carry_out() -> int:
        from byok8s import logs, run_record, view
        from byok8s.errors import InputError
        from byok8s.settings import Settings

        run = words[0] if words and run_record.is_run(words[0]) else None
        others = words[1:] if run else words
        if len(others) > 1:
            raise InputError(f"One RULE, JOB or FILE, not {len(others)}.", where=" ".join(others))
        what = others[0] if others else None
        record = run_record.record(run, Settings(s3_bucket=s3_bucket, s3_endpoint_url=s3_endpoint_url))
        if follow:
            logs.follow(record, what, view.say, failed=failed, most=lines)
            return 0
        found = logs.chosen(record, what, failed=failed)
        if not found:
            view.say(f"In run {record.run} no job has {'failed' if failed else 'a log'}.")
        elif what is None and not failed:
            view.say("\n".join(logs.listed(found)))
        else:
            for job in found:
                for row in logs.shown(record, job, lines):
                    view.say(row)
        return 0

    exit_with(carry_out, debug=debug)
