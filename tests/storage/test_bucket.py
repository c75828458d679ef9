"""Bucket addresses, credentials, and each way in which a bucket can be unusable."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from botocore.loaders import JSONFileLoader

from byok8s import s3
from byok8s.errors import BucketError, InputError
from snakemake_storage_plugin_byok8s import connection

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS = s3.Credentials("someone", "something")


def test_a_small_object_is_sent_without_asking_first(server: s3.EmbeddedS3) -> None:
    """That would be another round trip: of each of a run's records, and of the lock twice."""
    client: Any = s3.connect(server.endpoint_url, server.credentials)
    asked: list[bool] = []
    client.meta.events.register(
        "before-send.s3.PutObject", lambda request, **_: asked.append("Expect" in request.headers)
    )
    client.put_object(Bucket="local", Key="small", Body=b"small")
    assert asked == [False]


@pytest.mark.parametrize(
    ("text", "name", "prefix", "url"),
    [
        ("my-bucket", "my-bucket", "", "s3://my-bucket"),
        ("my-bucket/", "my-bucket", "", "s3://my-bucket"),
        ("s3://my-bucket/some/prefix/", "my-bucket", "some/prefix", "s3://my-bucket/some/prefix"),
        ("my.bucket.1/a b/ü", "my.bucket.1", "a b/ü", "s3://my.bucket.1/a b/ü"),
        ("abc", "abc", "", "s3://abc"),
        ("a" * 63, "a" * 63, "", "s3://" + "a" * 63),
    ],
)
def test_a_bucket_is_read_from_text(text: str, name: str, prefix: str, url: str) -> None:
    bucket = s3.Bucket.parse(text, "http://127.0.0.1:9000")
    assert bucket == s3.Bucket(name, prefix, "http://127.0.0.1:9000")
    assert bucket.url == url


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no name"),
        ("s3:///prefix", "no name"),
        ("ab", "2 characters"),
        ("a" * 64, "64 characters"),
        ("MyBucket", "upper-case"),
        ("my_bucket", "characters other than"),
        ("http://host/bucket", "characters other than"),
        ("-bucket", "begin and end"),
        ("bucket-", "begin and end"),
        ("my..bucket", "two dots"),
        ("192.168.0.1", "IP address"),
        ("xn--bucket", "xn--"),
        ("my-bucket/a//b", "the part ''"),
        ("my-bucket/a/../b", "the part '..'"),
        ("my-bucket/{sample}", "the character '{'"),
        ("my-bucket/a\nb", "the character '\\n'"),
    ],
)
def test_a_name_that_s3_would_refuse_is_refused_with_the_reason(text: str, problem: str) -> None:
    with pytest.raises(InputError) as refusal:
        s3.Bucket.parse(text)
    assert problem in refusal.value.what
    assert "bucketnamingrules" in refusal.value.hint


@pytest.mark.parametrize(
    "endpoint", ["minio:9000", "ftp://minio", "http://me:secret@minio", "http://minio/path"]
)
def test_an_endpoint_is_an_http_address(endpoint: str) -> None:
    with pytest.raises(InputError, match="is not an address"):
        s3.Bucket.parse("my-bucket", endpoint)


def test_nothing_of_the_credentials_is_shown() -> None:
    assert repr(s3.Credentials("AKIA", "secret", "token")) == "Credentials()"


def test_a_bucket_that_can_be_used_passes(server: s3.EmbeddedS3) -> None:
    s3.check_bucket(replace(server.bucket, prefix="any/prefix"), server.credentials)


def test_a_missing_bucket_is_named(server: s3.EmbeddedS3) -> None:
    problem = refusal(replace(server.bucket, name="not-there"), server.credentials)
    assert problem.what == f"There is no bucket 'not-there' at {server.endpoint_url}."
    assert "aws s3 mb s3://not-there" in problem.hint


def test_an_unknown_access_key_is_named(server: s3.EmbeddedS3) -> None:
    problem = refusal(server.bucket, KEYS)
    assert "does not know the access key" in problem.what
    assert "InvalidAccessKeyId" in problem.where


def test_a_wrong_secret_key_is_named(server: s3.EmbeddedS3) -> None:
    problem = refusal(server.bucket, replace(server.credentials, secret_key="wrong"))
    assert "refuses the secret key" in problem.what
    assert "SignatureDoesNotMatch" in problem.where


