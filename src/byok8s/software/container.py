"""What a rule says after container:, as Kubernetes names images."""

from __future__ import annotations

import re
from typing import Final

from byok8s.worker.hand_over import whole_name

DOCKER: Final = "docker://"
_NAME: Final = re.compile(
    r"(?:(?P<host>[A-Za-z0-9.-]+(?::\d+)?)/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)


class Unfit(ValueError):
    """No image that pods can have. Its words tell why, without the image."""


def image(url: str) -> str:
    """Return the image's whole name. Raises Unfit."""
    if not url.startswith(DOCKER):
        scheme, found, _ = url.partition("://")
        raise Unfit(
            f"nodes take no images by {scheme}://" if found else "it is a file, which nodes cannot run"
        )
    name = url.removeprefix(DOCKER)
    if not _NAME.fullmatch(name):
        raise Unfit("it is no name of an image")
    return whole_name(name)
