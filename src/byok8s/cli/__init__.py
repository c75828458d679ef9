"""The command line, a module for each command. Only here click is known, and only here exit codes are set."""

from __future__ import annotations

import click

from byok8s import __version__
from byok8s.cli.clean import clean
from byok8s.cli.cluster import cluster
from byok8s.cli.doctor import doctor
from byok8s.cli.explain import explain
from byok8s.cli.params import params
from byok8s.cli.rbac import rbac
from byok8s.cli.run import EPILOG, run


class _DefaultCommand(click.Group):
    """`byok8s WORKFLOW PARAMS` means `byok8s run WORKFLOW PARAMS`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in {"--help", "-h", "--version"}:
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=_DefaultCommand,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EPILOG,
)
@click.version_option(__version__, message="byok8s %(version)s")
def byok8s() -> None:
    """Run a Snakemake workflow on the Kubernetes cluster that you have, with an S3 bucket for every file.

    \b
    byok8s WORKFLOW PARAMS [TARGET...] --s3-bucket=BUCKET   runs a workflow: see byok8s run --help
    """


byok8s.add_command(run)
byok8s.add_command(clean)
byok8s.add_command(cluster)
byok8s.add_command(doctor)
byok8s.add_command(explain)
byok8s.add_command(params)
byok8s.add_command(rbac)


def main() -> None:
    byok8s(prog_name="byok8s")
