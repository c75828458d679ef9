"""Requests, watches and streams over connections that are refused, cut, stale, led astray, proxied or encrypted."""

import base64
import itertools
import json
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import Mock

import pytest
import yaml
from urllib3 import HTTPResponse

from answering import (
    OK,
    REFUSED,
    Answer,
    Keys,
    Request,
    answering,
    authority,
    keys,
    proxy,
    server_side,
    websocket,
)
from byok8s.errors import ClusterError
from byok8s.kube import ApiError, Context, ExecStream, KubeClient, Unreachable
from byok8s.kube import client as client_module
from byok8s.kube.client import LONGEST_RETRY_AFTER_SECONDS, pause_after
from byok8s.kube.transport import Stream

Connect = Callable[..., KubeClient]


@pytest.fixture
def connect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """A client of a server; cluster: more fields of the kubeconfig's. user: in place of one with the token t."""

    def to(server: str, cluster: dict[str, object] | None = None, user: object = None) -> KubeClient:
        config = {
            "clusters": [{"name": "c", "cluster": {"server": server, **(cluster or {})}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": user or {"token": "t"}}],
            "current-context": "x",
        }
        (tmp_path / "config").write_text(yaml.safe_dump(config))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
        return KubeClient(Context())

    return to


TAKEN = Answer(409, {"reason": "AlreadyExists", "message": 'pods "p" already exists'})
BUSY = Answer(
    409,
    {
        "reason": "Conflict",
        "message": 'Operation cannot be fulfilled on resourcequotas "busy": the object has been modified; '
        "please apply your changes to the latest version and try again",
    },
)


def one_after_another(*answers: Answer) -> Callable[[Request], Answer]:
    """The last for all that follow."""
    rest = list(answers)
    return lambda _: rest.pop(0) if len(rest) > 1 else rest[0]


def stream(client: KubeClient) -> ExecStream:
    return ExecStream(client, "/api/v1/namespaces/n/pods/p", "c", ["true"])


# -- a server that is away or overloaded --


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_what_passes_is_tried_again(code: int, connect: Connect) -> None:
    with answering(one_after_another(Answer(code), Answer(cut=True), Answer(code), OK)) as server:
        assert connect(server.url).get("/version") == {}
    assert len(server.requests) == 4


@pytest.mark.parametrize("code", [400, 401, 403, 404, 409, 410, 422])
def test_what_does_not_pass_is_not(code: int, connect: Connect) -> None:
    with answering(lambda _: Answer(code)) as server, pytest.raises(ApiError) as raised:
        connect(server.url).get("/version")
    assert raised.value.code == code
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("asked", "pause", "waits"),
    [
        (0.0, 0.25, 0.25),
        (3.0, 0.25, 3.0),
        (3.0, 8.0, 8.0),
        (86400.0, 1.0, LONGEST_RETRY_AFTER_SECONDS),
    ],
)
def test_how_long_the_server_wants_to_be_left_alone(asked: float, pause: float, waits: float) -> None:
    assert pause_after(ApiError("GET /", 429, "", "", asked), pause) == waits


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("Sun, 22 Nov 2026 19:50:14 GMT", 0.0), ("-1", 0.0)]
)
def test_retry_after(header: str, seconds: float, connect: Connect) -> None:
    with answering(lambda _: Answer(429, {}, {"Retry-After": header})) as server:
        with pytest.raises(ApiError) as raised:
            connect(server.url).get("/version", patience=0)
        assert raised.value.retry_after == seconds


