"""What the commands share: flags, and the one place that turns errors into words and exit codes."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

import click

from byok8s.cli import complete
from byok8s.errors import INTERRUPTED, UNREAD, Byok8sError, InputError

EPILOG_OF_RECORDS = """\b
Exit codes:
  0    it is shown
  2    a flag is wrong, or there is no such run
  3    the bucket cannot be used
  130  interrupted
  141  whoever reads the output has ended, as head does
"""


def pairs(_: click.Context, option: click.Parameter, given: tuple[str, ...]) -> dict[str, str] | None:
    """WORD=VALUE, said several times."""
    found = [entry.partition("=") for entry in given]
    if wrong := next((entry for entry, pair in zip(given, found, strict=True) if not all(pair)), None):
        raise click.BadParameter(f"{wrong!r} is not WORD=VALUE.", param=option)
    return {word: value for word, _, value in found} or None


namespace_option = click.option(
    *("-k", "--k8s-namespace"),
    envvar="BYOK8S_K8S_NAMESPACE",
    metavar="NAME",
    help="Namespace of the pods. [default: the context's own, else default]",
)
context_option = click.option(
    "--context",
    envvar="BYOK8S_CONTEXT",
    metavar="NAME",
    shell_complete=complete.contexts,
    help="Context of the kubeconfig. [default: its current one]",
)
run_argument = click.argument("run", metavar="[RUN]", required=False, shell_complete=complete.runs)
image_option = click.option(
    "--image",
    envvar="BYOK8S_IMAGE",
    metavar="IMAGE",
    help="Image of the pods, with Python and Snakemake. [default: snakemake/snakemake, your version]",
)
endpoint_option = click.option(
    "--s3-endpoint-url",
    metavar="URL",
    envvar=["BYOK8S_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"],
    help="S3 server, if it is not AWS.",
)
bucket_option = click.option(
    *("-b", "--s3-bucket"),
    envvar="BYOK8S_S3_BUCKET",
    metavar="BUCKET[/PREFIX]",
    help="The bucket. [default: that of the last run in this folder]",
)
pod_option = click.option(
    "--pod",
    multiple=True,
    callback=pairs,
    envvar="BYOK8S_POD",
    metavar="WORD=VALUE",
    help="What all pods are to have, as in node_selector=disktype=ssd; see docs/pods.md.",
)
pod_template_option = click.option(
    "--pod-template",
    envvar="BYOK8S_POD_TEMPLATE",
    metavar="FILE",
    help="A Pod to merge under all pods: node selector, tolerations, volumes, …",
)
debug_option = click.option(
    "--debug", envvar="BYOK8S_DEBUG", is_flag=True, help="Show the traceback of an error."
)


def place(context: str | None, namespace: str | None) -> tuple[str | None, str | None]:
    """Context and namespace, those of the user's config file where flags and environment say nothing."""
    from byok8s.settings import Settings, resolve, user_config

    settings = resolve([Settings(context=context, k8s_namespace=namespace), user_config()])
    return settings.context, settings.k8s_namespace


def agreed(question: str, otherwise: str) -> bool:
    """Whether the person at the terminal says yes. otherwise: what holds without, for where there is nobody."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InputError(
            f"{otherwise}: there is no terminal to ask on.",
            hint="--yes does it without asking; --dry-run only shows what would be done.",
        )
    return click.confirm(question, err=True)


def start(program: click.Command, name: str) -> None:
    """Run a program until it ends. name: by which the user calls it."""
    # by default Python looks for garbage a hundred times while it imports what a command needs: a tenth of its start
    gc.set_threshold(100_000, 5, 5)
    threading.excepthook = _thread_failed
    try:
        program(prog_name=name)
    finally:
        gc.freeze()  # and several times at its end, when all of it goes at once: a quarter of a short command's time


def _thread_failed(error: threading.ExceptHookArgs) -> None:
    """Show an error of a thread, unless the program is ending: Python then refuses new threads, and nobody waits."""
    if threading.main_thread().is_alive():
        threading.__excepthook__(error)


def exit_with(command: Callable[[], int], *, debug: bool) -> NoReturn:
    """Run a command; say what went wrong in one paragraph, or with `debug` as a traceback."""
    sys.exit(_exit_code(command, debug=debug))


def _exit_code(command: Callable[[], int], *, debug: bool) -> int:
    try:
        return command()
    except Byok8sError as error:
        if debug:
            raise
        from byok8s import view

        view.show_error(error)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:  # as with `| head`: nobody reads on
        # Python flushes it once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREAD
