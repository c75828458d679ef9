"""GET and PUT of many objects take a short way, on which nothing is otherwise than with boto."""

from __future__ import annotations

import base64
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from answering import Answer, Request, answering, authority, keys, proxy, server_side
from asked import Asked, asked
from byok8s.worker.description import File
from byok8s.worker.transfer import Transfer
from snakemake_storage_plugin_byok8s.connection import StorageError
from snakemake_storage_plugin_byok8s.receive import Incoming, Receiving
from snakemake_storage_plugin_byok8s.send import Outgoing, Sending
from snakemake_storage_plugin_byok8s.shortcut import Shortcut
from snakemake_storage_plugin_byok8s.whole import NotWhole

if TYPE_CHECKING:
    from byok8s import s3
    from counting_proxy import Counter

NAMES = [
    "plain",
    "with a blank",
    "ä+#?&%41",
    ".hidden",
    "a=b,c;d",
    "deep/er/file",
    "q'uote\"d",
    "~(x)!*:@$",
    "two//slashes",
]
PASSING = {"x-amz-date", "authorization", "amz-sdk-invocation-id", "amz-sdk-request"}
TEXT = b"line 1\nline 2\n"


@pytest.fixture
def begun(server: s3.EmbeddedS3, counter: Counter) -> Asked:
    found = asked(counter.url, server.credentials)
    found.begin()
    counter.requests.clear()
    return found


def sum_of(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body).digest()).decode()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [0, 5, 200_000])
def test_names_and_sizes(size: int, name: str, begun: Asked, client: s3.S3Client, counter: Counter) -> None:
    key, body = f"shortcut/{size}/{name}", b"x" * size
    begun.put(key, body, ContentMD5=sum_of(body), Metadata={"byok8s-mode": "755"})
    came, answer = begun.get(key, IfMatch=f'"{hashlib.md5(body).hexdigest()}"')
    assert (came, answer["Metadata"]) == (body, {"byok8s-mode": "755"})
    assert begun.by_boto == []
    assert len(counter.requests) == 2
    assert client.get_object(Bucket="local", Key=key)["Body"].read() == body


def test_the_answers_are_boto_s(begun: Asked, server: s3.EmbeddedS3) -> None:
    put = begun.put("shortcut/answer", TEXT, Metadata={"byok8s-etag": "sum"})
    _, got = begun.get("shortcut/answer")
    again = asked(server.endpoint_url, server.credentials)
    put_by_boto = again.put("shortcut/answer", TEXT, Metadata={"byok8s-etag": "sum"})
    _, got_by_boto = again.get("shortcut/answer")
    assert (len(begun.by_boto), len(again.by_boto)) == (0, 2)
    assert put["ETag"] == put_by_boto["ETag"]
    assert "date" in put["ResponseMetadata"]["HTTPHeaders"]
    assert (got["LastModified"] - got_by_boto["LastModified"]).total_seconds() <= 0
    for name in ("ETag", "Metadata"):
        assert got[name] == got_by_boto[name]


@pytest.mark.parametrize("form", ["Sun, 29 Nov 2026 19:58:32 GMT", "2026-11-29T19:58:32Z"])
def test_the_times_that_boto_knows(form: str) -> None:
    with answering(lambda _: Answer(200, TEXT, {"Last-Modified": form})) as served:
        found = asked(served.url, None, access_key="AK", secret_key="SK")
        by_boto, short = (found.get("a")[1]["LastModified"] for _ in range(2))
    assert found.by_boto == ["GetObject"]
    assert short == by_boto


def test_a_versioned_bucket_keeps_its_versions(server: s3.EmbeddedS3, client: Any) -> None:
    client.create_bucket(Bucket="versioned")
    client.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    short = asked(server.endpoint_url, server.credentials).connection.shortcut
    for number in range(3):
        short.put_object(Bucket="versioned", Key="a", Body=b"%d" % number)
        answer = short.get_object(Bucket="versioned", Key="a")
        assert answer["Body"].read() == b"%d" % number
    assert len(client.list_object_versions(Bucket="versioned")["Versions"]) == 3


