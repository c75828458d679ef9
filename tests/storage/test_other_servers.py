"""What other S3 servers do in another way than the one of the tests, shown by that one and what changes its answers."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError

from byok8s import s3
from byok8s.errors import InUse
from byok8s.locks.owner import this_process
from byok8s.s3 import own
from byok8s.s3 import prefix_lock as module
from byok8s.s3.prefix_lock import PrefixLock
from counting_proxy import Counter
from provide import Provide
from snakemake_storage_plugin_byok8s.receive import Incoming, Receiving

if TYPE_CHECKING:
    from botocore.awsrequest import AWSRequest

ADA = replace(this_process(), run="run-1", user="ada", folder="/home/ada/wf")
BOB = replace(this_process(), run="run-2", user="bob", folder="/home/bob/wf")
PART = 8 << 20


@pytest.fixture(autouse=True)
def _environment(server: s3.EmbeddedS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.credentials.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.credentials.secret_key)
    monkeypatch.setattr(module, "_MOMENT_S", 0.2)


def refusing(status: int, code: str) -> Callable[..., AWSResponse | None]:
    """Answer each write on a condition."""

    def answer(request: AWSRequest, **_: object) -> AWSResponse | None:
        if not {"If-Match", "If-None-Match"} & set(request.headers):
            return None
        body = f"<Error><Code>{code}</Code></Error>" if code else ""

        class Raw:
            def stream(self, **_: object) -> list[bytes]:
                return [body.encode()]

        return AWSResponse(request.url, status, {}, Raw())

    return answer


def lock(
    monkeypatch: pytest.MonkeyPatch, bucket: s3.Bucket, answer: Callable[..., AWSResponse | None]
) -> PrefixLock:
    def connect(endpoint_url: str | None) -> s3.S3Client:
        client: Any = s3.connect(endpoint_url)
        client.meta.events.register("before-send.s3.PutObject", answer)
        return client  # type: ignore[no-any-return]

    monkeypatch.setattr(module, "connect", connect)
    return PrefixLock(bucket, ADA, print)


@pytest.mark.parametrize(("status", "code"), [(501, "NotImplemented"), (400, "InvalidArgument"), (400, "")])
def test_a_server_that_refuses_conditions_gets_the_lock_without(
    status: int, code: str, server: s3.EmbeddedS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = s3.Bucket("local", f"conditions/{status}{code}", server.endpoint_url)
    held = lock(monkeypatch, bucket, refusing(status, code))
    held.acquire(alone=True, ignore=False)
    found = held.found()
    assert found
    assert found.holder == ADA
    with pytest.raises(InUse, match="ada@"):
        PrefixLock(bucket, BOB, print).acquire(alone=False, ignore=False)
    held.release()


@pytest.mark.parametrize(("status", "code"), [(412, "PreconditionFailed"), (304, ""), (404, "NoSuchKey")])
def test_whoever_is_told_that_another_was_faster_is_refused(
    status: int, code: str, server: s3.EmbeddedS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = s3.Bucket("local", f"faster/{status}", server.endpoint_url)
    with pytest.raises(InUse, match="Another run uses"):
        lock(monkeypatch, bucket, refusing(status, code)).acquire(alone=True, ignore=False)


def test_what_is_gone_already_is_removed(provide: Provide, counter: Counter) -> None:
    client = provide(url=counter.url).connection.client
    counter.faults.append((404, "NoSuchKey"))
    client.delete_object(Bucket="local", Key="gone")
    assert counter.of("DELETE")
    for code in ("NoSuchBucket", "AccessDenied"):
        counter.faults.append((404, code))
        with pytest.raises(ClientError, match=code):
            client.delete_object(Bucket="local", Key="gone")
    counter.faults.append((404, "NoSuchKey"))
    with pytest.raises(ClientError, match="NoSuchKey"):
        client.get_object(Bucket="local", Key="gone")


def test_so_are_objects_of_our_own(counter: Counter) -> None:
    counter.faults.append((404, "NoSuchKey"))
    own.OwnObjects(s3.Bucket("local", "own", counter.url), ".byok8s/records").remove(["gone"])
    assert counter.of("DELETE")


def test_a_file_whose_etag_is_no_checksum_is_whole_if_it_comes_twice(
    provide: Provide, tmp_path: Path, counter: Counter
) -> None:
    """Google's of an object that was uploaded in parts: https://github.com/GoogleCloudPlatform/gsutil/issues/1192."""
    connection = provide(url=counter.url).connection
    content = os.urandom(2 * PART + 1)
    connection.client.put_object(Bucket="local", Key="etag/large", Body=content)

    def unconditional(request: AWSRequest, **_: object) -> None:
        del request.headers["If-Match"]  # the server of the tests has another one

    connection.client.meta.events.register("before-sign.s3.GetObject", unconditional)
    target = tmp_path / "large"
    incoming = Incoming("large", "etag/large", target, len(content), "CMaExK7Mr+0CEAE=", 1e9)
    Receiving(connection, "local", lambda _: None).receive([incoming])
    assert target.read_bytes() == content
    assert len(counter.of("GET")) == 2 * 3