def test_denied_access_names_the_permission(server: s3.EmbeddedS3, stranger: s3.Credentials) -> None:
    problem = refusal(server.bucket, stranger)
    assert problem.what == "Listing the bucket 'local' is denied (s3:ListBucket)."
    assert "s3:PutObject" in problem.hint


@pytest.mark.parametrize(
    ("code", "what", "hint"),
    [
        ("ExpiredToken", "have expired", "aws sso login"),
        ("RequestTimeTooSkewed", "clock", "NTP"),
        ("PermanentRedirect", "another region (eu-north-1)", "AWS_DEFAULT_REGION"),
        ("AccessDenied", "denied (s3:ListBucket)", "s3:PutObject"),
        ("SomethingNew", "cannot be listed", "S3's message"),
    ],
)
def test_what_s3_refuses_is_named(code: str, what: str, hint: str) -> None:
    body = f"<Error><Code>{code}</Code><Message>its words</Message><Region>eu-north-1</Region></Error>"
    with answering(400, body) as address:
        problem = refusal(s3.Bucket("my-bucket", "", address), KEYS)
    assert what in problem.what
    assert hint in problem.hint
    assert f"{code}: its words" in problem.where


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, "<!DOCTYPE html><html></html>"), (200, ""), (404, "<html></html>"), (404, "{}"), (502, "")],
)
def test_a_server_that_is_not_s3_is_recognised(status: int, body: str) -> None:
    with answering(status, body) as address:
        problem = refusal(s3.Bucket("my-bucket", "", address), KEYS)
    assert problem.what == f"{address} does not answer like an S3 server."
    assert status == 200 or f"HTTP status {status}" in problem.where


def test_a_tls_error_is_named() -> None:
    with answering(200, "") as address:
        problem = refusal(s3.Bucket("my-bucket", "", address.replace("http:", "https:")), KEYS)
    assert "No TLS connection" in problem.what
    assert "AWS_CA_BUNDLE" in problem.hint


def test_a_refused_connection_is_named() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{probe.getsockname()[1]}"
        problem = refusal(s3.Bucket("my-bucket", "", address), KEYS)
    assert problem.what == f"{address} cannot be reached."
    assert "refused" in problem.where


def test_a_name_that_does_not_resolve_is_named() -> None:
    problem = refusal(s3.Bucket("my-bucket", "", "http://no-such-host.invalid"), KEYS)
    assert problem.what == "The name in http://no-such-host.invalid does not resolve."


def test_a_server_that_never_answers_is_said_within_12_seconds() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        problem = refusal(s3.Bucket("my-bucket", "", f"http://127.0.0.1:{silent.getsockname()[1]}"), KEYS)
    assert "does not answer in time" in problem.what
    assert time.monotonic() - began < 12


def test_missing_credentials_name_the_places_and_the_variables(bare_environment: None) -> None:
    with pytest.raises(BucketError) as problem:
        s3.check_bucket(s3.Bucket("my-bucket", "", "http://127.0.0.1:9"))
    assert problem.value.what == "There are no S3 credentials."
    assert "~/.aws/credentials" in problem.value.where
    assert "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in problem.value.hint


def test_a_profile_that_does_not_exist_is_named(
    bare_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(BucketError, match="nobody") as problem:
        s3.credentials()
    assert problem.value.what == "The S3 credentials cannot be read."


def test_given_keys_need_no_profile(server: s3.EmbeddedS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    s3.check_bucket(server.bucket, server.credentials)


def test_credentials_of_the_environment_are_found(
    bare_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    assert s3.credentials() == s3.Credentials("AKIA", "secret", "token")


def refusal(bucket: s3.Bucket, keys: s3.Credentials) -> BucketError:
    with pytest.raises(BucketError) as problem:
        s3.check_bucket(bucket, keys)
    return problem.value


@contextmanager
def answering(status: int, body: str) -> Iterator[str]:
    """A server that gives every request the same answer; yields its address."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base class's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def test_what_describes_s3_is_read_once_in_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    s3.connect("http://127.0.0.1:9", KEYS)
    connection.warm_up()
    read: list[str] = []
    original = JSONFileLoader.load_file

    def load_file(self: JSONFileLoader, path: str) -> object:
        if found := original(self, path):  # it also looks for files that are seldom there
            read.append(path)
        return found

    monkeypatch.setattr(JSONFileLoader, "load_file", load_file)
    assert s3.connect("http://127.0.0.1:9", s3.Credentials("else", "something")) is not None
    connection.warm_up()
    assert [path for path in read if "/s3/" in path or "endpoints" in path] == []
