"""Whether the bucket can be used, known before anything is created anywhere."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from byok8s.errors import BucketError
from byok8s.s3.client import Bucket, Credentials, connect, credentials

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from botocore.exceptions import BotoCoreError, ClientError

    from byok8s.s3.client import ListedObject, Listing, S3Client

_KEYS: Final = "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or the profile): are they for this server?"
_EXPIRED: Final = ("The S3 credentials have expired.", "Get new ones (such as `aws sso login`), start again.")
_REGION: Final = ("The bucket '{name}' is in another region{region}.", "Set AWS_DEFAULT_REGION to it.")
_CREATE: Final = (
    "Check the name and the endpoint, or create it: `aws s3 mb s3://{name}`. byok8s creates none."
)
_RIGHTS: Final = (
    "A run needs s3:ListBucket, and on the objects s3:GetObject, s3:PutObject and s3:DeleteObject."
)
_CLOCK: Final = "Set this machine's clock (such as by NTP): S3 refuses what is more than 15 minutes off."

# S3's error code -> what it means, what to do; the codes are documented at
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_CODES: Final = {
    "NoSuchBucket": ("There is no bucket '{name}' at {server}.", _CREATE),
    "AccessDenied": ("Listing the bucket '{name}' is denied (s3:ListBucket).", _RIGHTS),
    "AllAccessDisabled": ("All access to the bucket '{name}' is switched off.", "Ask the bucket's owner."),
    "InvalidAccessKeyId": ("{server} does not know the access key.", _KEYS),
    "SignatureDoesNotMatch": ("{server} refuses the secret key.", _KEYS),
    "InvalidToken": ("{server} refuses the session token.", _KEYS),
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "RequestTimeTooSkewed": ("This machine's clock and that of {server} differ too much.", _CLOCK),
    "PermanentRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
}
_NOT_S3: Final = "Check the endpoint: its address, port, and http:// or https://."


def check_bucket(bucket: Bucket, keys: Credentials | None = None) -> Mapping[str, str]:
    """Raise BucketError unless the bucket exists and can be listed under its prefix. Writes nothing.

    keys: credentials to use instead of those that `credentials()` finds.
    Returns the headers of the answer, their names in lower case.

    It is one request, a listing of at most one key. HeadBucket is not asked: it needs the same permission
    (s3:ListBucket), and its answers have no body, so that wrong keys, an expired token and a denied bucket
    would all be a bare 403 (AWS's documentation of HeadBucket; SeaweedFS does the same).
    """
    return _checked(bucket, keys)[1]


def usable(bucket: Bucket) -> S3Client:
    """Return a client, once the same is known of the bucket. Raises BucketError."""
    return _checked(bucket, None)[0]


def _checked(bucket: Bucket, keys: Credentials | None) -> tuple[S3Client, Mapping[str, str]]:
    client = connect(bucket.endpoint_url, keys or credentials())
    prefix = f"{bucket.prefix}/" if bucket.prefix else ""
    with _explained(bucket):
        answer = client.list_objects_v2(Bucket=bucket.name, Prefix=prefix, MaxKeys=1)
    _check_listing(bucket, answer)
    return client, answer["ResponseMetadata"]["HTTPHeaders"]


def listed(bucket: Bucket, start: str, client: S3Client | None = None) -> Iterator[ListedObject]:
    """Yield what is below a bucket's prefix and begins so there. Raises BucketError as `check_bucket` does.

    client: if there is one, which spares its making and a connection.
    """
    top = f"{bucket.prefix}/" if bucket.prefix else ""
    pages = (client or connect(bucket.endpoint_url, credentials())).get_paginator("list_objects_v2")
    with _explained(bucket):
        for page in pages.paginate(Bucket=bucket.name, Prefix=top + start):
            _check_listing(bucket, page)
            yield from page.get("Contents", [])


@contextmanager
def _explained(bucket: Bucket) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    from botocore.exceptions import ConnectionError as NoConnectionError

    try:
        yield
    except ClientError as error:
        raise _refused(bucket, error) from error
    except (HTTPClientError, NoConnectionError) as error:
        raise _unreachable(bucket, error) from error
    except BotoCoreError as error:
        raise _not_s3(bucket, str(error)) from error


def _check_listing(bucket: Bucket, answer: Listing) -> None:
    if "Name" not in answer and "KeyCount" not in answer:
        raise _not_s3(bucket, "The answer to a listing has no listing in it.")


def _refused(bucket: Bucket, error: ClientError) -> BucketError:
    """Name what S3 said no to. Servers that are not S3 answer with a bare HTTP status as the code."""
    answer = error.response.get("Error", {})
    code, message = str(answer.get("Code", "")), str(answer.get("Message", ""))
    if code not in _CODES and (code.isdigit() or not code):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", code)
        return _not_s3(bucket, f"It answered with HTTP status {status} and no S3 error code.")
    what, hint = _CODES.get(code, ("The bucket '{name}' cannot be listed.", "See S3's message."))
    region = answer.get("Region") or _region_header(error)
    words = {"name": bucket.name, "server": bucket.server, "region": f" ({region})" if region else ""}
    return BucketError(
        what.format(**words),
        where=f"ListObjectsV2 {bucket.url} at {bucket.server}: {code}: {message}",
        hint=hint.format(**words),
    )


def _region_header(error: ClientError) -> str:
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return str(headers.get("x-amz-bucket-region", ""))


def _not_s3(bucket: Bucket, detail: str) -> BucketError:
    return BucketError(f"{bucket.server} does not answer like an S3 server.", where=detail, hint=_NOT_S3)


def _unreachable(bucket: Bucket, error: BotoCoreError) -> BucketError:
    """Say how the connection failed; botocore keeps urllib3's exception, which knows, in `kwargs`."""
    from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError, SSLError
    from urllib3.exceptions import NameResolutionError

    cause = error.kwargs.get("error")
    if isinstance(cause, NameResolutionError):
        what, hint = f"The name in {bucket.server} does not resolve.", "Check its spelling, and DNS or VPN."
    elif isinstance(error, SSLError):
        what = f"No TLS connection to {bucket.server} can be made."
        hint = "Check http:// or https://; for a private certificate authority set AWS_CA_BUNDLE to its file."
    elif isinstance(error, ConnectTimeoutError | ReadTimeoutError):
        what, hint = (
            f"{bucket.server} does not answer in time.",
            "Check the address, the firewall, VPN or proxy.",
        )
    else:
        what, hint = f"{bucket.server} cannot be reached.", "Check its address and port, and that it runs."
    return BucketError(what, where=str(cause or error), hint=hint)
