"""byok8s params: what a params file may hold."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import click

from byok8s.cli.common import debug_option, exit_with


@click.command(short_help="List the parameters of the workflow.")
@click.option(
    *("-s", "--snakefile"),
    envvar="BYOK8S_SNAKEFILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="[default: Snakefile, then workflow/Snakefile]",
)
@click.option("--yaml", "as_yaml", is_flag=True, help="Print a params file to begin with.")
@debug_option
def params(*, snakefile: Path | None, as_yaml: bool, debug: bool) -> NoReturn:
    """List what a params file may hold, with types and defaults, as the workflow's params.schema.yaml has it.

    The schema is looked for in the working folder, beside the Snakefile, and above workflow/.

    \b
    byok8s params --yaml > params-mine.yaml
    """

    def carry_out() -> int:
        from byok8s import schema, view
        from byok8s.params import find_schema
        from byok8s.request import SNAKEFILES

        found = schema.parameters(find_schema([snakefile] if snakefile else SNAKEFILES))
        view.say(schema.skeleton(found) if as_yaml else schema.table(found))
        return 0

    exit_with(carry_out, debug=debug)
