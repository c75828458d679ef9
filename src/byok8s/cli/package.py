"""byok8s package: a workflow as a command."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import click

from byok8s.cli.common import debug_option, exit_with

EPILOG = """\b
Exit codes:
  0    the project is there
  2    something cannot be packaged: it is said what, and nothing was written
"""


@click.command(epilog=EPILOG, short_help="Make an installable command of a workflow's folder.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--name", required=True, metavar="NAME", help="Of the package and of its command.")
@click.option("--version", default="0.1.0", show_default=True, metavar="V", help="Of the package.")
@click.option(
    *("-o", "--output"),
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where the project is made. [default: NAME, in the working folder]",
)
@click.option(
    "--exclude",
    multiple=True,
    metavar="PATTERN",
    help="Files to leave out, as in '*.bam'; may be said several times.",
)
@click.option(
    "-f", "--force", is_flag=True, help="Take the place of a project that was made by this command."
)
@debug_option
def package(
    folder: Path,
    name: str,
    version: str,
    output: Path | None,
    exclude: tuple[str, ...],
    *,
    force: bool,
    debug: bool,
) -> NoReturn:
    """Make an installable Python project of the workflow in DIR, with a command NAME that runs it.

    All files of DIR go in but hidden ones and, in a git repository, ignored ones. The command takes what byok8s takes:
    NAME WORKFLOW PARAMS [TARGET...] and its flags, in any folder.
    """

    def carry_out() -> int:
        from byok8s import view
        from byok8s.package import messages
        from byok8s.package.make import make

        view.say(messages.made(*make(folder, name, version, output, exclude, force=force)))
        return 0

    exit_with(carry_out, debug=debug)
