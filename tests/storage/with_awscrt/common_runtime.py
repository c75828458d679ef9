"""Files that are moved by the Common Runtime: run by test_common_runtime.py, in an environment that has it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

import awscrt.auth
import awscrt.http
import awscrt.io
import awscrt.s3
import certifi
import pytest
from botocore.credentials import ReadOnlyCredentials
from botocore.httpsession import URLLib3Session
from snakemake_interface_common.exceptions import WorkflowError

from answering import Answer, Keys, Request, answering, authority, keys, proxy, server_side
from asked import Asked, asked
from byok8s.worker.boto import transfers
from counting_proxy import counting
from snakemake_storage_plugin_byok8s.receive import Incoming, Receiving
from snakemake_storage_plugin_byok8s.runtime import Came, CommonRuntime, CommonRuntimes
from snakemake_storage_plugin_byok8s.runtime import Request as S3Request
from snakemake_storage_plugin_byok8s.send import Outgoing, Sending

if TYPE_CHECKING:
    from byok8s import s3
    from counting_proxy import Counter

COUNT = 150  # more than are under way at once
MIB = 1024 * 1024


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    found = [tmp_path / f"file{number}" for number in range(COUNT)]
    for number, file in enumerate(found):
        file.write_bytes(b"%d" % number * number)  # the first is empty
    return found


class Moved:
    """Files that go to a server and come back, and what was told of it."""

    def __init__(self, by: Asked, folder: Path) -> None:
        self.by, self.folder = by, folder
        self.tags = dict[str, str]()
        self.there, self.back = list[Path](), list[str]()
        self.sent = self.came = 0

    def put(self, files: Sequence[Path]) -> None:
        def tell(size: int) -> None:
            self.sent += size

        outgoing = [Outgoing.of(file, f"in-c/{self.folder.name}/{file.name}") for file in files]
        sending = Sending(self.by.connection, "local", tell)
        sending.send(outgoing, lambda file, facts: self.tags.update({file.key: facts.etag}))

    def get(self, files: Sequence[Path]) -> None:
        def tell(size: int) -> None:
            self.came += size

        incoming = [self.incoming(file) for file in files]
        receiving = Receiving(self.by.connection, "local", tell)
        receiving.receive(incoming, lambda file: self.back.append(file.key))

    def incoming(self, file: Path) -> Incoming:
        key = f"in-c/{self.folder.name}/{file.name}"
        return Incoming(key, key, self.place(file), file.stat().st_size, self.tags[key], 1.0)

    def place(self, file: Path) -> Path:
        return self.folder / "back" / file.name

    def check(self, files: Sequence[Path]) -> None:
        """All is there and was told of, once, and nothing else is."""
        size = sum(file.stat().st_size for file in files)
        assert (self.sent, self.came) == (size, size)
        assert sorted(self.back) == sorted(self.tags)
        assert len(self.tags) == len(files)
        for file in files:
            assert self.place(file).read_bytes() == file.read_bytes()
            assert self.place(file).stat().st_mtime == 1.0
        assert len(list((self.folder / "back").iterdir())) == len(files)


@pytest.fixture
def moved(server: s3.EmbeddedS3, counter: Counter, tmp_path: Path) -> Moved:
    return Moved(asked(counter.url, server.credentials), tmp_path)


def test_many_small_files_take_one_request_each(moved: Moved, counter: Counter, files: list[Path]) -> None:
    moved.put(files)
    moved.get(files)
    moved.check(files)
    assert len(counter.of("PUT")) == len(counter.of("GET")) == COUNT
    assert moved.by.by_boto == ["PutObject", "GetObject"]


def test_odd_names(moved: Moved, counter: Counter, tmp_path: Path) -> None:
    """The signature is for the very address: another would be refused, and then asked for by boto."""
    names = [
        "plain",
        "a blank",
        "ä+#?&%41",
        ".hidden",
        "a=b,c;d",
        "q'uote\"d",
        "~(x)!*:@$",
        "percent%2Fsign",
        "日本",
    ]
    files = [tmp_path / name for name in names]
    for file in files:
        file.write_text(file.name)
    moved.put(files)
    moved.get(files)
    moved.check(files)
    assert len(counter.of("PUT")) == len(counter.of("GET")) == len(names)
    assert moved.by.by_boto == ["PutObject", "GetObject"]


def test_certificates_that_it_does_not_take_are_left_to_boto(server: s3.EmbeddedS3, tmp_path: Path) -> None:
    (tmp_path / "bundle").write_text("no certificate\n")
    session = URLLib3Session(verify=str(tmp_path / "bundle"))
    assert CommonRuntimes().of(session, "https://localhost:1", "us-east-1") is None


def test_a_large_file_is_left_to_boto(moved: Moved, counter: Counter, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(os.urandom(20 * MIB + 1))
    moved.put([large])
    moved.get([large])
    moved.check([large])
    assert sorted(piece for request, piece in counter.pieces if request.startswith("GET")) == [
        f"bytes=0-{8 * MIB - 1}",
        f"bytes={16 * MIB}-{20 * MIB}",
        f"bytes={8 * MIB}-{16 * MIB - 1}",
    ]


def test_what_changes_on_its_way_is_moved_again(moved: Moved, counter: Counter, files: list[Path]) -> None:
    changed = set[str]()

    def change(request: str, body: bytes) -> bytes:
        if request in changed or not body or not request.endswith(("7", "large")):
            return body
        changed.add(request)
        return b"X" + body[1:]

    counter.change = counter.change_answer = change
    moved.put(files)
    moved.get(files)
    moved.check(files)
    assert len(changed) == 2 * 15


@pytest.mark.parametrize("code", ["SlowDown", "InternalError"])
def test_what_fails_is_asked_for_again(code: str, moved: Moved, counter: Counter, files: list[Path]) -> None:
    moved.put(files[:3])  # as the first that fails would have it not used any more
    counter.faults = [(503, code)] * 20
    moved.put(files[3:])
    moved.get(files[:3])
    counter.faults = [(503, code)] * 20
    moved.get(files[3:])
    moved.check(files)


def kept() -> Callable[[Request], Answer]:
    """Answer as a server that keeps what is put."""
    stored = dict[str, bytes]()

    def answer(request: Request) -> Answer:
        if request.method == "PUT":
            stored[request.path] = request.body
            return Answer(200, b"", {"ETag": request.headers["x-amz-meta-byok8s-etag"]})
        return Answer(200, stored[request.path])

    return answer


def cut(share: int) -> Callable[[Request], Answer]:
    """Do the same, but close the connection instead with one request of so many."""
    count, answer = iter(range(10**6)), kept()
    return lambda request: Answer(cut=True) if (next(count) + 1) % share == 0 else answer(request)


@pytest.mark.parametrize("share", [2, 10])
def test_connections_that_are_cut_are_made_again(
    share: int, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BYOK8S_S3_PATIENCE_SECONDS", "60")
    with answering(cut(share)) as served:
        moved = Moved(asked(served.url, None, access_key="AK", secret_key="SK", retries=5), tmp_path)
        moved.put(files)
        moved.get(files)
    moved.check(files)
    assert any(map(is_by_it, served.requests))


def test_no_more_bodies_are_under_way_than_a_slow_line_takes_in_time(tmp_path: Path) -> None:
    """It gives up on a body that waits half a minute to be sent. 8 MiB are a few bodies, or many smaller ones."""
    files = [tmp_path / f"{number}" for number in range(COUNT)]
    for number, file in enumerate(files):
        file.write_bytes(bytes(MIB if number < 30 else MIB // 8 if number < 100 else 5))
    lock, now, most = threading.Lock(), [0], [0]
    keep = kept()

    def answer(request: Request) -> Answer:
        with lock:
            now[0] += len(request.body)
            most[0] = max(most[0], now[0])
        time.sleep(0.05)
        found = keep(request)
        with lock:
            now[0] -= len(request.body)
        return found

    with answering(answer) as served:
        moved = Moved(asked(served.url, None, access_key="AK", secret_key="SK"), tmp_path)
        moved.put(files)
        moved.get(files)
    moved.check(files)
    assert 2 * MIB < most[0] <= 9 * MIB  # one more is begun before one is awaited
    assert sum(map(is_by_it, served.requests)) == 2 * (COUNT - 1)


def is_by_it(request: Request) -> bool:
    return "CRTS3" in request.headers["User-Agent"]


def test_a_server_that_does_not_take_its_requests_is_not_asked_by_it_again(
    files: list[Path], tmp_path: Path
) -> None:
    answer = kept()
    refused = Answer(501, b"<Error><Code>NotImplemented</Code></Error>")
    with answering(lambda request: refused if is_by_it(request) else answer(request)) as served:
        moved = Moved(asked(served.url, None, access_key="AK", secret_key="SK"), tmp_path)
        moved.put(files)
        moved.get(files)
    moved.check(files)
    assert 1 <= sum(map(is_by_it, served.requests)) <= 64


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keys:
    found = authority(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(found.certificate))
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    return found


@pytest.mark.parametrize("by_proxy", [False, True])
def test_over_tls_with_a_token_and_certificates_of_one_s_own(
    by_proxy: bool, trusted: Keys, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy is left to boto."""
    with (
        answering(kept(), server_side(keys(trusted, tmp_path, "localhost"))) as served,
        proxy({"localhost": "127.0.0.1"}) as way,
    ):
        if by_proxy:
            monkeypatch.setenv("HTTPS_PROXY", way.url)
        url = served.url.replace("127.0.0.1", "localhost")
        moved = Moved(asked(url, None, access_key="AK", secret_key="SK", token="TOKEN"), tmp_path)
        moved.put(files)
        moved.get(files)
    moved.check(files)
    assert sum(map(is_by_it, served.requests)) == (0 if by_proxy else 2 * (COUNT - 1))
    for request in served.requests:
        headers = {name.lower(): value for name, value in request.headers.items()}
        assert headers["x-amz-security-token"] == "TOKEN"
        assert headers["host"].startswith("localhost:")
        if request.method == "PUT":
            assert "content-md5" in headers["authorization"].partition("SignedHeaders=")[2]


