"""byok8s rbac: the rights of a run, as YAML."""

from __future__ import annotations

from typing import NoReturn

import click

from byok8s.cli.common import debug_option, exit_with, place


@click.command(short_help="Print the Role that a run needs, for kubectl apply.")
@click.option(
    *("-k", "--k8s-namespace"),
    envvar="BYOK8S_K8S_NAMESPACE",
    metavar="NAME",
    help="Namespace that runs will use. [default: default]",
)
@click.option(
    "--name",
    default="byok8s",
    metavar="NAME",
    show_default=True,
    help="Name of the Role, the RoleBinding and the ServiceAccount.",
)
@click.option("--user", metavar="USER", help="Give the Role to this user, instead of a new ServiceAccount.")
@click.option("--group", metavar="GROUP", help="Give it to this group.")
@click.option("--service-account", metavar="NAMESPACE:NAME", help="Give it to this ServiceAccount.")
@click.option(
    "--no-exec",
    is_flag=True,
    help="Leave out pods/exec: each job then gets a pod of its own, which is slower.",
)
@click.option("--with-clean", is_flag=True, help="Add what byok8s clean needs beside.")
@debug_option
def rbac(
    *,
    k8s_namespace: str | None,
    name: str,
    user: str | None,
    group: str | None,
    service_account: str | None,
    no_exec: bool,
    with_clean: bool,
    debug: bool,
) -> NoReturn:
    """Print the Role, RoleBinding and ServiceAccount that a run needs, and nothing more.

    No cluster is asked. Whoever may grant rights there applies them:

    \b
    byok8s rbac -k lab --user ada | kubectl apply -f -

    What each right is for is in docs/rights.md.
    """

    def carry_out() -> int:
        from byok8s import view
        from byok8s.access import rights
        from byok8s.access.rbac import Subject, objects, to_yaml

        chosen = [
            *rights.RIGHTS,
            *(() if no_exec else rights.STREAM_RIGHTS),
            *rights.HELPFUL_RIGHTS,
            *(rights.CLEAN_RIGHTS if with_clean else ()),
        ]
        subject = Subject.parse(user, group, service_account)
        _, namespace = place(None, k8s_namespace)
        view.say(to_yaml(objects(namespace or "default", name, subject, chosen)))
        return 0

    exit_with(carry_out, debug=debug)
