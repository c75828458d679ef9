"""byok8s explain: what a failure means, and what to do."""

from __future__ import annotations

from typing import NoReturn

import click

from byok8s.cli.common import exit_with


@click.command(short_help="What a failure means, and what to do.")
@click.argument("cause", required=False)
def explain(cause: str | None) -> NoReturn:
    """Print what the failure named CAUSE means and what to do; without a name, list all of them."""

    def carry_out() -> int:
        from byok8s import failures

        if cause:
            click.echo(failures.page(cause))
        else:
            titles = failures.titles()
            width = max(map(len, titles))
            click.echo("\n".join(f"{slug:<{width}}  {title}" for slug, title in titles.items()))
        return 0

    exit_with(carry_out, debug=False)