@pytest.mark.parametrize(
    ("style", "by_proxy"), [("path", True), ("virtual", True), ("path", False)]
)  # a name below localhost is known to the proxy alone
def test_it_goes_where_boto_goes_with_all_that_boto_says(
    by_proxy: bool, style: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Certificates of one's own, a proxy and those that need none, how buckets are addressed, and a session token."""
    ca = authority(tmp_path)
    host = "local.localhost" if style == "virtual" else "localhost"
    (tmp_path / "config").write_text(f"[default]\nregion = eu-north-1\ns3 =\n  addressing_style = {style}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("BYOK8S_S3_PATIENCE_SECONDS", "0")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(ca.certificate))
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)

    def answer(request: Request) -> Answer:
        return Answer(
            200, b"" if request.body else TEXT, {"ETag": '"1"', "x-amz-server-side-encryption": "aws:kms"}
        )

    with (
        answering(answer, server_side(keys(ca, tmp_path, host))) as served,
        proxy({host: "127.0.0.1"}) as way,
    ):
        monkeypatch.setenv("HTTPS_PROXY", way.url)
        if not by_proxy:
            monkeypatch.setenv("NO_PROXY", "localhost")
        url = served.url.replace("127.0.0.1", "localhost")
        found = asked(url, None, access_key="AK", secret_key="SK", token="TOKEN", region=None)
        for _ in range(2):
            found.put("a key", TEXT, ContentMD5=sum_of(TEXT), Metadata={"byok8s-etag": "sum"})
        for _ in range(2):
            came, told = found.get("a key", IfMatch='"1"')
            assert (came, told["ServerSideEncryption"]) == (TEXT, "aws:kms")
        assert found.by_boto == ["PutObject", "GetObject"]
        assert [request.path.split(":")[0] for request in way.requests] == ([host] if by_proxy else [])
        for by_boto, short in (served.requests[:2], served.requests[2:]):
            assert (by_boto.method, by_boto.path, by_boto.body) == (short.method, short.path, short.body)
            assert lasting(by_boto) == lasting(short)
            assert short.headers["X-Amz-Security-Token"] == "TOKEN"
            assert short.headers["Host"].startswith(f"{host}:")
            assert "/eu-north-1/s3/aws4_request" in short.headers["Authorization"]


def lasting(request: Request) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items() if name.lower() not in PASSING}


def test_new_credentials_of_a_file_are_used_with_their_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))

    def write(version: int) -> None:
        lines = [
            f"aws_access_key_id = AK{version}",
            "aws_secret_access_key = SK",
            f"aws_session_token = T{version}",
        ]
        (tmp_path / "new").write_text("\n".join(["[default]", *lines]))
        (tmp_path / "new").replace(file)

    write(1)
    with answering(lambda _: Answer(200, b"")) as served:
        found = asked(served.url, None)
        found.put("a", b"")
        write(2)
        found.put("a", b"")
    assert found.by_boto == ["PutObject"]
    assert [request.headers["X-Amz-Security-Token"] for request in served.requests] == ["T1", "T2"]
    assert [
        f"Credential=AK{n + 1}/" in each.headers["Authorization"] for n, each in enumerate(served.requests)
    ]


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_what_is_not_answered_well_goes_on_by_boto_as_its_own_first_attempt(
    method: str, begun: Asked, counter: Counter
) -> None:
    def ask() -> None:
        if method == "GET":
            assert begun.get("shortcut/first")[0] == b"first"
        else:
            begun.put("shortcut/first", b"first")

    counter.faults = [(503, "SlowDown")]
    ask()
    assert (len(counter.requests), len(begun.by_boto)) == (2, 1)
    ask()  # by what was just learned
    assert (len(counter.requests), len(begun.by_boto)) == (3, 1)
    counter.faults = [(400, "ExpiredToken")]
    with (
        pytest.raises(StorageError, match=r"ExpiredToken.*get new ones and start again"),
        begun.connection.explained("download", "s3://local/shortcut/first"),
    ):
        ask()
    assert (len(counter.requests), len(begun.by_boto)) == (4, 2)


def test_what_is_forbidden_is_asked_for_by_boto_too(begun: Asked, counter: Counter) -> None:
    """Its signature may be why."""
    counter.faults = [(403, "SignatureDoesNotMatch")]
    assert begun.get("shortcut/first")[0] == b"first"
    assert (len(counter.requests), begun.by_boto) == (2, ["GetObject"])
    counter.faults = [(403, "AccessDenied")] * 2
    with pytest.raises(ClientError, match="AccessDenied"):
        begun.put("shortcut/first", b"first")
    assert counter.requests[2:] == ["PUT /local/shortcut/first"] * 2


