"""byok8s image: an image of one's own for pods."""

from __future__ import annotations

from typing import NoReturn

import click

from byok8s.cli.common import debug_option, exit_with
from byok8s.cli.options import WithSnakemakeArguments, settings_options, snakemake_arguments, words_argument

EPILOG = """\b
Exit codes:
  0    the Dockerfile is printed
  2    something that you gave is wrong: a file, a flag, or an environment that an image cannot have
  3    the bucket cannot be used
  130  interrupted
  141  whoever reads the output has ended, as head does
"""


@click.group(short_help="An image of your own for pods.")
def image() -> None:
    """Help with an image of your own for pods."""


@image.command(
    cls=WithSnakemakeArguments,
    epilog=EPILOG,
    short_help="Print a Dockerfile with all conda environments of a workflow.",
)
@words_argument
@click.option("--base", metavar="IMAGE", help="With Snakemake. [default: snakemake/snakemake, your version]")
@settings_options
@debug_option
@click.pass_context
def dockerfile(
    ctx: click.Context,
    /,
    *,
    words: tuple[str, ...],
    base: str | None,
    debug: bool,
    **said: str | float | bool | dict[str, str] | None,
) -> NoReturn:
    """Print a Dockerfile that holds Snakemake and all conda environments of the workflow.

    It takes what a run takes: Snakemake plans, and looks into the bucket for it, and nothing runs. What is printed
    needs no other file:

    \b
    byok8s image dockerfile WORKFLOW PARAMS --s3-bucket=BUCKET > Dockerfile
    docker build --tag NAME - < Dockerfile
    byok8s WORKFLOW PARAMS --s3-bucket=BUCKET --image NAME --software declared

    Environments of rules that only a checkpoint brings are not in it; a run makes them in the cluster.
    """

    def carry_out() -> int:
        import msgspec

        from byok8s import view
        from byok8s.doctor import environments
        from byok8s.request import read_request
        from byok8s.settings import Settings, default_image
        from byok8s.software.channels import Channels
        from byok8s.software.dockerfile import dockerfile

        request = read_request(
            words,
            msgspec.convert(said, Settings),
            dry_run=True,
            force=False,
            ignore_lock=True,
            snakemake_arguments=snakemake_arguments(ctx),
            say=lambda _: None,
        )
        declared = environments.declared(request)
        channels = Channels((request.channel_alias or "").rstrip("/"))
        view.say(dockerfile(declared, channels, base or default_image(), request.snakefile.name))
        return 0

    exit_with(carry_out, debug=debug)
