"""byok8s clean: what runs left in a namespace."""

from __future__ import annotations

from typing import NoReturn

import click

from byok8s.cli.common import (
    agreed,
    bucket_option,
    context_option,
    debug_option,
    endpoint_option,
    exit_with,
    namespace_option,
    place,
)

EPILOG = """\b
Exit codes:
  0    nothing is left of what was to be removed; or only a list was wanted, or the answer was no
  2    a flag or RUN is wrong; or --yes is missing where there is no terminal to ask on
  3    the cluster cannot be used, or something could not be removed: it is named, and why
  130  interrupted
"""


@click.command(epilog=EPILOG, short_help="List and remove what runs left.")
@click.argument("runs", metavar="[RUN]...", nargs=-1)
@namespace_option
@context_option
@click.option("--all", "everything", is_flag=True, help="Remove all runs, also those that may be alive.")
@click.option("--envs", is_flag=True, help="Remove the bucket's conda environments, and no runs.")
@bucket_option
@endpoint_option
@click.option(*("-n", "--dry-run"), is_flag=True, help="Only list; nothing is removed.")
@click.option(*("-y", "--yes"), is_flag=True, help="Remove without asking.")
@debug_option
def clean(
    *,
    runs: tuple[str, ...],
    k8s_namespace: str | None,
    context: str | None,
    everything: bool,
    envs: bool,
    s3_bucket: str | None,
    s3_endpoint_url: str | None,
    dry_run: bool,
    yes: bool,
    debug: bool,
) -> NoReturn:
    """List what byok8s has in a namespace, and remove the runs whose controller is dead; or those named RUN.

    The controller is the byok8s that started the run. It counts as dead when the cluster has heard nothing of
    it for 24 minutes: it renews the run's lease every 10, and one renewal may fail. A run that may be alive is
    removed only when it is named, or with --all.

    With --envs the conda environments of the bucket are listed and removed in their place; the next run that wants one
    makes it again. A run that is at work with one needs it.
    """

    def remove_environments() -> int:
        from byok8s import contents, s3, view
        from byok8s.settings import Settings
        from byok8s.software.store import Store

        bucket = contents.place(Settings(s3_bucket=s3_bucket, s3_endpoint_url=s3_endpoint_url))
        s3.check_bucket(bucket)
        store = Store(bucket)
        view.show_environments(store.entries())
        if dry_run or not (yes or agreed("Remove all conda environments?", "Nothing was removed")):
            return 0
        view.say(f"Removed {store.clear()} objects.")
        return 0

    def carry_out() -> int:
        from byok8s import view
        from byok8s.clean import find, remove
        from byok8s.leftovers import choose

        found = find(*place(context, k8s_namespace))
        chosen = choose(found.runs, runs, everything=everything)
        view.say(view.leftovers(found, chosen if runs else found.runs))
        if not found.runs:
            return 0
        spared = [] if runs else [run for run in found.runs if run not in chosen]
        view.say(view.choice(chosen, spared))
        if not chosen or dry_run or not (yes or agreed("Remove?", "Nothing was removed")):
            return 0
        remove(found, chosen)
        view.say("Removed.")
        return 0

    exit_with(remove_environments if envs else carry_out, debug=debug)
