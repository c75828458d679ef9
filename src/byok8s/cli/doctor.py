"""byok8s doctor: whether a run would work."""

from __future__ import annotations

from typing import NoReturn

import click

from byok8s.cli.common import debug_option, exit_with
from byok8s.cli.options import WithSnakemakeArguments, settings_options, snakemake_arguments, words_argument

EPILOG = """\b
Exit codes:
  0    a run would work, as far as was looked
  2    something that you gave is wrong: a file or a flag
  3    a run would fail: it is said why, and what fixes it
  130  interrupted
"""
WOULD_FAIL = 3


@click.command(
    cls=WithSnakemakeArguments, epilog=EPILOG, short_help="Look whether a run would work, and why not."
)
@words_argument
@settings_options
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
@debug_option
@click.pass_context
def doctor(
    ctx: click.Context,
    /,
    *,
    words: tuple[str, ...],
    as_json: bool,
    debug: bool,
    **said: str | float | bool | dict[str, str] | None,
) -> NoReturn:
    """Look whether a run would work: at the cluster, the bucket and the workflow, from here and from inside a pod.

    It takes what a run takes, so put doctor before a run's arguments. Without any of its words, and without -s, it
    looks at all but the workflow.

    \b
    byok8s doctor WORKFLOW PARAMS --s3-bucket=BUCKET

    At most one pod is made, with the image and the settings of a run. It, and what is put into the bucket for a
    moment, is removed, also after Ctrl-C.
    """

    def carry_out() -> int:
        import msgspec

        from byok8s import view
        from byok8s.doctor import scope
        from byok8s.doctor.diagnosis import diagnose
        from byok8s.fleet.interrupts import end_on_termination
        from byok8s.request import read_request
        from byok8s.settings import Settings, resolve, user_config

        settings = msgspec.convert(said, Settings)
        if words or settings.snakefile:
            request = read_request(
                words,
                settings,
                dry_run=False,
                force=False,
                ignore_lock=False,
                snakemake_arguments=snakemake_arguments(ctx),
                say=(lambda _: None) if as_json else view.say,
            )
            asked = scope.of_request(request)
        else:
            asked = scope.of_settings(resolve([settings, user_config()]))
        end_on_termination()
        report = diagnose(asked, (lambda _: None) if as_json else view.show_field)
        view.say(view.report_json(report) if as_json else view.verdict(report))
        return 0 if report.would_work else WOULD_FAIL

    exit_with(carry_out, debug=debug)
