"""Requests are signed as boto signs them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from botocore.utils import percent_encode

from snakemake_storage_plugin_byok8s import signature
from snakemake_storage_plugin_byok8s.runtime import Request

MD5 = "1B2M2Y8AsgTpgAmY7PhCfg=="
GET = {"User-Agent": "byok8s", "If-Match": '"0123"'}
PART = {**GET, "Range": "bytes=5-9"}
PUT = {
    "User-Agent": "byok8s",
    "Content-MD5": MD5,
    "x-amz-meta-byok8s-etag": " two  blanks\t",
    "x-amz-meta-Big": "x",
}


@pytest.mark.parametrize(
    "top", ["http://127.0.0.1:9000/local/", "https://local.s3.eu-north-1.amazonaws.com/"]
)
@pytest.mark.parametrize("key", ["a", "a b/ä+#?&%41", "two//slashes/", "~(x)!*:@$,;='\"", "日本", ".."])
@pytest.mark.parametrize(
    ("method", "headers", "body"),
    [("GET", GET, None), ("GET", PART, None), ("PUT", PUT, b""), ("PUT", PUT, b"content")],
)
@pytest.mark.parametrize("token", [None, "a/token+=="])
def test_as_by_boto(
    token: str | None, method: str, headers: dict[str, str], body: bytes | None, key: str, top: str
) -> None:
    keys = ReadOnlyCredentials("AK", "SK/+=", token)
    url = top + percent_encode(key, safe="/~")
    by_boto = AWSRequest(method, url, headers, body)
    by_boto.context.update(client_config=SimpleNamespace(s3=None), has_streaming_input=method == "PUT")
    S3SigV4Auth(keys, "s3", "eu-north-1").add_auth(by_boto)
    time = str(by_boto.headers["X-Amz-Date"])
    with_body = by_boto.headers["X-Amz-Content-SHA256"] != "UNSIGNED-PAYLOAD"
    assert with_body != (method == "PUT" and top.startswith("https:"))
    signed = signature.signed(
        Request(method, url, headers, body), keys, "eu-north-1", time, with_body=with_body
    )
    assert lower(signed) == lower(dict(by_boto.headers.items()))


def lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def test_each_day_and_secret_has_a_key_of_its_own() -> None:
    request = Request("GET", "http://host/a", {}, None)
    signatures = {
        signature.signed(request, ReadOnlyCredentials("AK", secret, None), region, time, with_body=True)[
            "Authorization"
        ]
        for secret in ("a", "b")
        for region in ("a", "b")
        for time in ("20261130T000000Z", "20261201T000000Z")
        for _ in range(2)
    }
    assert len({each.rpartition("=")[2] for each in signatures}) == 8
