"""A Dockerfile with what pods need and conda environments in it. Nothing beside it is needed to build it.

An environment is made as pods make it, at the path that is a part of its hash, and kept where a worker looks for it,
which runs as another user than root.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Final

from byok8s import __version__
from byok8s.errors import InputError
from byok8s.software.channels import Channels, Plan
from byok8s.software.spec import ENVIRONMENTS, PLATFORM, Spec
from byok8s.worker.channels import Access
from byok8s.worker.conda import OF_IMAGE
from byok8s.worker.installation import Wanted

MODULES: Final = ("activation", "channels", "installation")  # of byok8s.worker; they need no others
END: Final = "BYOK8S"
HEAD: Final = """\
# syntax=docker/dockerfile:1
# Snakemake, and the conda environments of {snakefile}, for pods. By byok8s {version}.
#   docker build --tag NAME - < Dockerfile
#   docker push NAME
#   byok8s ... --image NAME --software declared
# An environment is known by the hash of its files: one that is not here, or has changed since, is made in the cluster.
ARG BASE={base}
FROM --platform=linux/amd64 ${{BASE}} AS base
USER root
RUN python -c 'import rattler, yaml, zstandard' || pip install --no-cache-dir py-rattler pyyaml zstandard

FROM base AS environments
# how byok8s makes environments
RUN mkdir -p /byok8s/byok8s/worker && touch /byok8s/byok8s/__init__.py /byok8s/byok8s/worker/__init__.py
"""
TAIL: Final = """\
FROM base
COPY --from=environments {made} {kept}
USER 1000:1000
"""


@dataclass(frozen=True)
class Declared:
    """An environment and the rules that want it."""

    spec: Spec
    rules: tuple[str, ...]


def dockerfile(declared: Sequence[Declared], channels: Channels, base: str, snakefile: str) -> str:
    """Return the text. base: an image with Snakemake. Raises InputError for what an image's layers would show."""
    plans = [(each, _public(each.spec, channels.plan(each.spec))) for each in declared]
    modules = (_file(f"/byok8s/byok8s/worker/{name}.py", _source(name)) for name in MODULES)
    parts = [
        HEAD.format(snakefile=_on_a_line(snakefile), version=__version__, base=base),
        *modules,
        *(_environment(each, plan) for each, plan in plans),
        TAIL.format(made=ENVIRONMENTS, kept=OF_IMAGE),
    ]
    return "\n".join(parts)


def _public(spec: Spec, plan: Plan) -> Plan:
    if plan.access != Access():
        raise InputError(
            f"The conda environment {spec.source} wants credentials, variables or mirrors of this machine, which an "
            "image would show or not know.",
            hint="Leave it to a run, which makes it in the cluster: byok8s ... --software declared.",
        )
    return plan


def _environment(declared: Declared, plan: Plan) -> str:
    spec = declared.spec
    wanted = Wanted(spec.name, plan.yaml, plan.pin, spec.deploy, PLATFORM, plan.channels)
    return "\n".join(
        [
            *(f"# {line}" for line in _about(declared)),
            _file(f"/byok8s/{spec.name}.json", json.dumps(asdict(wanted), indent=1) + "\n").rstrip(),
            f"RUN PYTHONPATH=/byok8s python -m byok8s.worker.installation /byok8s/{spec.name}.json "
            f"{ENVIRONMENTS} /packages && rm -rf {ENVIRONMENTS}/base && chmod -R a+rX {ENVIRONMENTS}",
            "",
        ]
    )


def _about(declared: Declared) -> Iterator[str]:
    yield f"{_on_a_line(declared.spec.source)}: rule{'s' if declared.rules[1:] else ''} {', '.join(declared.rules)}"
    for line in declared.spec.yaml.splitlines():
        yield f"  {line}".rstrip()


def _file(path: str, content: str) -> str:
    assert END not in content.splitlines()
    return f"COPY <<'{END}' {path}\n{content}{END}\n"


def _source(module: str) -> str:
    return resources.files("byok8s.worker").joinpath(f"{module}.py").read_text()


def _on_a_line(text: str) -> str:
    return " ".join(text.split())
