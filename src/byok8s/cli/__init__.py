"""The command line, a module for each command. Only here click is known, and only here exit codes are set."""

from __future__ import annotations

import click

from byok8s import __version__
from byok8s.cli.advise import advise
from byok8s.cli.cancel import cancel
from byok8s.cli.clean import clean
from byok8s.cli.cluster import cluster
from byok8s.cli.common import start
from byok8s.cli.default_command import DefaultCommand
from byok8s.cli.doctor import doctor
from byok8s.cli.envs import envs
from byok8s.cli.events import events
from byok8s.cli.explain import explain
from byok8s.cli.get import get
from byok8s.cli.image import image
from byok8s.cli.init import init
from byok8s.cli.logs import logs
from byok8s.cli.ls import ls
from byok8s.cli.package import package
from byok8s.cli.params import params
from byok8s.cli.put import put
from byok8s.cli.rbac import rbac
from byok8s.cli.report import report
from byok8s.cli.rm import rm
from byok8s.cli.run import EPILOG, run
from byok8s.cli.runs import runs
from byok8s.cli.status import status
from byok8s.cli.trace import trace


@click.group(
    cls=DefaultCommand,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EPILOG,
)
@click.version_option(__version__, message="byok8s %(version)s")
def byok8s() -> None:
    """Run a Snakemake workflow on the Kubernetes cluster that you have, with an S3 bucket for every file.

    \b
    byok8s WORKFLOW PARAMS [TARGET...] --s3-bucket=BUCKET   runs a workflow: see byok8s run --help
    byok8s -s SNAKEFILE [TARGET...] --s3-bucket=BUCKET      without a workflow file
    """


byok8s.add_command(run)
byok8s.add_command(advise)
byok8s.add_command(cancel)
byok8s.add_command(clean)
byok8s.add_command(cluster)
byok8s.add_command(doctor)
byok8s.add_command(envs)
byok8s.add_command(events)
byok8s.add_command(explain)
byok8s.add_command(get)
byok8s.add_command(image)
byok8s.add_command(init)
byok8s.add_command(logs)
byok8s.add_command(ls)
byok8s.add_command(package)
byok8s.add_command(params)
byok8s.add_command(put)
byok8s.add_command(rbac)
byok8s.add_command(report)
byok8s.add_command(rm)
byok8s.add_command(runs)
byok8s.add_command(status)
byok8s.add_command(trace)


def main() -> None:
    start(byok8s, "byok8s")