def test_a_server_whose_certificate_is_not_trusted_is_asked_nothing(trusted: Keys, tmp_path: Path) -> None:
    ended = SimpleQueue[Came | None]()
    with answering(kept(), server_side(keys(trusted, tmp_path, "localhost"))) as served:
        url = served.url.replace("127.0.0.1", "localhost")
        runtime = CommonRuntime(awscrt, "us-east-1", certifi.where())
        runtime.begin(
            S3Request("PUT", f"{url}/local/a", {}, b"x"), ReadOnlyCredentials("AK", "SK", None), ended.put
        )
        assert ended.get(timeout=60) is None
    assert not served.requests
    assert not runtime.is_of_use


def test_a_file_that_changes_while_it_is_put_is_not_left_in_the_bucket(
    moved: Moved, counter: Counter, files: list[Path], client: s3.S3Client
) -> None:
    def change(request: str, body: bytes) -> bytes:
        if request.endswith("file9") and request.startswith("PUT"):
            files[9].write_text("another")
        return body

    counter.change = change
    with pytest.raises(WorkflowError, match="file9 changed while it was uploaded"):
        moved.put(files)
    key = f"in-c/{moved.folder.name}/file9"
    assert not client.list_objects_v2(Bucket="local", Prefix=key + "\0", MaxKeys=1).get("Contents")
    assert f"DELETE /local/{key}" in counter.requests


