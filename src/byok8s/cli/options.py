"""The flags of settings: the same for all commands that take a run's files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from byok8s.choices import SIZES, SOFTWARE, UPLOAD_MODES
from byok8s.cli.common import (
    context_option,
    endpoint_option,
    image_option,
    namespace_option,
    pod_option,
    pod_template_option,
)

F = TypeVar("F", bound=Callable[..., Any])

_SETTINGS = (
    click.option(
        *("-b", "--s3-bucket"),
        envvar="BYOK8S_S3_BUCKET",
        metavar="BUCKET[/PREFIX]",
        help="Bucket for every file; it must exist.",
    ),
    endpoint_option,
    namespace_option,
    context_option,
    click.option(
        *("-s", "--snakefile"),
        envvar="BYOK8S_SNAKEFILE",
        metavar="FILE",
        help="Or of a git repository: git+URL@TAG[#FILE]. [default: Snakefile, then workflow/Snakefile]",
    ),
    click.option(
        *("-j", "--jobs"),
        envvar="BYOK8S_JOBS",
        metavar="N",
        type=int,
        help="Run at most N jobs at once. [default: 16; with --local, this machine's cores]",
    ),
    image_option,
    click.option(
        "--local/--no-local",
        envvar="BYOK8S_LOCAL",
        default=None,
        help="Run on this machine, without a cluster; without a bucket, with one in .byok8s/.",
    ),
    click.option(
        "--software",
        envvar="BYOK8S_SOFTWARE",
        type=click.Choice(SOFTWARE),
        help="What rules get: what they declare (conda:, container:), their conda environments alone, or what the "
        "image has. [default: declared; with --image, image]",
    ),
    click.option(
        "--channel-alias",
        envvar="BYOK8S_CHANNEL_ALIAS",
        metavar="URL",
        help="Mirror of conda channels. [default: https://conda.anaconda.org]",
    ),
    pod_option,
    pod_template_option,
    click.option(
        "--cache",
        envvar="BYOK8S_CACHE",
        metavar="CLAIM",
        help="PersistentVolumeClaim in which workers and runs keep inputs for each other. [default: none]",
    ),
    click.option(
        "--upload",
        envvar="BYOK8S_UPLOAD",
        type=click.Choice(UPLOAD_MODES),
        help="Inputs that are here and not in the bucket; replace: also those that differ there. [default: ask]",
    ),
    click.option(
        "--download",
        envvar="BYOK8S_DOWNLOAD",
        metavar="DIR",
        help="Bring what was asked for to DIR in the end: . for this folder. [default: it stays in the bucket]",
    ),
    click.option(
        "--oom-retries",
        envvar="BYOK8S_OOM_RETRIES",
        metavar="N",
        type=int,
        help="Try a job that ran out of memory again up to N times, with more of it. [default: 0]",
    ),
    click.option(
        "--oom-factor",
        envvar="BYOK8S_OOM_FACTOR",
        metavar="X",
        type=float,
        help="How many times the memory that it had before. [default: 1.5]",
    ),
    click.option(
        "--sizes",
        envvar="BYOK8S_SIZES",
        type=click.Choice(SIZES),
        help="Memory and threads of rules: as declared, or what was enough in the last runs. [default: declared]",
    ),
    click.option(
        "--pending-timeout",
        envvar="BYOK8S_PENDING_TIMEOUT",
        metavar="MINUTES",
        type=float,
        help="How long a pod may wait for a node before its job fails. [default: no end]",
    ),
    click.option(
        "--no-reuse",
        envvar="BYOK8S_NO_REUSE",
        is_flag=True,
        default=None,
        help="Give each job a pod of its own, instead of workers that take one after another.",
    ),
    click.option(
        "--reuse-factor",
        envvar="BYOK8S_REUSE_FACTOR",
        metavar="X",
        type=float,
        help="Let a job use an idle worker that has up to X times what the job asks for. [default: 2]",
    ),
    click.option(
        "--strict-threads",
        envvar="BYOK8S_STRICT_THREADS",
        is_flag=True,
        default=None,
        help="Refuse a rule that asks for more threads than the largest node has, instead of scaling it down.",
    ),
    click.option(
        "--plain",
        envvar="BYOK8S_PLAIN",
        is_flag=True,
        default=None,
        help="Draw no view of the run in a terminal: say a line for each job's end instead.",
    ),
    click.option(
        "--otlp",
        envvar="BYOK8S_OTLP",
        metavar="URL",
        help="OpenTelemetry collector that gets the run as traces, or env for that of OTEL_EXPORTER_OTLP_ENDPOINT. "
        "[default: none]",
    ),
    click.option(
        "--no-credentials",
        envvar="BYOK8S_NO_CREDENTIALS",
        is_flag=True,
        default=None,
        help="Give pods no copy of your S3 credentials: they have their own, as by a service account.",
    ),
)


def settings_options(command: F) -> F:
    """A flag for each of byok8s.settings.Settings, of the same name."""
    for option in reversed(_SETTINGS):
        command = option(command)
    return command


words_argument = click.argument("words", metavar="[WORKFLOW] [PARAMS] [TARGET]...", nargs=-1)


class WithSnakemakeArguments(click.Command):
    """Keeps what comes after `--` from click, which would take it for targets."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            split = args.index("--")
            ctx.meta["snakemake"] = args[split + 1 :]
            args = args[:split]
        return super().parse_args(ctx, args)


def snakemake_arguments(ctx: click.Context) -> list[str]:
    """What came after `--`."""
    return list(ctx.meta.get("snakemake", []))
