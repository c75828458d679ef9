"""The connection to an S3 server: the client, its threads, and words for what it raises."""

from __future__ import annotations

import os
import posixpath
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import boto3
import botocore.session
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError
from s3transfer.exceptions import RetriesExceededError
from snakemake_interface_common.exceptions import WorkflowError

from byok8s.worker.boto import quicken, send_small_at_once
from snakemake_storage_plugin_byok8s.credentials import follow_file
from snakemake_storage_plugin_byok8s.patience import Patience
from snakemake_storage_plugin_byok8s.shortcut import Shortcut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from logging import Logger

# The checksums that boto makes since 1.36 are stored as a part of the file by some S3 servers, as the S3 plugin says:
# https://github.com/boto/boto3/issues/4435
os.environ["AWS_REQUEST_CHECKSUM_CALCULATION"] = "when_required"
os.environ["AWS_RESPONSE_CHECKSUM_VALIDATION"] = "when_required"

DEFAULT_REGION: Final = "us-east-1"
_THREADS: Final = 16
_USER_AGENT: Final = "byok8s"  # botocore builds its own again for each request: a sixth of its work
_CONNECT_S: Final = 10
_OPENED_AHEAD: Final = 2  # few jobs have more than an output and a log
_CONNECT_AHEAD_S: Final = 2
_STALE_S: Final = 30
_KEYS: Final = "Check the access key and the secret key, and that they are for this server."
_REACH: Final = "The endpoint cannot be reached: check its address, DNS, VPN and firewall."
_HINTS: Final = {
    "NoSuchBucket": "There is no such bucket: check name and endpoint, or create it; byok8s never does.",
    "AccessDenied": "Access is denied: needed are s3:ListBucket and s3:Get-, s3:Put-, s3:DeleteObject.",
    "InvalidAccessKeyId": _KEYS,
    "SignatureDoesNotMatch": _KEYS,
    "NoCredentialsError": "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile.",
    "ExpiredToken": "The credentials have expired: get new ones and start again.",
    "RequestTimeTooSkewed": "The clock of this machine is wrong: set it.",
    "EndpointConnectionError": _REACH,
    "ConnectTimeoutError": _REACH,
}


@dataclass(frozen=True)
class ServerSettings:
    """What a connection takes of the S3 plugin's settings, which are as good. None: what boto takes by itself."""

    endpoint_url: str | None = None
    region: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    signature_version: str | None = None
    retries: int = 5


class StorageError(WorkflowError):  # type: ignore[misc]
    """S3 has refused or failed a request, or cannot be reached.

    operation, address: what was asked, of which s3://bucket/key. server: its address. code: S3's or botocore's name of
    what went wrong. words: what it says of it.
    """

    def __init__(self, operation: str, address: str, server: str, code: str, words: str) -> None:
        self.operation, self.address, self.server, self.code, self.words = (
            operation,
            address,
            server,
            code,
            words,
        )
        message = f"{operation} of {address} at {server} failed: {code}: {words.rstrip('.')}."
        super().__init__(f"{message} {_HINTS.get(code, '')}".rstrip())


def _session(*credentials: str | None) -> boto3.Session:
    """credentials: access key, secret key, token and region, as boto's Session takes them."""
    core = botocore.session.get_session()
    quicken(core)
    if not any(credentials[:2]):
        follow_file(core)
    return boto3.Session(*credentials, botocore_session=core)


def warm_up() -> None:
    """Read now what the first client would. Keys are given, or boto would look for some: on EC2 that is a request."""
    _session("none", "none", None, DEFAULT_REGION).resource("s3")


