"""What a run costs, by a price table that the user gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from byok8s.errors import InputError
from byok8s.report.workers import Worker

HOUR_MS: Final = 3_600_000
GB: Final = 1000  # MB
EXAMPLE: Final = "{currency: EUR, core_hour: 0.04, gb_hour: 0.005}"
MOST_BYTES: Final = 64 * 1024


@dataclass(frozen=True)
class Prices:
    """Of a core and of a GB (1000 MB) of memory, for an hour."""

    currency: str
    core_hour: float
    gb_hour: float

    def of(self, hours: Hours) -> float:
        return hours.cores * self.core_hour + hours.gb * self.gb_hour


@dataclass(frozen=True)
class Hours:
    """Core-hours and GB-hours."""

    cores: float = 0.0
    gb: float = 0.0


@dataclass(frozen=True)
class Reserved:
    """What workers have kept of nodes, from when a node took them to their end.

    starting: until their first job. unknown: workers of which it is not recorded how large they were.
    """

    whole: Hours
    starting: Hours
    busy: Hours
    idle: Hours
    unknown: int

    @property
    def idle_share(self) -> float | None:
        return self.idle.cores / self.whole.cores if self.whole.cores else None


def reserved(workers: list[Worker]) -> Reserved:
    known = [each for each in workers if each.threads is not None]
    return Reserved(
        _hours(known, [each.gone - each.scheduled for each in known]),
        _hours(known, [each.ready - each.scheduled for each in known]),
        _hours(known, [min(each.busy, each.gone - each.ready) for each in known]),
        _hours(known, [each.idle for each in known]),
        len(workers) - len(known),
    )


def _hours(workers: list[Worker], spans: list[int]) -> Hours:
    pairs = list(zip(workers, spans, strict=True))
    return Hours(
        sum((each.threads or 0) * span for each, span in pairs) / HOUR_MS,
        sum((each.mem_mb or 0) * span for each, span in pairs) / HOUR_MS / GB,
    )


def read(path: Path) -> Prices:
    """Return the prices in a JSON or YAML file. Raises InputError."""
    import yaml

    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        found = yaml.safe_load(data) if len(data) <= MOST_BYTES else None
    except OSError as error:
        raise InputError("The price table cannot be read.", where=str(error)) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError("The price table is neither JSON nor YAML.", where=f"{path}: {error}") from error
    return _checked(found, path)


def _checked(found: object, path: Path) -> Prices:
    if not isinstance(found, dict) or set(found) - {"currency", "core_hour", "gb_hour"}:
        raise _wrong(path, "It holds currency, core_hour and gb_hour, and nothing else.")
    prices = {name: found.get(name, 0) for name in ("core_hour", "gb_hour")}
    for name, price in prices.items():
        if isinstance(price, bool) or not isinstance(price, int | float) or not 0 <= price < float("inf"):
            raise _wrong(path, f"{name} is {price!r}, and not a number from 0 up.")
    if not any(prices.values()):
        raise _wrong(path, "It names no price.")
    currency = found.get("currency", "")
    if not isinstance(currency, str) or len(currency) > 20:
        raise _wrong(path, "currency is a short text, as EUR.")
    return Prices(currency, float(prices["core_hour"]), float(prices["gb_hour"]))


def _wrong(path: Path, why: str) -> InputError:
    return InputError(
        f"The price table cannot be used. {why}", where=f"In {path}.", hint=f"Write as in {EXAMPLE}"
    )