def test_the_words_of_what_is_forbidden_may_be_cut_off() -> None:
    """They are boto's to tell, of its own request."""
    refused = Answer(403, b"ff\r\n<Error>", {"Transfer-Encoding": "chunked"}, close=True)
    answers = [Answer(200, TEXT), refused, Answer(200, TEXT)]
    with answering(lambda _: answers.pop(0)) as served:
        found = asked(served.url, None, access_key="AK", secret_key="SK")
        assert [found.get("a")[0] for _ in range(2)] == [TEXT, TEXT]
    assert found.by_boto == ["GetObject"] * 2


def test_what_is_not_there_or_another_is_asked_for_once(begun: Asked, counter: Counter) -> None:
    with pytest.raises(begun.connection.client.exceptions.NoSuchKey):
        begun.get("shortcut/none")
    assert counter.requests == ["GET /local/shortcut/none"]
    assert begun.get("shortcut/first")[0] == b"first"
    counter.requests.clear()
    with pytest.raises(ClientError, match="PreconditionFailed"):
        begun.get("shortcut/first", IfMatch='"another"')
    assert counter.requests == ["GET /local/shortcut/first"]


def test_what_is_asked_besides_is_left_to_boto(begun: Asked) -> None:
    assert begun.get("shortcut/first", ResponseCacheControl="no-store")[0] == b"first"
    begun.put("shortcut/kind", b"x", ContentType="text/csv")
    assert begun.get("shortcut/kind")[1]["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "text/csv"
    assert begun.by_boto[:2] == ["GetObject", "PutObject"]


def test_a_part_of_an_object(begun: Asked, counter: Counter) -> None:
    assert begun.get("shortcut/first", Range="bytes=1-2")[0] == b"ir"
    assert begun.by_boto == []
    assert counter.pieces[-1] == ("GET /local/shortcut/first", "bytes=1-2")


def test_of_many_that_are_the_first_one_goes_by_boto(server: s3.EmbeddedS3, counter: Counter) -> None:
    """The others wait until it is about to be sent, not until it is answered: all are on their way at once."""
    found = asked(counter.url, server.credentials)
    together = threading.Barrier(8, timeout=30)

    def meet(_: str, body: bytes) -> bytes:
        together.wait()
        return body

    counter.change = meet
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: found.put(f"shortcut/at once/{number}", b"x"), range(8)))
    assert found.by_boto == ["PutObject"]


def test_a_first_that_boto_does_not_send_keeps_no_other_waiting(begun: Asked, counter: Counter) -> None:
    for _ in range(2):
        with pytest.raises(ParamValidationError):
            begun.connection.shortcut.get_object(Bucket="local/wrong", Key="")
    assert counter.requests == []


def test_a_byte_that_is_changed_on_the_way_up_is_refused(begun: Asked, counter: Counter) -> None:
    counter.change = lambda _, body: b"X" + body[1:]
    with pytest.raises(ClientError, match="BadDigest"):
        begun.put("shortcut/changed", TEXT, ContentMD5=sum_of(TEXT))
    assert counter.requests == ["PUT /local/shortcut/changed"]


@pytest.mark.parametrize("size", [0, 5, 3_000_000])
def test_what_is_not_as_large_as_it_was_listed_is_refused(size: int, tmp_path: Path) -> None:
    told = Incoming("a", "a", tmp_path / "here/a", 1000, hashlib.md5(b"a").hexdigest(), 1.0)
    with answering(lambda _: Answer(200, bytes(size))) as served:
        found = asked(served.url, None, access_key="AK", secret_key="SK")
        with pytest.raises(NotWhole, match="a does not come as it is in the bucket"):
            Receiving(found.connection, "local", lambda _: None).receive([told])
    assert [*(tmp_path / "here").iterdir()] == []


def test_a_connection_that_breaks_is_made_again() -> None:
    answers = [Answer(200, TEXT), Answer(cut=True), Answer(200, TEXT)]
    with answering(lambda _: answers.pop(0)) as served:
        found = asked(served.url, None, access_key="AK", secret_key="SK")
        assert [found.get("a")[0] for _ in range(2)] == [TEXT, TEXT]
    assert len(served.requests) == 3


def test_an_error_that_is_told_with_success_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """So S3 answers some requests that take it long."""
    monkeypatch.setenv("BYOK8S_S3_PATIENCE_SECONDS", "0")
    error = b"<Error><Code>InternalError</Code><Message>By the test.</Message></Error>"
    answers = [Answer(200, b""), Answer(200, error), Answer(200, b"")]
    with answering(lambda _: answers.pop(0)) as served:
        found = asked(served.url, None, access_key="AK", secret_key="SK")
        for _ in range(2):
            found.put("a", TEXT)
    assert (len(served.requests), found.by_boto) == (3, ["PutObject"] * 2)


