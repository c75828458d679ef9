"""Kubernetes' quantities: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/"""

from __future__ import annotations

import re

from byok8s.kube.objects import Json

FACTORS = {
    "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60,
}  # fmt: skip
NUMBER = re.compile(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([A-Za-z]*)")
BYTES = frozenset({"memory", "ephemeral-storage"})


def quantity(written: Json) -> float:
    """In the resource's own unit: cores, bytes, pieces. Raises ValueError for what is no quantity."""
    found = NUMBER.fullmatch(str(written).strip())
    if not found or found[2] not in FACTORS:
        raise ValueError(f"{written!r} is no quantity")
    return float(found[1]) * FACTORS[found[2]]


def words(resource: str, amount: float) -> str:
    """An amount of a resource, for people."""
    if resource == "cpu":
        return f"{_number(amount)} CPU"
    if resource in BYTES:
        return f"{_number(amount / 1e9)} GB of {'memory' if resource == 'memory' else 'disk'}"
    return f"{_number(amount)} {resource}"


def _number(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 100 else f"{amount:.3g}"
