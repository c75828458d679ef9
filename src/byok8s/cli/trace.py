"""byok8s trace: a run's jobs as a table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NoReturn

import click

from byok8s.cli.common import (
    EPILOG_OF_RECORDS,
    bucket_option,
    debug_option,
    endpoint_option,
    exit_with,
    run_argument,
)

if TYPE_CHECKING:
    from byok8s.settings import Settings


EPILOG = EPILOG_OF_RECORDS.replace(
    "cannot be used", "cannot be used, or the collector does not take the record"
)


@click.command(epilog=EPILOG, short_help="Show a run's jobs as a table with Nextflow's columns.")
@run_argument
@click.option("--json", "as_json", is_flag=True, help="A list of objects, with null for what is not known.")
@click.option(
    "--otlp",
    metavar="URL",
    help="Send the run to an OpenTelemetry collector as traces instead; env for that of OTEL_EXPORTER_OTLP_ENDPOINT.",
)
@bucket_option
@endpoint_option
@debug_option
def trace(
    *,
    run: str | None,
    as_json: bool,
    otlp: str | None,
    s3_bucket: str | None,
    s3_endpoint_url: str | None,
    debug: bool,
) -> NoReturn:
    """Show a line for each try of a run's jobs, with the columns of Nextflow's trace files (TSV).

    Durations are in milliseconds and sizes in bytes; - stands for what is not known.

    RUN is the newest one, unless its id is given. What is shown comes from the record in this folder, or else in the
    bucket, into which a run puts it every few seconds; so it is there also when the run has been killed.

    With --otlp nothing is shown: the record goes to an OpenTelemetry collector, as a run's own --otlp sends it.
    """

    def carry_out() -> int:
        from byok8s import runs, view
        from byok8s.history import trace as traced
        from byok8s.settings import Settings

        said = Settings(s3_bucket=s3_bucket, s3_endpoint_url=s3_endpoint_url)
        if otlp:
            view.say(_sent(otlp, run, said))
            return 0
        state = runs.run(run, said).state
        if as_json:
            view.say(json.dumps(list(traced.rows(state)), indent=2))
        else:
            view.say("\n".join(traced.table(state)))
        return 0

    exit_with(carry_out, debug=debug)


def _sent(to: str, run: str | None, said: Settings) -> str:
    """Send a run that is over. Returns what is said of it."""
    from byok8s import runs
    from byok8s.errors import InputError
    from byok8s.otlp import export
    from byok8s.otlp.address import address, shown

    url = address(to)
    found = runs.recorded(run, said)
    id_ = found.record.run
    if found.alive:
        raise InputError(
            f"Run {id_} is still at work: what has not ended cannot be sent.",
            hint="Send it once it has ended; a run that is started with --otlp sends itself as it goes on.",
        )
    count = export.send(url, id_, found.events())
    return f"{count} spans of run {id_} are at {shown(url)}."
