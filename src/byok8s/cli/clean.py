"""byok8s clean: what runs left in a namespace, and in the bucket."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn, TypeAlias

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

if TYPE_CHECKING:
    from byok8s.s3 import Bucket

Agree: TypeAlias = Callable[[str], bool]  # asks the person, unless the flags have answered

EPILOG = """\b
Exit codes:
  0    nothing is left of what was to be removed; or only a list was wanted, or the answer was no
  2    a flag or RUN is wrong; or --yes is missing where there is no terminal to ask on
  3    cluster or bucket cannot be used, or something could not be removed: it is named, and why
  130  interrupted
"""


@click.command(epilog=EPILOG, short_help="List and remove what runs left.")
@click.argument("runs", metavar="[RUN]...", nargs=-1)
@namespace_option
@context_option
@click.option("--all", "everything", is_flag=True, help="Remove all: also what may be alive, or is not old.")
@click.option("--envs", is_flag=True, help="Remove the bucket's old conda environments, and no runs.")
@click.option("--uploads", is_flag=True, help="Remove the bucket's unfinished uploads, and no runs.")
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
    uploads: bool,
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

    If no RUN is named and a bucket is known, uploads that nobody has finished for a day are removed from it, too;
    with --all also later ones, but none of a run that is at work there.

    With --envs the conda environments of the bucket are listed instead, and those removed that no run has used for
    30 days; with --all all of them. The next run that wants one makes it again. None is removed while a run is at
    work there.
    """

    def agree(question: str) -> bool:
        return not dry_run and (yes or agreed(question, "Nothing was removed"))

    def carry_out() -> int:
        from byok8s.data import contents
        from byok8s.settings import Settings

        said = Settings(s3_bucket=s3_bucket, s3_endpoint_url=s3_endpoint_url)
        if envs:
            _clean_environments(contents.usable_place(said), agree, everything=everything)
        elif uploads:
            _clean_uploads(contents.usable_place(said), agree, everything=everything)
        else:
            _clean_runs(*place(context, k8s_namespace), runs, agree, everything=everything)
            if not runs and (bucket := contents.known_place(said)):
                _clean_uploads_too(bucket, agree, everything=everything)
        return 0

    exit_with(carry_out, debug=debug)


def _clean_runs(
    context: str | None, namespace: str | None, names: Sequence[str], agree: Agree, *, everything: bool
) -> None:
    from byok8s import view
    from byok8s.run_objects.clean import find, remove
    from byok8s.run_objects.leftovers import choose

    found = find(context, namespace)
    chosen = choose(found.runs, names, everything=everything)
    view.say(view.leftovers(found, chosen if names else found.runs))
    if not found.runs:
        return
    spared = [] if names else [run for run in found.runs if run not in chosen]
    view.say(view.choice(chosen, spared))
    if chosen and agree("Remove?"):
        remove(found, chosen)
        view.say("Removed.")


def _clean_environments(bucket: Bucket, agree: Agree, *, everything: bool) -> None:
    from byok8s import view
    from byok8s.software.store import Store

    store = Store(bucket)
    entries = store.entries()
    chosen = [entry for entry in entries if everything or entry.is_old]
    view.show_environments(entries)
    view.say(view.environments(entries, chosen))
    if chosen and _may_go(bucket, agree):
        store.remove(chosen)
        view.say("Removed.")


def _may_go(bucket: Bucket, agree: Agree) -> bool:
    """Return whether what was listed may be removed: not while a run is at work, which may begin before the answer."""
    return _is_free(bucket) and agree("Remove them?") and _is_free(bucket)


def _is_free(bucket: Bucket) -> bool:
    """Return whether no run is at work in a bucket; if one is, say so."""
    from byok8s import view
    from byok8s.s3.prefix_lock import holder

    if at_work := holder(bucket):
        view.say(f"They stay: the bucket is used by {at_work}.")
    return at_work is None


def _clean_uploads_too(bucket: Bucket, agree: Agree, *, everything: bool) -> None:
    """A bucket that cannot be used, or does not list uploads, is no reason to fail."""
    from byok8s import view
    from byok8s.errors import BucketError

    try:
        _clean_uploads(bucket, agree, everything=everything)
    except BucketError as error:
        view.warn(str(error))


def _clean_uploads(bucket: Bucket, agree: Agree, *, everything: bool) -> None:
    from byok8s import s3, view

    chosen = [each for each in s3.unfinished(bucket) if everything or each.age > s3.OLD_SECONDS]
    view.say(view.uploads(bucket, chosen))
    if chosen and _may_go(bucket, agree):
        s3.abort(bucket, chosen)
        view.say("Removed.")
