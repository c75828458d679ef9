"""This machine, and the cluster's API as it is reached from here."""

from __future__ import annotations

import platform
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata

from byok8s import __version__
from byok8s.access.check import PATIENCE_SECONDS
from byok8s.access.preflight import OLDEST_KUBERNETES
from byok8s.doctor import clock
from byok8s.doctor.check import Check, CheckStatus, all_skipped, of_error, ok, skipped, warning
from byok8s.errors import ClusterError
from byok8s.kube import KubeClient, Unreachable, connect
from byok8s.kube.objects import text

NAMES = ("versions here", "context", "API", clock.NAME, "Kubernetes")
SLOW_SECONDS = 1.0


@dataclass(frozen=True)
class LocalFindings:
    """client: None if the API cannot be used."""

    checks: list[Check]
    client: KubeClient | None = None


def look(context: str | None) -> LocalFindings:
    """context: of the kubeconfig. Raises InputError if there is no such context."""
    here = ok(
        "versions here",
        f"byok8s {__version__}, Snakemake {metadata.version('snakemake')}, Python {platform.python_version()}",
    )
    try:
        client = connect(context)
    except ClusterError as error:
        return LocalFindings(
            [here, of_error("context", error), *all_skipped(NAMES[2:], "there is no context")]
        )
    acting = f", acting as {client.context.acts_as}" if client.context.acts_as else ""
    named = ok("context", f"{client.context.name}: {client.context.server}{acting}")
    try:
        version = text(client.get("/version", patience=PATIENCE_SECONDS), "gitVersion")
    except ClusterError as error:
        unreached = all_skipped(NAMES[3:], "the API cannot be used")
        return LocalFindings([here, named, of_error("API", error), *unreached])
    return LocalFindings([here, named, *_times(client), kubernetes(version)], client)


def _times(client: KubeClient) -> list[Check]:
    """Check how fast the API answers once there is a connection, and by how much the clocks differ."""
    began = time.monotonic()
    try:
        ahead = -(client.now() - datetime.now(UTC)).total_seconds()
    except Unreachable as error:
        return [
            of_error("API", error, CheckStatus.WARNING),
            skipped(clock.NAME, "the API does not tell its time"),
        ]
    return [speed(time.monotonic() - began), clock.of_api(ahead)]


def speed(seconds: float) -> Check:
    answers = f"answers in {seconds * 1000:.0f} ms"
    if seconds < SLOW_SECONDS:
        return ok("API", answers)
    return warning(
        "API", f"{answers}: a run will be slow to start", "A VPN or a proxy on the way may be why."
    )


def kubernetes(version: str) -> Check:
    """version: as v1.20.2."""
    number = re.match(r"v(\d+)\.(\d+)", version)
    if number and (int(number[1]), int(number[2])) < OLDEST_KUBERNETES:
        oldest = ".".join(map(str, OLDEST_KUBERNETES))
        return warning(
            "Kubernetes", f"{version}: older than any that byok8s was tried on", f"Use {oldest} or newer."
        )
    return ok("Kubernetes", version)