@pytest.mark.parametrize(
    "says",
    [
        {"signature_version": "s3"},
        {
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_supported",
            "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_supported",
        },
    ],
    ids=["signatures of version 2", "checksums"],
)
def test_what_it_does_not_know_is_always_done_by_boto(
    says: dict[str, str], server: s3.EmbeddedS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in says.keys() - {"signature_version"}:
        monkeypatch.setenv(name, says[name])
    of_client = {name: value for name, value in says.items() if name == "signature_version"}
    found = asked(server.endpoint_url, server.credentials, **of_client)
    for _ in range(2):
        found.put("shortcut/known", TEXT)
        assert found.get("shortcut/known")[0] == TEXT
    assert found.by_boto == ["PutObject", "GetObject"] * 2


def test_an_outage_is_over_when_it_is_answered(
    server: s3.EmbeddedS3, counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BYOK8S_S3_PATIENCE_SECONDS", "2")
    found = asked(counter.url, server.credentials)
    found.begin()
    told: list[str] = []
    found.connection.on_outage(told.append)
    counter.faults = [(503, "SlowDown")] * 20
    with pytest.raises(ClientError):
        found.connection.client.head_bucket(Bucket="local")
    counter.faults.clear()
    assert len(told) == 1
    found.get("shortcut/first")
    assert told[1:] == [""]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    found = [tmp_path / f"file{number}" for number in range(3)]
    for file in found:
        file.write_text(f"content of {file.name}\n")
    return found


class Changed:
    """The first byte of each file is another on its way, once."""

    def __init__(self) -> None:
        self._seen = set[str]()

    def __call__(self, request: str, body: bytes) -> bytes:
        if not body or request in self._seen:
            return body
        self._seen.add(request)
        return b"X" + body[1:]


@pytest.mark.parametrize("changed", [False, True])
def test_files_that_are_put_and_got_take_it(
    changed: bool, begun: Asked, counter: Counter, files: list[Path], tmp_path: Path
) -> None:
    tags = dict[str, str]()
    outgoing = [Outgoing.of(file, f"shortcut/{changed}/{file.name}") for file in files]
    if changed:
        counter.change = Changed()
    Sending(begun.connection, "local", lambda _: None).send(
        outgoing, lambda file, facts: tags.update({file.key: facts.etag})
    )
    incoming = [
        Incoming(file.key, file.key, tmp_path / "back" / file.path.name, file.size, tags[file.key], 0.0)
        for file in outgoing
    ]
    if changed:
        counter.change_answer = Changed()
    Receiving(begun.connection, "local", lambda _: None).receive(incoming)
    assert [file.path.read_bytes() for file in incoming] == [file.read_bytes() for file in files]
    assert len(counter.of("PUT")) == len(counter.of("GET")) == len(files) * (2 if changed else 1)
    # what S3 refuses is boto's to judge, if boto had put it; of what came otherwise the sum is asked for, and it is
    # got again
    refused = set() if begun.connection.shortcut.has_many() else {"PutObject"}
    assert set(begun.by_boto) == (refused | {"HeadObject"} if changed else set())


def test_the_files_of_jobs_take_it(begun: Asked, counter: Counter, files: list[Path], tmp_path: Path) -> None:
    files[0].chmod(0o755)
    transfer = Transfer(begun.connection)
    stored = [File(str(file), "local", f"shortcut/job/{file.name}") for file in files]
    transfer.store(stored)
    back = [File(str(tmp_path / "back" / file.name), "local", f"shortcut/job/{file.name}") for file in files]
    transfer.fetch(back)
    for file, came in zip(files, map(Path, (each.path for each in back)), strict=True):
        assert came.read_bytes() == file.read_bytes()
        assert came.stat().st_mode == file.stat().st_mode
    assert begun.by_boto == []
    assert len(counter.requests) == 2 * len(files)


class _OtherBotocore:
    """A client whose connections are not to be had."""

    def __init__(self, client: Any) -> None:
        self.meta, self.get_object, self.put_object = client.meta, client.get_object, client.put_object


def test_with_another_botocore_all_is_done_by_that(server: s3.EmbeddedS3) -> None:
    found = asked(server.endpoint_url, server.credentials)
    client = _OtherBotocore(found.connection.client)
    found.connection.shortcut = Shortcut(client, lambda: None, lambda: None)
    for _ in range(2):
        found.put("shortcut/other", TEXT)
        assert found.get("shortcut/other")[0] == TEXT
    assert found.by_boto == ["PutObject", "GetObject"] * 2