def test_a_pause_that_is_longer_than_the_patience_is_not_begun(connect: Connect) -> None:
    with answering(lambda _: Answer(503, {}, {"Retry-After": "30"})) as server, pytest.raises(ApiError):
        connect(server.url).get("/version", patience=20)
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", [429, 503])
def test_a_server_that_says_how_long_it_is_busy_is_waited_for(code: int, connect: Connect) -> None:
    """Also by who would soon give up on one that is not there. It is said once, until there is an answer."""
    busy = Answer(code, {}, {"Retry-After": "1"})
    with answering(one_after_another(busy, busy, busy, busy, OK)) as server:
        said: list[str] = []
        client = connect(server.url)
        client.tell = said.append
        assert client.get("/version", patience=3) == {}
    assert len(server.requests) == 5
    assert said == [
        f"The Kubernetes API is busy and asks to be asked again later ({code}); this is waited for."
    ]


def test_but_not_by_who_has_no_patience_at_all(connect: Connect) -> None:
    with answering(lambda _: Answer(429, {}, {"Retry-After": "1"})) as server, pytest.raises(ApiError):
        connect(server.url).get("/version", patience=0)
    assert len(server.requests) == 1


def test_patience_ends_where_there_is_nothing_to_wait_for(connect: Connect) -> None:
    ending, tried = threading.Event(), threading.Event()

    def answer(_: Request) -> Answer:
        tried.set()
        return Answer(503)

    with answering(answer) as server, ThreadPoolExecutor(1) as thread:
        posted = thread.submit(connect(server.url).post, "/pods", {}, patience=3600, unless=ending)
        assert tried.wait(timeout=20)
        ending.set()
        with pytest.raises(ApiError):
            posted.result(timeout=20)


def test_an_error_says_how_long_was_tried(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "pauses", lambda: itertools.repeat(0.5))
    with pytest.raises(Unreachable, match=r"Connection refused \(tried for \d s\)\. Is the cluster up"):
        connect("http://127.0.0.1:9").get("/version", patience=1.6)


def test_a_post_that_was_cut_off_is_sent_again_and_finds_that_it_was_heard(connect: Connect) -> None:
    with (
        answering(one_after_another(Answer(cut=True), TAKEN)) as server,
        pytest.raises(ApiError) as raised,
    ):
        connect(server.url).post("/pods", {"metadata": {"name": "p"}})
    assert raised.value.code == 409
    assert [request.body for request in server.requests] == [b'{"metadata": {"name": "p"}}'] * 2


@pytest.mark.parametrize("method", ["post", "patch"])
def test_two_that_change_one_object_at_once_are_told_to_try_again(method: str, connect: Connect) -> None:
    with answering(one_after_another(BUSY, BUSY, OK)) as server:
        assert getattr(connect(server.url), method)("/pods", {}) == {}
    assert len(server.requests) == 3


def test_a_conflict_that_lasts_is_said(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "CONFLICT_SECONDS", 1.5)
    with answering(lambda _: BUSY) as server, pytest.raises(ApiError, match="the object has been modified"):
        connect(server.url).post("/pods", {}, patience=3600)
    assert len(server.requests) > 1


def test_a_condition_that_is_not_met_is_no_passing_conflict(connect: Connect) -> None:
    with answering(lambda _: BUSY) as server, pytest.raises(ApiError):
        connect(server.url).delete("/pods/p", {"preconditions": {"uid": "u"}})
    assert len(server.requests) == 1


def test_a_list_that_grows_too_old_between_its_pages_begins_again(connect: Connect) -> None:
    def page(name: str, more: str = "") -> Answer:
        return Answer(
            200, {"metadata": {"continue": more, "resourceVersion": "9"}, "items": [{"name": name}]}
        )

    with answering(one_after_another(page("a", "m"), Answer(410), page("b", "m"), page("c"))) as server:
        assert connect(server.url).list("/pods", "a=b") == ([{"name": "b"}, {"name": "c"}], "9")


# -- connections --


def test_a_kept_connection_that_the_server_has_closed_is_no_failure(connect: Connect) -> None:
    with answering(lambda _: Answer(close=True)) as server:
        ours = connect(server.url)
        for _ in range(20):
            assert ours.get("/version") == {}


