"""Where the bucket is and who we are there: values, and the boto3 client made from them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Protocol, TypedDict

from byok8s.errors import BucketError, InputError
from byok8s.worker.boto import quicken, send_small_at_once

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from boto3.s3.transfer import TransferConfig

# the environment variables of AWS's own tools, which every S3 library reads
KEY_VARIABLES: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_DEFAULT_REGION: Final = "us-east-1"
_NAMING_RULES: Final = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"


class ListedObject(TypedDict):
    """One object in an answer of ListObjectsV2."""

    Key: str
    Size: int
    LastModified: datetime
    ETag: str


class Body(Protocol):
    def read(self) -> bytes: ...


class Answer(TypedDict):
    """What botocore tells of any answer; the names of headers are in lower case."""

    HTTPHeaders: dict[str, str]


class ListedPrefix(TypedDict):
    """What the keys of several objects have in common, up to a delimiter."""

    Prefix: str


class ListedUpload(TypedDict):
    """One upload by parts in an answer of ListMultipartUploads."""

    Key: str
    UploadId: str
    Initiated: datetime


class Listing(TypedDict, total=False):
    """What we read of an answer of ListObjectsV2 or ListMultipartUploads; a list is absent where nothing was found."""

    Contents: list[ListedObject]
    CommonPrefixes: list[ListedPrefix]
    Uploads: list[ListedUpload]
    ResponseMetadata: Answer


class StoredObject(TypedDict):
    """What we read of an answer of GetObject."""

    Body: Body
    ContentLength: int
    LastModified: datetime
    ETag: str
    ResponseMetadata: Answer


class Upload(TypedDict):
    """What we read of an answer of CreateMultipartUpload."""

    UploadId: str


class UploadedPart(TypedDict):
    """What we read of an answer of UploadPart."""

    ETag: str


class Paginator(Protocol):
    def paginate(self, **request: str) -> Iterable[Listing]: ...


class S3Client(Protocol):
    """The calls of a boto3 S3 client that are used outside the storage plugin, by S3's own argument names."""

    def list_objects_v2(self, **request: str | int) -> Listing: ...

    def get_paginator(self, operation_name: str) -> Paginator: ...

    def download_file(self, bucket: str, key: str, filename: str, *, Config: TransferConfig) -> None: ...  # noqa: N803

    def create_bucket(self, **request: str) -> Mapping[str, object]: ...

    def put_object(self, **request: str | bytes | BinaryIO) -> Mapping[str, object]: ...

    def get_object(self, **request: str) -> StoredObject: ...

    def delete_object(self, **request: str) -> Mapping[str, object]: ...

    def create_multipart_upload(self, **request: str) -> Upload: ...

    def upload_part(self, **request: str | int | bytes) -> UploadedPart: ...

    def complete_multipart_upload(self, **request: str | Mapping[str, object]) -> Mapping[str, object]: ...

    def abort_multipart_upload(self, **request: str) -> Mapping[str, object]: ...


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket and the prefix in it that a run works under.

    name: the bucket's name.
    prefix: keys start with it, without slashes at its ends; empty for the whole bucket.
    endpoint_url: the S3 server, such as http://minio:9000; None means AWS, or what AWS_ENDPOINT_URL says.
    """

    name: str
    prefix: str = ""
    endpoint_url: str | None = None

    @classmethod
    def parse(cls, text: str, endpoint_url: str | None = None) -> Bucket:
        """Read `my-bucket/some/prefix` or `s3://my-bucket/some/prefix`.

        Raises InputError when the name breaks S3's naming rules, when the prefix has a part that Snakemake's
        storage would change (`.`, `..`, an empty part) or read as a wildcard (`{`, `}`), or when endpoint_url
        is no http(s) address. The alias of an access point (`…-s3alias`) is accepted: S3 takes it wherever it
        takes a bucket's name.
        """
        name, _, prefix = text.removeprefix("s3://").partition("/")
        prefix = prefix.strip("/")
        problem = _name_problem(name) or _prefix_problem(prefix)
        if problem:
            raise InputError(
                f"The bucket '{text}' cannot be used: {problem}.",
                hint=f"Write it as my-bucket or my-bucket/some/prefix. The rules for names: {_NAMING_RULES}",
            )
        if endpoint_url is not None:
            _check_endpoint(endpoint_url)
        return cls(name, prefix, endpoint_url or None)

    @property
    def url(self) -> str:
        """`s3://my-bucket/some/prefix`, as Snakemake's --default-storage-prefix takes it."""
        return f"s3://{self.name}/{self.prefix}".rstrip("/")

    @property
    def server(self) -> str:
        """The server in words for messages."""
        return self.endpoint_url or os.environ.get("AWS_ENDPOINT_URL") or "AWS S3"


