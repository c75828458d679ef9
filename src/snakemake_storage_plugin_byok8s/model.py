"""What the GETs or the PUTs of a bucket's objects have in common, taken from one that boto was about to send."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.auth import UNSIGNED_PAYLOAD
from botocore.awsrequest import AWSPreparedRequest
from botocore.utils import percent_encode

from snakemake_storage_plugin_byok8s import signature
from snakemake_storage_plugin_byok8s.runtime import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.credentials import ReadOnlyCredentials

GET: Final = "GetObject"
PUT: Final = "PutObject"
OPERATIONS: Final = {GET: "GET", PUT: "PUT"}
META: Final = "x-amz-meta-"
_ASKED: Final = {"IfMatch": "If-Match", "Range": "Range", "ContentMD5": "Content-MD5"}
KNOWN: Final = frozenset({"Bucket", "Key", "Body", "Metadata", *_ASKED})  # of what boto takes
_SIGNATURE: Final = re.compile(r"AWS4-HMAC-SHA256 Credential=[^/]+/\d{8}/(?P<region>[^/]+)/s3/aws4_request,")
_PASSING: Final = frozenset({"amz-sdk-invocation-id", "amz-sdk-request"})  # another each time, and not signed


@dataclass(frozen=True)
class Model:
    """Of one operation on the objects of one bucket.

    top: the URL, up to the keys. signs_body: whether a body is part of the signature. Requests are given as boto's own
    methods take them.
    """

    operation: str
    top: str
    region: str
    user_agent: str
    signs_body: bool

    @classmethod
    def of(cls, operation: str, sent: AWSPreparedRequest, key: str) -> Model | None:
        """Return that of a request; None for one with another signature, or whose URL does not end with the key."""
        headers, path = _lasting(sent), percent_encode(key, safe="/~")
        found = _SIGNATURE.match(headers.get("authorization", ""))
        if not found or not sent.url.endswith(f"/{path}"):
            return None
        return cls(
            operation,
            sent.url.removesuffix(path),
            found["region"],
            headers.get("user-agent", ""),
            headers.get("x-amz-content-sha256") != UNSIGNED_PAYLOAD,
        )

    def gives(self, sent: AWSPreparedRequest, request: Mapping[str, Any], keys: ReadOnlyCredentials) -> bool:
        """Return whether this very request comes of it, with the same signature."""
        headers = _lasting(sent)
        return _lasting(self.made(request, keys, headers.get("x-amz-date", ""))) == headers

    def asked(self, request: Mapping[str, Any]) -> Request:
        """Return a request without its signature."""
        headers = {name: request[asked] for asked, name in _ASKED.items() if asked in request}
        headers |= {f"{META}{name}": value for name, value in request.get("Metadata", {}).items()}
        return Request(
            OPERATIONS[self.operation],
            self.top + percent_encode(request["Key"], safe="/~"),
            {**headers, "User-Agent": self.user_agent},
            request.get("Body"),
        )

    def made(self, request: Mapping[str, Any], keys: ReadOnlyCredentials, time: str) -> AWSPreparedRequest:
        """Return a request as boto's session sends it. time: as of signature.now."""
        asked = self.asked(request)
        headers = signature.signed(asked, keys, self.region, time, with_body=self.signs_body)
        if asked.body is not None:
            headers["Content-Length"] = str(len(asked.body))
        return AWSPreparedRequest(asked.method, asked.url, headers, asked.body, self.operation == GET)


def _lasting(request: AWSPreparedRequest) -> Mapping[str, str]:
    """Return the URL and headers of a request, without what is another when it is made again."""
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else str(value)
        for name, value in request.headers.items()
    }
    return {"": request.url} | {name: value for name, value in headers.items() if name not in _PASSING}
