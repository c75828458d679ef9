"""Why a job failed, from what the container and errors show. Names are those of byok8s.pods.cause.

What a job prints itself is no evidence: a program that says "AccessDenied" may mean anything. It is only pointed at.
"""

from __future__ import annotations

import os
import re
import signal
from contextlib import suppress
from pathlib import Path

# how often the kernel has killed for memory in this container: cgroup v2, then v1
OOM_COUNTERS = (Path("/sys/fs/cgroup/memory.events"), Path("/sys/fs/cgroup/memory/memory.oom_control"))
# the most that was in use at once, and the limit, in bytes; the first since Linux 5.19
MEMORY = (
    (Path("/sys/fs/cgroup/memory.peak"), Path("/sys/fs/cgroup/memory.max")),
    (
        Path("/sys/fs/cgroup/memory/memory.max_usage_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
    ),
)
MB = 1_000_000
# a file system of which less is free, by either, is full: what did not fit may have been larger, or is removed by now
NEARLY_FULL_BYTES, NEARLY_FULL_SHARE = 64 * MB, 0.05
DISK_WORDS = re.compile(r"No space left on device|Disk quota exceeded")

# In a job's own words, and so a hint at most
SPOKEN_OF = re.compile(
    r"No space left on device|Disk quota exceeded|Cannot allocate memory|MemoryError|std::bad_alloc|OutOfMemoryError"
    r"|Temporary failure in name resolution|Name or service not known|Could not resolve host"
    r"|AccessDenied|Access Denied|NoSuchBucket|SlowDown|RequestTimeTooSkewed|Permission denied|ModuleNotFoundError"
)
EXIT_CODES = {
    126: "a command that cannot be run, being no program or not executable",
    127: "a command that is not found",
    141: "a program wrote into a pipe whose reader had ended, as `| head` does, which counts under pipefail (SIGPIPE)",
}
# what a code means if the command has this program in it
OF_PROGRAMS = {
    (1, "grep"): "grep, also grep -c, ends so if nothing matches",
    (1, "diff"): "diff ends so if the files differ",
    (1, "cmp"): "cmp ends so if the files differ",
    (124, "timeout"): "timeout has ended it",
}
SIGNALS = {"SIGKILL": ", as kill -9 does, and the kernel if memory is short"}
FATAL_SIGNALS = frozenset(
    {"SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGKILL", "SIGSEGV", "SIGTERM", "SIGXCPU", "SIGXFSZ"}
)

_S3_CODES = {
    "s3-denied": {
        *("AccessDenied", "AllAccessDisabled", "Forbidden", "Unauthorized", "401", "403"),
        *(
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "InvalidToken",
            "ExpiredToken",
            "ExpiredTokenException",
        ),
        *("NoCredentialsError", "PartialCredentialsError", "TokenRetrievalError", "CredentialRetrievalError"),
    },
    "s3-no-bucket": {"NoSuchBucket"},
    "s3-throttled": {
        *("SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests"),
        *("ServiceUnavailable", "BandwidthLimitExceeded", "429", "503"),
    },
    "s3-clock-skew": {"RequestTimeTooSkewed", "RequestExpired"},
    "missing-input": {"NoSuchKey", "404"},
    "s3-unreachable": {
        *("EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError"),
        *("ConnectionError", "ProxyConnectionError", "SSLError", "HTTPClientError", "ResponseStreamingError"),
        *("IncompleteReadError", "InternalError", "RequestTimeout", "500", "502", "504"),
    },
}
_S3_SAID = {
    "s3-denied": "S3 denied access",
    "s3-no-bucket": "there is no such bucket",
    "s3-throttled": "S3 asks for fewer requests",
    "s3-clock-skew": "the clock of the node is wrong, says S3",
    "s3-unreachable": "S3 cannot be reached, or failed",
    "missing-input": "an input is not in the bucket",
    "dns": "the name of the S3 server does not resolve in the pod",
}
_NO_NAME = re.compile(
    r"name resolution|Name or service not known|Could not resolve host|Failed to resolve|nodename nor servname"
    r"|No address associated with hostname"
)


def storage(error: BaseException) -> tuple[str, str] | None:
    """Return words and name of a failure to store or fetch; None for any other error."""
    try:
        from snakemake_storage_plugin_byok8s.connection import StorageError
        from snakemake_storage_plugin_byok8s.tree import Unstorable
    except ImportError:
        return None
    if isinstance(error, Unstorable):
        return str(error).rstrip("."), "unfit-output"
    if not isinstance(error, StorageError):
        return None
    slug = next((slug for slug, codes in _S3_CODES.items() if error.code in codes), "")
    if slug == "s3-unreachable" and _NO_NAME.search(error.words):
        slug = "dns"
    said = _S3_SAID.get(slug, "S3 has failed")
    return (
        f"{said}: {error.operation} of {error.address} at {error.server}: {error.code}",
        slug or "exit-code",
    )


def exit_code(code: int, command: str = "") -> tuple[str, str]:
    """Words and name of a command's exit code. A shell says by 128 and more that a signal has killed what it ran.

    command: what has ended so; a program in it may have a meaning for its codes.
    """
    with suppress(ValueError):
        if code > 128 and (name := signal.Signals(code - 128).name) in FATAL_SIGNALS:
            return f"exit code {code}: a program in it was killed by {name}{SIGNALS.get(name, '')}", "signal"
    of = EXIT_CODES.get(code) or next(
        (
            words
            for (number, program), words in OF_PROGRAMS.items()
            if number == code and re.search(rf"(?<![\w./-])(?:/\S*/)?{program}(?![\w./-])", command)
        ),
        "",
    )
    return f"exit code {code}" + (f": {of}" if of else ""), "exit-code"


def spoken_of(last_lines: str) -> str:
    """Quote what the job itself says that may be the reason, to be added to other words; or return nothing."""
    found = [match[0] for match in SPOKEN_OF.finditer(last_lines)]
    return f'; its log speaks of "{found[-1]}"' if found else ""


def full_disk(*folders: Path) -> str:
    """Words for the first of these folders whose file system is full, or nearly; nothing where none is."""
    for folder in folders:
        with suppress(OSError):
            disk = os.statvfs(folder)
            free, size = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
            if size and free < min(NEARLY_FULL_BYTES, size * NEARLY_FULL_SHARE):
                return f"{free // MB} MB of {size // MB} MB are free at {folder}"
            if disk.f_files and not disk.f_favail:
                return f"no more files can be made at {folder}"
    return ""


def oom_kills() -> int:
    for counter in OOM_COUNTERS:
        with suppress(OSError):
            for row in counter.read_text().splitlines():
                name, _, number = row.partition(" ")
                if name == "oom_kill":
                    return int(number)
    return 0


def memory() -> str:
    """`used 512 MB of 512 MB`, once the kernel has killed for memory; nothing where the limit is not known.

    It is the most that the container has used since it started, its page cache included: an earlier job of the same
    worker may have used it. But what is killed for memory has found all of it in use.
    """
    for peak, limit in MEMORY:
        with suppress(OSError, ValueError):
            most = f"{round(int(limit.read_text()) / MB)} MB"
            with suppress(OSError):
                return f"used {round(int(peak.read_text()) / MB)} MB of {most}"
            return f"used all of its {most}"
    return ""
