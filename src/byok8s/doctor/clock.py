"""Clocks that differ. Seconds in, a check out."""

from __future__ import annotations

from byok8s.doctor.check import Check, failed, ok, warning

NAME = "clock"
# The Date of an answer is to the second, and it was on its way
UNREMARKABLE_SECONDS = 5.0
# S3 refuses what was signed longer ago, or later: RequestTimeTooSkewed,
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
S3_SECONDS = 900.0


def of_s3(ahead: float, whose: str, set_it: str) -> Check:
    """ahead: seconds by which the clock is ahead of the S3 server's; whose: in words. set_it: what fixes it."""
    if abs(ahead) >= S3_SECONDS:
        return failed(NAME, f"{_words(ahead, whose)} S3's: S3 refuses 15 minutes", f"{set_it}, as by NTP.")
    return _small(ahead, whose, "S3's", set_it)


def of_api(ahead: float) -> Check:
    """ahead: seconds by which this machine's clock is ahead of the API server's. A run works by the latter."""
    return _small(ahead, "this machine's clock", "the API server's", "Set this machine's clock")


def _small(ahead: float, whose: str, of: str, set_it: str) -> Check:
    if abs(ahead) <= UNREMARKABLE_SECONDS:
        return ok(NAME, f"{whose} and {of} agree")
    return warning(NAME, f"{_words(ahead, whose)} {of}", f"{set_it}, as by NTP.")


def _words(ahead: float, whose: str) -> str:
    by = f"{abs(ahead):.0f} s" if abs(ahead) < 120 else f"{abs(ahead) / 60:.0f} min"
    return f"{whose} is {by} {'ahead of' if ahead > 0 else 'behind'}"