class Connection:
    """To one server, with the credentials of the settings.

    resource, client: boto3's. shortcut: for what is asked of many files. All of them wait for a server that is away for
    a while. forks: whether this process is forked later on, which not all ways to send requests outlive.
    """

    def __init__(self, settings: ServerSettings, logger: Logger, *, forks: bool = False) -> None:
        self.server = "S3"
        config = Config(
            signature_version=settings.signature_version,
            retries={"max_attempts": settings.retries, "mode": "standard"},
            connect_timeout=_CONNECT_S,
            max_pool_connections=10 * _THREADS,  # boto's transfer of one file may use ten
            user_agent=_USER_AGENT,
        )
        with self.explained("connection", "s3://"):
            session = _session(settings.access_key, settings.secret_key, settings.token, settings.region)
            region = session.region_name or DEFAULT_REGION
            self.resource: Any = session.resource(
                "s3", region, endpoint_url=settings.endpoint_url, config=config
            )
            self.client: Any = self.resource.meta.client
        self.server = self.client.meta.endpoint_url
        self._ahead: list[socket.socket] = []
        self._opened_ahead_at = 0.0
        self.client.meta.events.register_last("before-call.s3", send_small_at_once)
        self.client.meta.events.register_last("after-call.s3.DeleteObject", _gone_is_removed)
        self._patience = Patience(self.server, logger.warning)
        self._patience.attach(self.client)
        self.shortcut = Shortcut(
            self.client, session.get_credentials, self._patience.answered, common_runtime=not forks
        )

    def on_outage(self, tell: Callable[[str], None]) -> None:
        """Have it told why the server is away, once that lasts, and nothing when it is back: by any thread."""
        self._patience.on_outage = tell

    @contextmanager
    def pool(self) -> Iterator[ThreadPoolExecutor]:
        """Threads for requests. After Ctrl-C none of them waits for a server that is away."""
        with ThreadPoolExecutor(_THREADS) as pool:
            try:
                yield pool
            except KeyboardInterrupt:
                self._patience.end()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def open_ahead(self, bucket: str) -> None:
        """Connect to the server of a bucket without asking it anything, so that the next request need not wait.

        Neither boto3 nor botocore has a call for this, so names of theirs are used that are private. Raises whatever
        comes of that, and what connecting raises; the connection is usable all the same.
        """
        url = self.client.generate_presigned_url("head_bucket", {"Bucket": bucket})
        session = self.client._endpoint.http_session
        if session._proxy_config.proxy_url_for(url):
            return
        pool = session._manager.connection_from_url(url)
        session._setup_ssl_cert(pool, url, session._verify)
        opened = [pool._get_conn() for _ in range(_OPENED_AHEAD)]
        for connection in opened:
            connection.timeout = _CONNECT_AHEAD_S
            connection.connect()
            connection.sock.settimeout(_CONNECT_S)
            pool._put_conn(connection)
        self._ahead, self._opened_ahead_at = [connection.sock for connection in opened], time.monotonic()

    def use_ahead(self) -> None:
        """Make what was opened ahead usable. To be called just before the first request.

        What is old is closed: a router on the way may have forgotten it without a word. Of what is new, the tickets are
        read that a server sends after a TLS handshake: urllib3 takes a connection for broken when there is something to
        read from it before a request.
        """
        if time.monotonic() - self._opened_ahead_at > _STALE_S:
            self.client.close()  # which also serves afterwards, by new connections
            return
        for sock in self._ahead:
            if isinstance(sock, ssl.SSLSocket):
                sock.settimeout(0)
                with suppress(OSError):
                    sock.recv(1)
                sock.settimeout(_CONNECT_S)

    @contextmanager
    def explained(self, operation: str, address: str) -> Iterator[None]:
        """Turn what boto raises into a StorageError, which says what was asked, of whom, and what to do."""
        try:
            yield
        except (ClientError, BotoCoreError, Boto3Error, RetriesExceededError) as error:
            cause = _cause(error)
            code, words = type(cause).__name__, str(cause)
            if isinstance(cause, ClientError):
                code, words = _answer(cause)
            elif isinstance(cause, EndpointConnectionError) and (inner := cause.kwargs.get("error")):
                # botocore says only where to; why is in what it wraps
                words = f"{words} ({str(inner).rpartition(': ')[2]})"
            if code in ("400", "403"):
                code, words = self._reason(address, code)
            raise StorageError(operation, address, self.server, code, words) from error

    def _reason(self, address: str, status: str) -> tuple[str, str]:
        """Why a HEAD was refused: its answer has no body, that of a listing has."""
        bucket, key = split(address)
        try:
            self.client.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
        except ClientError as error:
            return _answer(error)
        return "AccessDenied" if status == "403" else status, f"HTTP status {status}"


def _gone_is_removed(http_response: Any, parsed: dict[str, Any], **_: object) -> None:
    """Take an object that is not there for removed, as S3 does; Google Cloud Storage answers with an error.

    The status is what botocore goes by; it changes that itself for errors that come with another one.
    """
    if parsed.get("Error", {}).get("Code") == "NoSuchKey":
        http_response.status_code = 204


def split(query: str) -> tuple[str, str]:
    """Bucket and key of s3://bucket/key; urlparse would cut a key at its first "?" or "#"."""
    bucket, _, key = query.removeprefix("s3://").partition("/")
    return bucket, posixpath.normpath(f"/{key}").lstrip("/")


def _cause(error: Exception) -> BaseException:
    if isinstance(error, RetriesExceededError):
        last: Exception | None = error.last_exception
        return last or error
    # of what an upload raised boto3 keeps only the words
    return error.__context__ if isinstance(error, Boto3Error) and error.__context__ else error


def _answer(error: ClientError) -> tuple[str, str]:
    answer = error.response["Error"]
    return str(answer.get("Code", "")), str(answer.get("Message", ""))
