"""What was written by somebody else, made safe to show: a terminal obeys what it is told in the middle of a text.

Last lines of jobs, names of files, the words of a lock and of an annotation: all go through here, once, just before
they are shown, wherever they came from.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from logging import LogRecord, makeLogRecord

# Control characters but for the end of a line and the tab; and those that change the order in which text is shown
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


# Snakemake's kinds of messages about a job: its announcement, its failure, its command
_OF_JOBS = ("job_", "group_", "shellcmd")
_OF_FAILURES = ("job_error", "group_error")
LINE_LENGTH = 1000  # more than what is shown of a job with some ten files
MOST_FILES = 6  # of the inputs and of the outputs of a job that has failed


def shortened(text: str) -> str:
    """Return the text with each long line cut, at the end of a file's name if it lists some, and what is left out."""
    if len(text) <= LINE_LENGTH:
        return text
    return "\n".join(map(_shortened, text.split("\n")))


def _shortened(line: str) -> str:
    if len(line) <= LINE_LENGTH:
        return line
    shown, comma, _ = line[:LINE_LENGTH].rpartition(", ")
    if comma and len(shown) > LINE_LENGTH // 2:
        return f"{shown}, ... and {line.count(', ', len(shown))} more"
    return f"{line[:LINE_LENGTH]} ... and {len(line) - LINE_LENGTH} more characters"


def _with_fewer_files(record: LogRecord) -> LogRecord:
    """Return what is said of a failed job or group with few of its files, and of anything else the same."""
    facts = vars(record)
    if str(facts.get("event", "")) not in _OF_FAILURES:
        return record
    members = [_fewer(member) for member in facts.get("job_error_info", ())]  # of a group
    return makeLogRecord(_fewer(facts) | ({"job_error_info": members} if members else {}))


def _fewer(facts: Mapping[str, object]) -> dict[str, object]:
    return dict(facts) | {
        name: _few(files) for name in ("input", "output") if isinstance(files := facts.get(name), list)
    }


def _few(files: Sequence[str]) -> list[str]:
    rest = len(files) - MOST_FILES
    return [*files[:MOST_FILES], f"... and {rest} more"] if rest > 0 else list(files)


def visible(text: str) -> str:
    """Return the text with each character that a terminal would obey written out, as \\x1b."""
    return _OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def guard_snakemake() -> None:
    """Have Snakemake show, and write into its log, what it is told in the same way. Its own colours come later.

    What it says of a job is shortened: a rule that gathers has thousands of inputs, which Snakemake puts into one line.
    Of one that has failed fewer are named, as it is in the midst of other words.
    """
    from snakemake.logging import DefaultFormatter

    format_ = DefaultFormatter.format
    if hasattr(format_, "__wrapped__"):
        return

    @functools.wraps(format_)
    def safely(self: DefaultFormatter, record: LogRecord) -> object:
        words = format_(self, _with_fewer_files(record))
        if not isinstance(words, str):
            return words
        of_a_job = str(getattr(record, "event", "")).startswith(_OF_JOBS)
        return visible(shortened(words) if of_a_job else words)

    DefaultFormatter.format = safely
