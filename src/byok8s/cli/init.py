"""byok8s init: a workflow folder to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import click

from byok8s.cli.common import debug_option, exit_with


@click.command(short_help="Make a workflow folder to begin with.")
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
@debug_option
def init(*, folder: Path, debug: bool) -> NoReturn:
    """Make a workflow in the folder DIR that runs at once, on this machine and on a cluster: a Snakefile with scripts,
    a workflow file, two params files and their schema, a README with the commands, a test, and a file that has GitHub
    run the test.

    Without DIR it is made in the working folder. Files that are there already are never overwritten: if there is one
    of those to be made, nothing is.
    """

    def carry_out() -> int:
        from byok8s import view
        from byok8s.scaffold.messages import told
        from byok8s.scaffold.write import make

        view.say(told(make(folder), folder))
        return 0

    exit_with(carry_out, debug=debug)
