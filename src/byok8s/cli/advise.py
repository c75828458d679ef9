"""byok8s advise: what rules had better ask for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NoReturn

import click

from byok8s.cli import complete
from byok8s.cli.common import EPILOG_OF_RECORDS, bucket_option, debug_option, endpoint_option, exit_with

if TYPE_CHECKING:
    from byok8s.history.sizes import Learned

NONE = "-"


@click.command(
    epilog=EPILOG_OF_RECORDS,
    short_help="Say how much memory and how many threads rules need, by earlier runs.",
)
@click.argument("run", metavar="[RUN]...", nargs=-1, shell_complete=complete.runs)
@click.option("--profile", is_flag=True, help="Only the part of a Snakemake profile, to put into a file.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@bucket_option
@endpoint_option
@debug_option
def advise(
    *,
    run: tuple[str, ...],
    profile: bool,
    as_json: bool,
    s3_bucket: str | None,
    s3_endpoint_url: str | None,
    debug: bool,
) -> NoReturn:
    """Say what rules had better ask for: enough for all that their jobs have used, with a margin, and not much more.

    By the RUNs that are named, or by the newest five of the workflow that was run last: this folder's, or the bucket's.
    `--sizes learned` has a run use the same of its own workflow without a profile.
    """

    def carry_out() -> int:
        from byok8s import runs, view
        from byok8s.errors import InputError
        from byok8s.history import sizes
        from byok8s.settings import Settings

        if profile and as_json:
            raise InputError("--profile is for Snakemake, --json for other machines: say one of them.")
        said = Settings(s3_bucket=s3_bucket, s3_endpoint_url=s3_endpoint_url)
        read = [runs.run(id_, said) for id_ in run] or runs.of_newest_workflow(said)
        ids, found = [each.id for each in read], runs.learned(read)
        advice = sizes.profile(each.size for each in found)
        if as_json:
            view.say(json.dumps({"runs": ids, "rules": [_as_json(each) for each in found]}, indent=2))
        elif profile:
            view.say(advice)
        else:
            view.say("\n".join(_lines(ids, found, advice)))
        return 0

    exit_with(carry_out, debug=debug)


def _as_json(each: Learned) -> dict[str, object]:
    return {
        "rule": each.size.rule,
        "jobs": each.jobs,
        "asked_mb": each.asked_mb,
        "peak_mb": each.peak_mb,
        "mem_mb": each.size.mem_mb,
        "asked_threads": each.asked_threads,
        "cores": each.cores,
        "threads": each.size.threads,
    }


def _lines(ids: Sequence[str], found: Sequence[Learned], advice: str) -> Iterator[str]:
    from byok8s.history.status import columns

    if not advice:
        yield "No run has measured a rule yet." if not ids else f"Nothing was measured in {', '.join(ids)}."
        return
    yield f"By {', '.join(ids)}:"
    yield ""
    rows = [("RULE", "JOBS", "MEMORY", "MOST USED", "ENOUGH", "THREADS", "MOST USED", "ENOUGH")]
    yield from columns([*rows, *map(_row, found)])
    yield ""
    yield advice
    yield ""
    yield "Put that into a profile (-- --profile DIR), or let the next run use it: --sizes learned"


def _row(each: Learned) -> tuple[str, ...]:
    return (
        each.size.rule,
        str(each.jobs),
        *(_mb(value) for value in (each.asked_mb, each.peak_mb, each.size.mem_mb)),
        str(each.asked_threads or NONE),
        f"{each.cores:.1f}" if each.cores is not None else NONE,
        str(each.size.threads or each.asked_threads or NONE),
    )


def _mb(value: float | None) -> str:
    return f"{value:.0f} MB" if value is not None else NONE
