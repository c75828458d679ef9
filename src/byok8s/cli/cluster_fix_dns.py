"""byok8s cluster fix-dns: what the cluster's DNS forwards to."""

from __future__ import annotations

from typing import NoReturn

import click

from byok8s.cli.common import (
    agreed,
    context_option,
    debug_option,
    endpoint_option,
    exit_with,
    image_option,
    namespace_option,
    pod_option,
    pod_template_option,
)
from byok8s.errors import InputError

EPILOG = """\b
Exit codes:
  0    DNS answers in a pod; or only a look was wanted, or the answer was no
  2    a SERVER or a flag is wrong; nothing to undo; or --yes is missing where there is no terminal to ask on
  3    the DNS is not yours to change: managed, forbidden, or not reached; or it still does not answer
  130  interrupted
"""


@click.command("fix-dns", epilog=EPILOG, short_help="Have the cluster's DNS forward to servers that answer.")
@click.argument("servers", metavar="[SERVER]...", nargs=-1)
@namespace_option
@context_option
@click.option("--undo", is_flag=True, help="Put back what was there before, byte for byte.")
@click.option(*("-n", "--dry-run"), is_flag=True, help="Only show the change; nothing is changed.")
@click.option(*("-y", "--yes"), is_flag=True, help="Change without asking.")
@endpoint_option
@image_option
@pod_option
@pod_template_option
@debug_option
def fix_dns(
    *,
    servers: tuple[str, ...],
    undo: bool,
    dry_run: bool,
    yes: bool,
    debug: bool,
    **said: str | dict[str, str] | None,
) -> NoReturn:
    """Have the DNS of the cluster forward names that are not its own to SERVERs, by default 8.8.8.8 and 8.8.4.4.

    For clusters whose DNS forwards to itself, as where the node's /etc/resolv.conf names 127.0.0.53. Shows the
    change of the Corefile (or of kube-dns' ConfigMap), asks, changes, restarts the DNS' pods and no others, and
    waits until a pod in your namespace finds a name of the cluster and that of the S3 server.

    What it needs, and what it changes, is in docs/dns.md.
    """
    import msgspec

    from byok8s.settings import Settings, resolve, user_config

    def carry_out() -> int:
        from byok8s import view
        from byok8s.dns import answer, fix
        from byok8s.dns.corefile import DEFAULT_SERVERS
        from byok8s.kube import connect

        if undo and servers:
            raise InputError("--undo puts back what was there before, and takes no SERVER.")
        settings = resolve([msgspec.convert(said, Settings), user_config()])
        made = answer.pod_made(settings)
        client = connect(settings.context)
        namespace = settings.k8s_namespace or client.context.namespace or "default"
        plan = (
            fix.plan_undo(client, namespace)
            if undo
            else fix.plan(client, namespace, servers or DEFAULT_SERVERS)
        )
        view.say(view.dns_plan(plan))
        if dry_run or (plan.needed and not (yes or agreed("Do this?", "Nothing was changed"))):
            return 0
        if not plan.change.is_empty:
            fix.apply(client, plan.change)
            view.say(
                "Put back." if undo else "Changed; `byok8s cluster fix-dns --undo` puts back what was there."
            )
        if plan.needed:
            fix.restart(client, plan.state.wanted)
            view.say("Restarted, and ready.")
        names = fix.check_answers(client, namespace, answer.outside(settings.s3_endpoint_url), made)
        view.say(f"DNS answers in a pod, of {' and '.join(names)}.")
        return 0

    exit_with(carry_out, debug=debug)