def _name_problem(name: str) -> str:
    shape = r"[a-z0-9][a-z0-9.-]*[a-z0-9]"
    rules = (
        (not name, "it has no name"),
        (not 3 <= len(name) <= 63, f"the name '{name}' has {len(name)} characters, S3 wants 3 to 63"),
        (name != name.lower(), f"the name '{name}' has upper-case letters"),
        (
            not re.fullmatch(r"[a-z0-9.-]*", name),
            f"the name '{name}' has characters other than a-z, 0-9, '.' and '-'",
        ),
        (not re.fullmatch(shape, name), f"the name '{name}' must begin and end with a letter or a digit"),
        (".." in name, f"the name '{name}' has two dots in a row"),
        (bool(re.fullmatch(r"\d+(\.\d+){3}", name)), f"the name '{name}' looks like an IP address"),
        (name.startswith("xn--"), f"the name '{name}' begins with 'xn--', which S3 keeps for itself"),
    )
    return next((problem for broken, problem in rules if broken), "")


def _prefix_problem(prefix: str) -> str:
    if not prefix:
        return ""
    for part in prefix.split("/"):
        if part in ("", ".", ".."):
            return f"the prefix '{prefix}' has the part '{part}'"
    if wrong := re.search(r"[{}\x00-\x1f\x7f]", prefix):
        return f"the prefix '{prefix}' has the character {wrong[0]!r}"
    return ""


def _check_endpoint(endpoint_url: str) -> None:
    if not re.fullmatch(r"https?://[^/@\s]+/?", endpoint_url):
        raise InputError(
            f"The S3 endpoint '{endpoint_url}' is not an address such as https://minio.example.org:9000.",
            hint="It begins with http:// or https:// and has no path, user or password.",
        )


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are to S3. Nothing of it appears in repr, so that no log can show it.

    token: of short-lived credentials (SSO, IRSA, an assumed role), otherwise None.
    expires: when they stop working, where that is known.
    """

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    expires: datetime | None = field(default=None, repr=False)


def credentials() -> Credentials:
    """Find credentials the way AWS's tools do (environment, profile, SSO, IRSA, container, instance role).

    Raises BucketError when there are none, or when the profile that is named cannot give any.
    """
    return CurrentCredentials().read()


class CurrentCredentials:
    """This machine's credentials, whenever they are asked for.

    Those that botocore renews are kept, and asked for by it alone when they are about to end; others are looked for
    again, as a tool may have written the file again.
    """

    def __init__(self) -> None:
        self._renewed: Any = None

    def read(self) -> Credentials:
        """Return them as they are now. Raises BucketError as `credentials` does."""
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            found = self._renewed or boto3.Session().get_credentials()
            keys = found.get_frozen_credentials() if found else None
        except (BotoCoreError, ClientError) as error:
            raise BucketError(
                "The S3 credentials cannot be read.", where=str(error), hint=_key_hint()
            ) from error
        if keys is None or not keys.access_key or not keys.secret_key:
            raise BucketError("There are no S3 credentials.", where=_places(), hint=_key_hint())
        self._renewed = found if hasattr(found, "refresh_needed") else None
        # botocore has no public way to ask for the end of credentials that it renews
        expires = getattr(found, "_expiry_time", None)
        return Credentials(keys.access_key, keys.secret_key, keys.token or None, expires)


def _places() -> str:
    profile = os.environ.get("AWS_PROFILE", "default")
    return (
        f"Looked at the environment variables {' and '.join(KEY_VARIABLES)}, the profile '{profile}' in "
        "~/.aws/credentials and ~/.aws/config, SSO, a web identity token, and the role of the container or "
        "instance."
    )


def _key_hint() -> str:
    return f"Set {' and '.join(KEY_VARIABLES)}, or run `aws configure` or `aws sso login`."


def connect(endpoint_url: str | None = None, keys: Credentials | None = None) -> S3Client:
    """Make a boto3 S3 client.

    endpoint_url: the server; None means AWS, or what AWS_ENDPOINT_URL says.
    keys: credentials to use instead of those that `credentials()` would find; then no profile is read at all.

    It waits 5 s for a connection and for an answer, and tries twice, so an unreachable server is known within
    12 s. The files of a workflow are not moved by this client but by the storage plugin's.
    """
    import boto3
    from botocore.config import Config
    from botocore.session import Session

    # the checksums that newer boto3 adds by itself are stored as part of the file by some S3 servers:
    # https://github.com/boto/boto3/issues/4435
    config = Config(
        connect_timeout=5,
        read_timeout=5,
        retries={"total_max_attempts": 2, "mode": "standard"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    # an AWS_PROFILE that does not exist is an error even where the profile would not be used
    core = Session({"profile": (None, None, None, None)} if keys else {})
    quicken(core)
    session = boto3.Session(
        aws_access_key_id=keys.access_key if keys else None,
        aws_secret_access_key=keys.secret_key if keys else None,
        aws_session_token=keys.token if keys else None,
        botocore_session=core,
    )
    client: Any = session.client(
        "s3", endpoint_url=endpoint_url, region_name=session.region_name or _DEFAULT_REGION, config=config
    )
    client.meta.events.register_last("before-call.s3", send_small_at_once)
    found: S3Client = client
    return found
