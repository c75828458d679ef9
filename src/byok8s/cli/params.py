"""byok8s params: what a params file may hold."""

from __future__ import annotations

from typing import NoReturn

import click

from byok8s.cli.common import debug_option, exit_with


@click.command(short_help="List the parameters of the workflow.")
@click.option(
    *("-s", "--snakefile"),
    envvar="BYOK8S_SNAKEFILE",
    metavar="FILE",
    help="Or of a git repository: git+URL@TAG[#FILE]. [default: Snakefile, then workflow/Snakefile]",
)
@click.option("--yaml", "as_yaml", is_flag=True, help="Print a params file to begin with.")
@debug_option
@click.pass_context
def params(ctx: click.Context, /, *, snakefile: str | None, as_yaml: bool, debug: bool) -> NoReturn:
    """List what a params file may hold, with types and defaults, as the workflow's params.schema.yaml has it.

    The schema is looked for in the working folder, beside the Snakefile, and above workflow/.

    \b
    byok8s params --yaml > params-mine.yaml
    """

    def carry_out() -> int:
        from byok8s import files, schema, view
        from byok8s.params import find_schema, folders
        from byok8s.request import locate

        named = snakefile or ctx.obj or any(place.is_file() for place in files.SNAKEFILES)
        # a folder may have the schema and no Snakefile yet
        source, place = locate(snakefile, ctx.obj, _say_aside) if named else (None, files.SNAKEFILES[0])
        found = schema.parameters(find_schema(folders(place, source)))
        view.say(schema.skeleton(found) if as_yaml else schema.table(found))
        return 0

    exit_with(carry_out, debug=debug)


def _say_aside(words: str) -> None:
    """Not among the parameters, which may go into a file."""
    click.echo(words, err=True)
