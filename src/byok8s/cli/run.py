"""byok8s run: a workflow, on a cluster or on this machine."""

from __future__ import annotations

from typing import NoReturn

import click

from byok8s.cli.common import debug_option, exit_with
from byok8s.cli.options import WithSnakemakeArguments, settings_options, snakemake_arguments, words_argument

EPILOG = """\b
Exit codes:
  0    all that was asked for is in the bucket
  1    the workflow failed: a job of it, or Snakemake itself once jobs had started
  2    something that you gave is wrong: a file, a flag, the Snakefile, a target
  3    the cluster or the bucket cannot be used; or another run uses this folder, or this bucket and prefix
  130  interrupted
  141  whoever reads the output has ended, as head does
"""


@click.command(cls=WithSnakemakeArguments, epilog=EPILOG, short_help="Run a workflow (the default command).")
@words_argument
@settings_options
@click.option(
    *("-n", "--dry-run"),
    envvar="BYOK8S_DRY_RUN",
    is_flag=True,
    help="Only show what would be done; nothing is created anywhere.",
)
@click.option(
    *("-f", "--force"),
    envvar="BYOK8S_FORCE",
    is_flag=True,
    help="Make everything again, even what is up to date.",
)
@click.option(
    "--ignore-lock",
    envvar="BYOK8S_IGNORE_LOCK",
    is_flag=True,
    help="Run even if another run uses the same bucket and prefix.",
)
@debug_option
@click.pass_context
def run(
    ctx: click.Context,
    /,
    *,
    words: tuple[str, ...],
    dry_run: bool,
    force: bool,
    ignore_lock: bool,
    debug: bool,
    **said: str | float | bool | dict[str, str] | None,
) -> NoReturn:
    """Run the workflow that the file WORKFLOW names, with the parameters in the file PARAMS.

    Both are JSON or YAML files, and may be named without .json, .yaml or .yml. WORKFLOW holds
    "workflow_target", a rule or file of the Snakefile or a list of them, and may hold defaults for the flags
    by their names (s3_bucket, image, …). PARAMS becomes Snakemake's config. TARGETs replace the workflow
    file's own; without any the Snakefile's default target is made.

    Either file can be left out. With -s all words are targets, except that the first may be PARAMS; a - stands for
    a file that there is not:

    \b
    byok8s WORKFLOW PARAMS [TARGET...]
    byok8s WORKFLOW
    byok8s PARAMS
    byok8s -s Snakefile [PARAMS] [TARGET...]
    byok8s - - TARGET...

    A setting is taken from its flag, else from the environment (BYOK8S_ and the flag's name, as in
    BYOK8S_S3_BUCKET), else from WORKFLOW, else from ~/.config/byok8s/config.yaml.

    What comes after -- is handed to Snakemake unchanged:

    \b
    byok8s WORKFLOW PARAMS -- --retries 3 --keep-going
    """
    import msgspec

    from byok8s import view
    from byok8s.request import read_request
    from byok8s.settings import Settings

    def carry_out() -> int:
        request = read_request(
            words,
            msgspec.convert(said, Settings),
            dry_run=dry_run,
            force=force,
            ignore_lock=ignore_lock,
            snakemake_arguments=snakemake_arguments(ctx),
            source=ctx.obj,  # set by the command of a package
            say=view.say,
        )
        from byok8s.run.flow import execute

        return execute(request, view)

    exit_with(carry_out, debug=debug)