def test_where_one_kept_connection_is_broken_the_others_are_not_tried(connect: Connect) -> None:
    """As after a sleep, when all are; each would cost a wait for its answer."""
    together = threading.Barrier(6)
    used: set[int] = set()

    def answer(request: Request) -> Answer:
        if request.connection in used:
            return Answer(cut=True)
        used.add(request.connection)
        if request.path == "/together":
            together.wait(timeout=20)
        return OK

    with answering(answer) as server:
        ours = connect(server.url)
        threads = [threading.Thread(target=ours.get, args=("/together",)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ours.get("/alone")
    assert [request.path for request in server.requests][6:] == ["/alone"] * 2


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("kind", ["watch", "exec"])
def test_the_system_asks_after_silent_connections(kind: str, connect: Connect) -> None:
    with answering(lambda request: websocket(request) if kind == "exec" else Answer(hold=True)) as server:
        ours = connect(server.url)
        kept = stream(ours) if kind == "exec" else ours.stream("/watch", {}, 10)
        port = int(server.url.rpartition(":")[2])
        assert keep_alive_timers(port) == ["02"]
        kept.close()


def keep_alive_timers(port: int) -> list[str]:
    """https://docs.kernel.org/networking/proc_net_tcp.html: established, to that port; 02 is the timer's kind."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [row[5].partition(":")[0] for row in rows if row[2].endswith(f":{port:04X}") and row[3] == "01"]


# -- what is no API server --


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(200, b"<html>Log in!", {"Content-Type": "text/html"}), id="a login page"),
        pytest.param(Answer(302, {}, {"Location": "https://login.example"}), id="a redirect"),
    ],
)
def test_a_login_that_answers_instead_is_waited_for_to_go(answer: Answer, connect: Connect) -> None:
    with answering(one_after_another(answer, OK)) as server:
        assert connect(server.url).get("/version") == {}
    with answering(lambda _: answer) as server, pytest.raises(Unreachable, match="a proxy's login perhaps"):
        connect(server.url).get("/version", patience=0)


@pytest.mark.parametrize("content", [b"hello", [1]])
def test_what_is_no_object_is_no_answer(content: object, connect: Connect) -> None:
    with (
        answering(lambda _: Answer(200, content)) as server,
        pytest.raises(Unreachable, match="no Kubernetes API"),
    ):
        connect(server.url).get("/version")


def test_a_proxys_page_is_not_shown(connect: Connect) -> None:
    with answering(lambda _: Answer(502, b"<html>much")) as server, pytest.raises(ApiError) as raised:
        connect(server.url).get("/version", patience=0)
    assert "no: 502." in str(raised.value)
    assert "html" not in str(raised.value)


# -- streams --


def test_a_stream_that_is_refused_for_its_token_renews_it(
    ca: Keys, by_address: Keys, connect: Connect, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("old")

    def answer(request: Request) -> Answer:
        if request.token == "old":
            (tmp_path / "token").write_text("new\n")
            return REFUSED
        return websocket(request)

    trusted = {"certificate-authority": str(ca.certificate)}
    with answering(answer, server_side(by_address)) as server:
        stream(connect(server.url, trusted, {"tokenFile": "token"})).close()
    assert [request.token for request in server.requests] == ["old", "new"]


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        pytest.param(
            Answer(403, {"kind": "Status", "reason": "Forbidden", "message": "pods/exec is forbidden"}),
            ApiError,
            r"pods/exec is forbidden.*\(403 Forbidden\)",
            id="forbidden",
        ),
        pytest.param(REFUSED, ApiError, "Unauthorized.*Log in to the cluster again", id="refused"),
        pytest.param(Answer(404, b"gone"), ApiError, "gone", id="no such pod"),
        pytest.param(Answer(503, {}, {"Retry-After": "7"}), ApiError, "503", id="overloaded"),
        pytest.param(
            Answer(302, {}, {"Location": "https://login.example"}), Unreachable, "broke", id="led astray"
        ),
        pytest.param(Answer(200), ClusterError, "200", id="no stream"),
        pytest.param(Answer(cut=True), Unreachable, "broke", id="cut"),
    ],
)
def test_a_stream_that_is_not_to_be_had(
    answer: Answer, error: type[ClusterError], words: str, connect: Connect
) -> None:
    with answering(lambda _: answer) as server, pytest.raises(error, match=words) as raised:
        stream(connect(server.url))
    if isinstance(raised.value, ApiError):
        assert raised.value.retry_after == (7.0 if answer.code == 503 else 0.0)


def test_a_stream_is_closed_from_another_thread(connect: Connect) -> None:
    broken = threading.Event()

    def receive() -> None:
        try:
            ours.receive(3600)
        except Unreachable:
            broken.set()

    with answering(websocket) as server:
        ours = stream(connect(server.url))
        listener = threading.Thread(target=receive, daemon=True)
        listener.start()
        ours.close()
        assert broken.wait(timeout=20)


@pytest.mark.parametrize("error", [ValueError, RuntimeError, TypeError, OSError])
def test_closing_what_another_thread_is_closing_is_no_failure(error: type[Exception]) -> None:
    """Which of them urllib3 raises depends on how far the other thread is."""

    class Closing(HTTPResponse):
        def shutdown(self) -> None:
            raise error

    Stream(Closing(), pytest.fail).close()


# -- encryption and proxies --


@pytest.fixture(scope="module")
def by_name(ca: Keys, tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return keys(ca, tmp_path_factory.mktemp("by-name"), "k8s.example")


def data(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def answer_both(request: Request) -> Answer:
    return websocket(request) if "Upgrade" in request.headers else OK


def use_both(client: KubeClient) -> None:
    assert client.get("/version", patience=0) == {}
    stream(client).close()


@pytest.mark.parametrize("form", ["data", "file"])
def test_the_clusters_own_authority(form: str, ca: Keys, by_address: Keys, connect: Connect) -> None:
    named = (
        {"certificate-authority": str(ca.certificate)}
        if form == "file"
        else {"certificate-authority-data": data(ca.certificate)}
    )
    with answering(answer_both, server_side(by_address)) as server:
        use_both(connect(server.url, named))


def test_another_name_for_the_server(ca: Keys, by_name: Keys, connect: Connect) -> None:
    trusted = {"certificate-authority-data": data(ca.certificate)}
    with answering(answer_both, server_side(by_name)) as server:
        use_both(connect(server.url, {**trusted, "tls-server-name": "k8s.example"}))
        with _distrusted("IP address mismatch"):
            connect(server.url, trusted).get("/version", patience=0)
        with _distrusted("IP address mismatch"):
            stream(connect(server.url, trusted))


@pytest.mark.filterwarnings("error::urllib3.exceptions.InsecureRequestWarning")
def test_an_authority_that_is_not_known(by_address: Keys, connect: Connect) -> None:
    with answering(answer_both, server_side(by_address)) as server:
        with _distrusted("unable to get local issuer"):
            connect(server.url).get("/version", patience=0)
        with _distrusted("unable to get local issuer"):
            stream(connect(server.url))
        use_both(connect(server.url, {"insecure-skip-tls-verify": True}))


@pytest.mark.parametrize(
    "first", [stream, lambda client: client.get("/version", patience=0)], ids=["stream", "get"]
)
def test_an_authority_that_was_exchanged_is_read_again(
    first: Callable[[KubeClient], object], ca: Keys, by_address: Keys, connect: Connect, tmp_path: Path
) -> None:
    place = tmp_path / "rotated.crt"
    (tmp_path / "old").mkdir()
    shutil.copy(authority(tmp_path / "old").certificate, place)
    with answering(answer_both, server_side(by_address)) as server:
        client = connect(server.url, {"certificate-authority": str(place)})
        with _distrusted(""):
            first(client)
        shutil.copy(ca.certificate, place)
        use_both(client)


def test_all_connections_share_what_they_trust(
    ca: Keys, by_address: Keys, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Mock(side_effect=Context.ssl_context)
    monkeypatch.setattr(Context, "ssl_context", lambda *words: made(*words))
    with answering(answer_both, server_side(by_address)) as server:
        client = connect(server.url, {"certificate-authority-data": data(ca.certificate)})
        use_both(client)
        use_both(client)
    made.assert_called_once()


@contextmanager
def _distrusted(words: str) -> Iterator[None]:
    with pytest.raises(Unreachable, match=f"certificate is not trusted: .*{words}"):
        yield


def test_certificates_of_a_plugin_are_shown_and_renewed(
    ca: Keys, by_address: Keys, connect: Connect, tmp_path: Path
) -> None:
    """New ones need new connections, as
    https://kubernetes.io/docs/reference/access-authn-authz/authentication/#input-and-output-formats says."""
    for name in ("ada", "bob"):
        made = keys(ca, tmp_path, name)
        status = {
            "clientCertificateData": made.certificate.read_text(),
            "clientKeyData": made.key.read_text(),
        }
        (tmp_path / f"{name}.json").write_text(json.dumps({"status": status}))
    plugin = tmp_path / "plugin"
    plugin.write_text(f"#!/bin/sh\ncat {tmp_path}/now\n")
    plugin.chmod(0o755)
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin)}}
    (tmp_path / "now").write_text((tmp_path / "ada.json").read_text())

    def answer(request: Request) -> Answer:
        if (tmp_path / "expired").exists() and request.peer == "ada":
            return REFUSED
        return answer_both(request)

    with answering(answer, server_side(by_address, ca)) as server:
        ours = connect(server.url, {"certificate-authority-data": data(ca.certificate)}, user)
        use_both(ours)
        (tmp_path / "expired").touch()
        (tmp_path / "now").write_text((tmp_path / "bob.json").read_text())
        use_both(ours)
    assert [request.peer for request in server.requests] == ["ada", "ada", "ada", "bob", "bob"]


