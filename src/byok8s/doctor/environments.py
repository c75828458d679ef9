"""The conda environments that the rules of a workflow declare, by a plan of Snakemake's."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

from byok8s.access.preflight import Cluster
from byok8s.doctor.plan import PLAN_SECONDS, plan
from byok8s.doctor.scope import of_request
from byok8s.errors import InputError
from byok8s.request import Request
from byok8s.software.dockerfile import Declared


def declared(request: Request) -> Sequence[Declared]:
    """Return them by their sources. Raises InputError if Snakemake cannot plan, or if pods cannot have one."""
    scope = of_request(request)
    if scope.bucket is None:
        raise InputError(
            "No bucket is named, in which Snakemake looks for what is there.",
            hint="Name one with --s3-bucket.",
        )
    asked = replace(request, software="conda" if request.software == "conda" else "declared")
    cluster = Cluster(request.context or "", request.namespace or "default", "")
    found = plan(asked, scope.bucket, scope.s3_environment, cluster, scope.image, threading.Event())
    if found is None:
        raise InputError(f"Snakemake was not ready to tell its plan after {PLAN_SECONDS:.0f} s.")
    if found.fault:
        raise InputError(found.fault, hint=found.hint)
    if not found.environments:
        raise InputError("No rule of the workflow declares a conda environment.")
    return found.environments
