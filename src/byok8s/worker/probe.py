"""What a pod sees, for `byok8s doctor`: programs, names, the way to the bucket and what is allowed there, clock, disk.

It is left in the container's termination message, so that it comes with the pod's status. Each part is bounded in
time, as what is looked for here are things that do not answer.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from email.utils import parsedate_to_datetime
from importlib import metadata
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from byok8s.worker import claim_cache, job_folder
from byok8s.worker.termination import TERMINATION_LOG

CLUSTER_NAME = "kubernetes.default.svc"  # in every cluster, whatever its domain
LOOK_UP_SECONDS = 5.0
CONNECT_SECONDS = 4
SHOWN_CHARACTERS = 200  # of each message: a termination message has room for 4096 bytes
OPERATIONS = ("list", "put", "get", "delete")


@dataclass(frozen=True)
class Seen:
    """What one pod sees.

    python, snakemake: versions; snakemake is empty if there is none. machine: as `uname -m` has it. user: its
    number. free_mb: of the working folder. host: that S3 requests go to, the S3 server or a proxy; empty if no
    bucket was to be looked at. addresses: of the names that resolve. unresolved: why others do not. route: why no
    connection to `host` can be made. refused: by the operation, one of OPERATIONS, what S3 or its client says; an
    operation in neither `refused` nor `done` was not tried. clock, s3_clock: seconds since 1970, at the same moment;
    s3_clock is None if no S3 server has told its own. claim: why nothing can be kept on the volume of --cache, None if
    there is none.
    """

    python: str
    snakemake: str
    machine: str
    user: int
    free_mb: int
    host: str = ""
    addresses: Mapping[str, str] = field(default_factory=dict)
    unresolved: Mapping[str, str] = field(default_factory=dict)
    route: str = ""
    done: Sequence[str] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    clock: float = 0.0
    s3_clock: float | None = None
    claim: str | None = None


def main(bucket: str, key: str) -> int:
    """bucket: its name, empty for none. key: of an object that is put there for a moment; empty to put none."""
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    TERMINATION_LOG.write_text(json.dumps(asdict(look(bucket, key, ending))))
    return 0


def look(bucket: str, key: str, ending: threading.Event) -> Seen:
    """ending: set when the pod is told to end. What is under way comes to its end: a put that is given up may arrive
    after its delete.
    """
    plugins = job_folder.bring_plugins()
    sys.path.append(str(plugins))
    seen: dict[str, Any] = {
        "python": platform.python_version(),
        "snakemake": _version("snakemake"),
        "machine": platform.machine(),
        "user": os.getuid(),
        "free_mb": shutil.disk_usage(job_folder.WORK).free // 1_000_000,
        "clock": time.time(),
    }
    if claim := claim_cache.mounted():
        seen["claim"] = claim.fault()[:SHOWN_CHARACTERS]
    if not bucket:
        return Seen(**seen | _look_up([CLUSTER_NAME]))
    try:
        client = _client()
    except Exception as error:  # noqa: BLE001 - whatever it is, jobs would meet it too
        return Seen(**seen | _look_up([CLUSTER_NAME]), refused={"list": _words(error)})
    host, port = _target(client.meta.endpoint_url)
    seen |= {"host": host} | _look_up([CLUSTER_NAME, host])
    if host in seen["unresolved"]:
        return Seen(**seen)
    seen["route"] = _route(host, port)
    if seen["route"] or not key:
        return Seen(**seen)
    return Seen(**seen | _try_bucket(client, bucket, key, ending))


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _client() -> Any:
    """As the storage plugin makes it, but for its patience."""
    import boto3
    from botocore.config import Config

    # some S3 servers keep the checksums that newer boto3 adds as part of the file
    os.environ.setdefault("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    config = Config(
        connect_timeout=CONNECT_SECONDS, read_timeout=CONNECT_SECONDS, retries={"total_max_attempts": 1}
    )
    session = boto3.Session()
    return session.client("s3", session.region_name or "us-east-1", config=config)


def _target(endpoint_url: str) -> tuple[str, int]:
    """Host and port that requests go to: the server's, or a proxy's."""
    url = urlsplit(endpoint_url)
    proxy = getproxies().get(url.scheme)
    if proxy and not proxy_bypass(url.hostname or ""):
        url = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    return url.hostname or "", url.port or (443 if url.scheme == "https" else 80)


def _look_up(hosts: Sequence[str]) -> dict[str, Any]:
    """Side by side: a resolver that gets no answer asks for a long time, and cannot be told to stop."""
    found: dict[str, str] = {}
    faults = dict.fromkeys(hosts, f"no answer within {LOOK_UP_SECONDS:.0f} s")

    def look_up(host: str) -> None:
        try:
            found[host] = str(socket.getaddrinfo(host, None)[0][4][0])
        except OSError as error:
            faults[host] = _words(error)

    threads = [threading.Thread(target=look_up, args=(host,), daemon=True) for host in hosts]
    for thread in threads:
        thread.start()
    until = time.monotonic() + LOOK_UP_SECONDS
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    addresses = dict(found)
    return {
        "addresses": addresses,
        "unresolved": {host: why for host, why in faults.items() if host not in addresses},
    }


def _route(host: str, port: int) -> str:
    """Why there is none; nothing if there is one."""
    try:
        socket.create_connection((host, port), CONNECT_SECONDS).close()
    except OSError as error:
        return f"{host}:{port}: {_words(error)}"
    return ""


def _try_bucket(client: Any, bucket: str, key: str, ending: threading.Event) -> dict[str, Any]:
    """The operations that jobs use. What was put is deleted."""
    of = {"Bucket": bucket, "Key": key}
    tries: dict[str, Callable[[], Any]] = {
        "list": lambda: client.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1),
        "put": lambda: client.put_object(**of, Body=b"byok8s doctor"),
        "get": lambda: client.get_object(**of)["Body"].read(),
        "delete": lambda: client.delete_object(**of),
    }
    clocks: list[tuple[float, float]] = []
    client.meta.events.register(
        "after-call.s3", lambda http_response, **_: _note(clocks, http_response.headers)
    )
    done: list[str] = []
    refused: dict[str, str] = {}
    for operation in OPERATIONS:
        if (operation in {"get", "delete"} and "put" not in done) or (
            operation != "delete" and ending.is_set()
        ):
            continue
        try:
            tries[operation]()
            done.append(operation)
        except Exception as error:  # noqa: BLE001 - botocore's, urllib3's, and its credential providers' own
            refused[operation] = _words(error)
    found: dict[str, Any] = {"done": done, "refused": refused}
    if clocks:
        found |= {"clock": clocks[-1][0], "s3_clock": clocks[-1][1]}
    return found


def _note(clocks: list[tuple[float, float]], headers: Mapping[str, str]) -> None:
    if date := headers.get("date"):
        clocks.append((time.time(), parsedate_to_datetime(date).timestamp()))


def _words(error: BaseException) -> str:
    answer = getattr(error, "response", None)
    if isinstance(answer, dict):  # of botocore's ClientError
        said = answer.get("Error", {})
        words = f"{said.get('Code', '')}: {said.get('Message', '')}".rstrip(": ")
    else:
        words = (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__
    return words[:SHOWN_CHARACTERS]