def test_what_was_changed_in_the_bucket_is_refused_by_its_name(
    moved: Moved, files: list[Path], client: s3.S3Client
) -> None:
    moved.put(files)
    client.put_object(Bucket="local", Key=f"in-c/{moved.folder.name}/file33", Body=b"another")
    with pytest.raises(WorkflowError, match="file33 was changed in the bucket meanwhile"):
        moved.get(files)
    assert not moved.place(files[33]).exists()
    assert not list((moved.folder / "back").glob(".byok8s-*"))


def test_what_boto_moves_by_itself_goes_to_the_client_s_server(
    counter: Counter, server: s3.EmbeddedS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also on the machines of Amazon's for which boto chooses the Common Runtime, which then asks AWS."""
    monkeypatch.setattr(awscrt.s3, "is_optimized_for_system", lambda: True)
    client = asked(counter.url, server.credentials).connection.client
    (tmp_path / "there").write_bytes(b"x" * 100)
    client.upload_file(str(tmp_path / "there"), "local", "in-c/by-boto", Config=transfers())
    client.copy({"Bucket": "local", "Key": "in-c/by-boto"}, "local", "in-c/copy", Config=transfers())
    client.download_file("local", "in-c/copy", str(tmp_path / "back"), Config=transfers())
    assert (tmp_path / "back").read_bytes() == b"x" * 100
    assert counter.of("PUT") == ["PUT /local/in-c/by-boto", "PUT /local/in-c/copy"]


def test_keys_that_end_are_told_as_by_boto(moved: Moved, counter: Counter, files: list[Path]) -> None:
    moved.put(files[:3])
    counter.faults = [(400, "ExpiredToken")] * 2 * COUNT
    with pytest.raises(WorkflowError, match=r"ExpiredToken.*get new ones and start again"):
        moved.put(files[3:])


def test_keys_that_cannot_be_renewed_are_told_as_by_boto(
    counter: Counter,
    server: s3.EmbeddedS3,
    files: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A program gives them, each time for a minute, until the second file is there."""
    told = {
        "Version": 1,
        "AccessKeyId": server.credentials.access_key,
        "SecretAccessKey": server.credentials.secret_key,
        "Expiration": (datetime.now(UTC) + timedelta(minutes=1)).isoformat(),
    }
    (tmp_path / "keys").write_text(json.dumps(told))
    (tmp_path / "config").write_text(
        f"[default]\nregion = us-east-1\ncredential_process = cat {tmp_path}/keys\n"
    )
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))

    def change(_: str, body: bytes) -> bytes:
        if len(counter.of("PUT")) > 1:
            (tmp_path / "keys").unlink(missing_ok=True)
        return body

    counter.change = change
    moved = Moved(asked(counter.url, None), tmp_path)
    with pytest.raises(WorkflowError, match="CredentialRetrievalError"):
        moved.put(files)
    assert len(moved.tags) > 1


@pytest.fixture
def slow(server: s3.EmbeddedS3) -> Iterator[Counter]:
    with counting(server.endpoint_url, delay=1.0) as found:
        yield found


@pytest.mark.parametrize("way", ["put", "get"])
def test_an_interrupt_ends_it_soon_and_leaves_no_half(
    way: str, slow: Counter, server: s3.EmbeddedS3, files: list[Path], tmp_path: Path
) -> None:
    keys = server.credentials
    environment = os.environ | {
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "AWS_REGION": "us-east-1",
    }
    place = ["--s3-bucket", f"local/interrupt-{way}"]
    names = [file.name for file in files]

    def command(*words: str, url: str) -> list[str]:
        return [sys.executable, "-m", "byok8s", *words, *place, "--s3-endpoint-url", url]

    put = command("put", *names, url=server.endpoint_url)
    if way == "get":
        subprocess.run(put, cwd=tmp_path, env=environment, check=True, capture_output=True)
    words = ["put", *names] if way == "put" else ["get", "*", "-d", "back"]
    began = subprocess.Popen(
        command(*words, url=slow.url), cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while len(slow.of(way.upper())) < 20 and time.monotonic() < deadline:
        time.sleep(0.05)
    began.send_signal(signal.SIGINT)
    _, said = began.communicate(timeout=30)
    assert (began.returncode, "Traceback" in said) == (130, False), said
    assert not list(tmp_path.glob("**/.byok8s-passing-*"))
    assert len(slow.of(way.upper())) < COUNT