@pytest.mark.parametrize("password", ["", "ada:p%40ss@"])
def test_through_the_kubeconfigs_proxy(password: str, ca: Keys, by_address: Keys, connect: Connect) -> None:
    with answering(answer_both, server_side(by_address)) as server, proxy() as between:
        through = between.url.replace("http://", f"http://{password}")
        use_both(
            connect(server.url, {"proxy-url": through, "certificate-authority-data": data(ca.certificate)})
        )
        host = server.url.removeprefix("https://")
    assert [request.path for request in between.requests] == [host, host]
    expected = f"Basic {base64.b64encode(b'ada:p@ss').decode()}" if password else None
    assert {_header(request, "Proxy-Authorization") for request in between.requests} == {expected}


def _header(request: Request, name: str) -> str | None:
    return next((value for key, value in request.headers.items() if key.lower() == name.lower()), None)


def test_no_proxy_but_those_that_are_meant(
    ca: Keys, by_address: Keys, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library for streams takes proxies from the environment, the one for requests does not; we do, for both."""
    with answering(answer_both, server_side(by_address)) as server, proxy() as between, proxy() as named:
        trusted = {"certificate-authority-data": data(ca.certificate)}
        monkeypatch.setenv("HTTPS_PROXY", between.url)
        use_both(connect(server.url, trusted))  # straight: the server is on this machine
        monkeypatch.setenv("NO_PROXY", "*")
        use_both(connect(server.url, {**trusted, "proxy-url": named.url}))
    assert (len(between.requests), len(named.requests)) == (0, 2)


def test_through_the_environments_proxy(
    ca: Keys, by_name: Keys, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        proxy({"k8s.example": "127.0.0.1"}) as between,
        answering(answer_both, server_side(by_name)) as server,
    ):
        monkeypatch.setenv("HTTPS_PROXY", between.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        named = server.url.replace("127.0.0.1", "k8s.example")
        use_both(connect(named, {"certificate-authority-data": data(ca.certificate)}))
    assert len(between.requests) == 2
