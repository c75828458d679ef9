"""What was looked at, and what it looks like. Values only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from byok8s.errors import Byok8sError


class CheckStatus(Enum):
    """The value is the word that people and machines read."""

    OK = "ok"
    WARNING = "warning"  # a run would start in spite of it
    FAILED = "failed"  # no run would work
    SKIPPED = "not looked at"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    seen: what was found, or why it was not looked at. fix: the command or line that fixes it; empty if there is
    nothing to fix.
    """

    name: str
    status: CheckStatus
    seen: str
    fix: str = ""


@dataclass(frozen=True)
class Field:
    """Checks that belong together. key: for machines. title: for people."""

    key: str
    title: str
    checks: Sequence[Check]


@dataclass(frozen=True)
class Report:
    """All that was looked at."""

    fields: Sequence[Field]

    @property
    def would_work(self) -> bool:
        return not any(any_failed(field.checks) for field in self.fields)


def ok(name: str, seen: str) -> Check:
    return Check(name, CheckStatus.OK, seen)


def warning(name: str, seen: str, fix: str = "") -> Check:
    return Check(name, CheckStatus.WARNING, seen, fix)


def failed(name: str, seen: str, fix: str = "") -> Check:
    return Check(name, CheckStatus.FAILED, seen, fix)


def skipped(name: str, why: str) -> Check:
    return Check(name, CheckStatus.SKIPPED, why)


def of_error(name: str, error: Byok8sError, status: CheckStatus = CheckStatus.FAILED) -> Check:
    """Return the check that found what an error says."""
    return Check(name, status, f"{error.what} {error.where}".strip(), error.hint)


def all_skipped(names: Sequence[str], why: str) -> list[Check]:
    return [skipped(name, why) for name in names]


def any_failed(checks: Sequence[Check]) -> bool:
    return any(check.status is CheckStatus.FAILED for check in checks)
