"""byok8s cluster up: a cluster on this machine, with an S3 server beside it."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import click

from byok8s.cli.common import debug_option, exit_with

EPILOG = """\b
Exit codes:
  0    a workflow can run there
  2    a flag is wrong, or does not fit the cluster that there is; or the S3 server is not installed
  3    no cluster can be made here, or it failed; what was half made is removed or named
  130  interrupted: the same command goes on, `byok8s cluster down` removes what there is
"""


@click.command(epilog=EPILOG, short_help="Make a cluster on this machine, or what is missing of it.")
@click.option(
    "--driver",
    envvar="BYOK8S_CLUSTER_DRIVER",
    metavar="NAME",
    help="minikube, kind, k3d or k3s. [default: the first of them that can work here]",
)
@click.option(
    "--minikube-driver",
    envvar="BYOK8S_CLUSTER_MINIKUBE_DRIVER",
    metavar="NAME",
    help="Driver of minikube: docker, kvm2, … or none, for this machine itself. [default: minikube's choice]",
)
@click.option(
    "--image",
    envvar="BYOK8S_IMAGE",
    metavar="IMAGE",
    help="Image of the pods; put into the cluster if docker or podman have it. [default: that of run]",
)
@click.option(
    "--image-archive",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A file of `docker save` that has the image.",
)
@debug_option
def up(
    *,
    driver: str | None,
    minikube_driver: str | None,
    image: str | None,
    image_archive: Path | None,
    debug: bool,
) -> NoReturn:
    """Make a cluster on this machine with a tool that you have, start an S3 server that its pods reach, and say how a
    workflow is run there.

    Your kubeconfig and its current context stay as they are. Nothing is installed; what the tool itself lacks, as the
    image of its nodes, it fetches. Again: only what is missing is made.
    """

    def carry_out() -> int:
        from byok8s import view
        from byok8s.local_cluster.home import home
        from byok8s.local_cluster.status import status
        from byok8s.local_cluster.up import Wish
        from byok8s.local_cluster.up import up as make
        from byok8s.settings import Settings, default_image, resolve, user_config

        wished = resolve([Settings(image=image), user_config()]).image
        make(home(), Wish(driver, minikube_driver, wished, image_archive), default_image(), view.say)
        view.say(view.local_cluster(status(home())))
        return 0

    exit_with(carry_out, debug=debug)
