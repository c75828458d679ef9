"""byok8s report: what a run did, what it used and where its time went."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from byok8s.cli.common import bucket_option, debug_option, endpoint_option, exit_with, run_argument

if TYPE_CHECKING:
    from byok8s.report.figures import Figures
    from byok8s.runs import Recorded

EPILOG = """\b
Exit codes:
  0    the report is written, or shown
  2    a flag or the price table is wrong, there is no such run, or the file cannot be written
  3    the bucket cannot be used
  130  interrupted
  141  whoever reads the output has ended, as head does
"""


@click.command(epilog=EPILOG, short_help="Write a report of a run: what it did, used and cost.")
@run_argument
@click.option(
    *("-o", "--output"),
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The HTML file. [default: report-RUN.html in this folder]",
)
@click.option("--text", "as_text", is_flag=True, help="In short, in this terminal; no file is written.")
@click.option("--json", "as_json", is_flag=True, help="The figures, for machines; no file is written.")
@click.option(
    "--ro-crate",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A new folder, for the run as a Provenance Run RO-Crate with its Snakefile and this report.",
)
@click.option(
    "--prices",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="JSON or YAML with currency, core_hour and gb_hour, to say what the run cost.",
)
@bucket_option
@endpoint_option
@debug_option
def report(
    *,
    run: str | None,
    output: Path | None,
    as_text: bool,
    as_json: bool,
    ro_crate: Path | None,
    prices: Path | None,
    s3_bucket: str | None,
    s3_endpoint_url: str | None,
    debug: bool,
) -> NoReturn:
    """Write a report of a run as one HTML file, which needs no network.

    It has where the run's time went, what its rules asked for and used, its workers, its failures, and each try of each
    job.

    RUN is the newest one, unless its id is given. What is reported comes from the record in this folder, or else in the
    bucket, into which a run puts it every few seconds; so it is there also when the run has been killed. An earlier
    report is replaced, any other file is left alone.
    """

    def carry_out() -> int:
        from byok8s import runs, view
        from byok8s.errors import InputError
        from byok8s.report import crate_folder, file
        from byok8s.report import prices as price_table
        from byok8s.report.figures import figures
        from byok8s.settings import Settings

        if as_text + as_json + (output is not None) + (ro_crate is not None) > 1:
            raise InputError("--text, --json, --ro-crate and -o are ways to have a report: say one of them.")
        table = price_table.read(prices) if prices else None
        recorded = runs.recorded(run, Settings(s3_bucket=s3_bucket, s3_endpoint_url=s3_endpoint_url))
        id_ = recorded.record.run
        place = output or Path(f"report-{id_}.html")
        if ro_crate:
            crate_folder.check(ro_crate)
        elif not (as_text or as_json):
            file.check(place)
        found = figures(id_, recorded.events(), recorded.now, alive=recorded.alive, table=table)
        if as_text or as_json:
            view.say(_shown(found, as_json=as_json))
        elif ro_crate:
            _write_crate(ro_crate, found, recorded)
            view.say(f"RO-Crate: {ro_crate}")
        else:
            file.write(place, _page(found, recorded))
            view.say(f"Report: {place}")
        return 0

    exit_with(carry_out, debug=debug)


def _shown(found: Figures, *, as_json: bool) -> str:
    import json

    from byok8s.report import text
    from byok8s.report.figures import as_json as for_machines

    return json.dumps(for_machines(found), indent=2) if as_json else "\n".join(text.lines(found))


def _write_crate(folder: Path, found: Figures, recorded: Recorded) -> None:
    from byok8s.report import crate_folder

    of = crate_folder.sources(found)
    crate_folder.write(folder, found, of, _page(found, recorded), recorded.now / 1000)


def _page(found: Figures, recorded: Recorded) -> bytes:
    from byok8s import logs
    from byok8s.report.page import page
    from byok8s.report.told import MOST_FAILURES, MOST_LINES, Tail

    failed = [each.name for each in found.failures[:MOST_FAILURES]]
    ends = logs.ends(recorded.record, failed, MOST_LINES) if failed else {}
    return page(found, {name: Tail(*end) for name, end in ends.items()})
