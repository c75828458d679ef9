"""Groups of commands in which a run needs no name of its own."""

from __future__ import annotations

import click


class DefaultCommand(click.Group):
    """`byok8s WORKFLOW PARAMS` means `byok8s run WORKFLOW PARAMS`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in {"--help", "-h", "--version"}:
            args = ["run", *args]
        return super().parse_args(ctx, args)
