"""The command of a package that `byok8s package` has made: a run of its workflow, and what it holds."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import NoReturn

import click

from byok8s import __version__
from byok8s.cli.common import debug_option, exit_with, start
from byok8s.cli.default_command import DefaultCommand
from byok8s.cli.params import params
from byok8s.cli.run import EPILOG, run


def run_packaged(name: str, folder: Path) -> None:
    """Be the command of a package.

    name: of the package and the command. folder: of the workflow's files in it.
    """
    start(command(name, metadata.version(name), folder), name)


def command(name: str, version: str, folder: Path) -> click.Group:
    """The group of commands, with `run` for what is none of them."""

    @click.group(cls=DefaultCommand, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
    @click.version_option(version, message=f"{name} {version} (byok8s {__version__})")
    @click.pass_context
    def packaged(ctx: click.Context) -> None:
        from byok8s.workspace import Source

        ctx.obj = Source(f"{name} {version}", folder, packaged=True, origin=name)

    first_line = f"Run the Snakemake workflow {name} on a Kubernetes cluster, or on this machine."
    packaged.help = (
        f"{first_line}\n\n\b\n{name} WORKFLOW PARAMS [TARGET...] --s3-bucket=BUCKET   runs it: see {name} run --help\n"
        f"{name} WORKFLOW PARAMS [TARGET...] --local"
    )
    for each in (run, show_list, show, params):
        packaged.add_command(each)
    return packaged


@click.command("list", short_help="List the workflows and params of the package.")
@debug_option
@click.pass_obj
def show_list(source: object, *, debug: bool) -> NoReturn:
    """List the workflows and params of the package, with their descriptions."""

    def carry_out() -> int:
        from byok8s import view
        from byok8s.package import catalogue, messages
        from byok8s.workspace import Source
        from byok8s.workspace.folder import replaced

        assert isinstance(source, Source)
        found = catalogue.read(source.folder, source.files())
        view.say(messages.listed(found, replaced(source, Path.cwd())))
        return 0

    exit_with(carry_out, debug=debug)


@click.command("show", short_help="Print a file of the package.")
@click.argument("file")
@debug_option
@click.pass_obj
def show(source: object, file: str, *, debug: bool) -> NoReturn:
    """Print FILE of the package: a workflow or params file by its name, or any other by its path."""

    def carry_out() -> int:
        from byok8s.files import find_within
        from byok8s.workspace import Source

        assert isinstance(source, Source)
        click.echo(find_within(source.name, source.folder, file).read_bytes(), nl=False)
        return 0

    exit_with(carry_out, debug=debug)
