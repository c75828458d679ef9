"""The container's termination message: it reaches the controller with the pod's status, and needs no stream."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from byok8s.worker.protocol import Result

TERMINATION_LOG = Path("/dev/termination-log")
MOST_BYTES = 4096  # Kubernetes' limit for one container
FEW_LINES = 10  # more than these make room for what is stored


def leave(result: Result, succeeded: Sequence[str] = ()) -> None:
    """result: of the job that ends with the container; as many of its last lines are left as fit, the newest of them.
    succeeded: other jobs, whose end nobody has fetched: for a controller that comes back. Raises OSError.
    """
    lines, stored = result.last_lines.splitlines(), [asdict(item) for item in result.stored]
    known = {name: value for name, value in asdict(result.measured).items() if value is not None}
    left = [asdict(item) | {"paths": item.paths[:1]} for item in result.left]
    while True:
        word = json.dumps(
            {
                "why": result.why,
                "cause": result.cause,
                "succeeded": list(succeeded),
                "last_lines": "\n".join(lines),
                "stored": stored,
                **({"left": left} if left else {}),
                **({"measured": known} if known else {}),
            }
        )
        if len(word) <= MOST_BYTES or not (lines or stored or left):
            break
        if len(lines) > FEW_LINES:
            lines = lines[1:]
        elif stored:
            stored = []  # half of it would be taken for all
        elif lines:
            lines = lines[1:]
        else:
            left = left[:-1]
    TERMINATION_LOG.write_text(word[:MOST_BYTES])
