"""What the commands share: flags, and the one place that turns errors into words and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

import click

from byok8s.errors import INTERRUPTED, Byok8sError

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
    help="Context of the kubeconfig. [default: its current one]",
)
debug_option = click.option(
    "--debug", envvar="BYOK8S_DEBUG", is_flag=True, help="Show the traceback of an error."
)


def place(context: str | None, namespace: str | None) -> tuple[str | None, str | None]:
    """Context and namespace, those of the user's config file where flags and environment say nothing."""
    from byok8s.settings import Settings, resolve, user_config

    settings = resolve([Settings(context=context, k8s_namespace=namespace), user_config()])
    return settings.context, settings.k8s_namespace


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
