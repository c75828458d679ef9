"""The watch goes on, and tells every change, whatever becomes of the connection."""

import itertools
import queue
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from byok8s.kube import Context, KubeClient, Watch
from byok8s.kube import watch as watch_module
from byok8s.kube.objects import text
from fault_server import Script, Step, event, pod, serve, status

KUBECONFIG = """
clusters: [{{name: c, cluster: {{server: "{server}"}}}}]
contexts: [{{name: x, context: {{cluster: c, user: u}}}}]
users: [{{name: u, user: {{token: t}}}}]
current-context: x
"""


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], KubeClient]:
    def to(server: str) -> KubeClient:
        (tmp_path / "config").write_text(KUBECONFIG.format(server=server))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
        return KubeClient(Context())

    return to


class Told:
    """What a watch has told, in order."""

    def __init__(self) -> None:
        self.news: queue.Queue[str] = queue.Queue()
        self.causes: list[str] = []

    def _lost(self, cause: str) -> None:
        self.causes.append(cause)
        self.news.put("lost")

    def expect(self, *words: str) -> None:
        for word in words:
            assert self.news.get(timeout=20) == word

    @contextmanager
    def watching(self, client: KubeClient, outage_seconds: float = 60.0) -> Iterator[None]:
        watch = Watch(
            client,
            "/api/v1/namespaces/default/pods",
            "a=b",
            on_change=lambda obj: self.news.put(
                f"{text(obj, 'metadata', 'name')} {text(obj, 'metadata', 'resourceVersion')}"
            ),
            on_delete=lambda name: self.news.put(f"{name} deleted"),
            on_lost=self._lost,
            on_found=lambda: self.news.put("found"),
            on_crash=lambda error: self.news.put(f"crashed: {error}"),
            outage_seconds=outage_seconds,
        )
        watch.start()
        try:
            yield
        finally:
            watch.stop()


A = ((1, ("a",)),)
NEXT = Step(lines=(event("MODIFIED", pod("a", 3)),), hold=True)
AFTER_2 = Step(lines=(event("MODIFIED", pod("a", 2)),))


@pytest.mark.parametrize(
    ("script", "told", "watched_from"),
    [
        pytest.param(
            Script(A, [AFTER_2, NEXT]), ("a 1", "a 2", "a 3"), ["1", "2"], id="closed by the server"
        ),
        pytest.param(
            Script(A, [Step(lines=AFTER_2.lines, reset=True), NEXT]),
            ("a 1", "a 2", "a 3"),
            ["1", "2"],
            id="reset in mid-event",
        ),
        pytest.param(
            Script(A, [Step(lines=AFTER_2.lines, cut=True), NEXT]),
            ("a 1", "a 2", "a 3"),
            ["1", "2"],
            id="cut in mid-event",
        ),
        pytest.param(
            Script(A, [AFTER_2, Step(code=401), Step(code=401), NEXT]),
            ("a 1", "a 2", "lost", "found", "a 3"),
            ["1", "2", "2", "2"],
            id="a login that has run out",
        ),
        pytest.param(
            Script(A, [AFTER_2, Step(code=503), Step(code=429), NEXT]),
            ("a 1", "a 2", "lost", "found", "a 3"),
            ["1", "2", "2", "2"],
            id="503 and 429",
        ),
        pytest.param(
            Script(A, [Step(lines=(event("ERROR", status(500, "etcd")),)), NEXT]),
            ("a 1", "a 3"),
            ["1", "1"],
            id="error event",
        ),
        pytest.param(
            Script(A, [Step(lines=(event("BOOKMARK", {"metadata": {"resourceVersion": "9"}}),)), NEXT]),
            ("a 1", "a 3"),
            ["1", "9"],
            id="bookmark",
        ),
        pytest.param(
            Script(
                [(1, ("a", "b")), (7, ("a",))], [Step(lines=(event("ERROR", status(410, "Expired")),)), NEXT]
            ),
            ("a 1", "b 1", "b deleted", "a 7", "a 3"),
            ["1", "7"],
            id="410 as an event",
        ),
        pytest.param(
            Script([(1, ("a", "b")), (7, ("a",))], [Step(code=410), NEXT]),
            ("a 1", "b 1", "b deleted", "a 7", "a 3"),
            ["1", "7"],
            id="410 as an answer",
        ),
        pytest.param(
            Script(A, [Step(lines=(event("DELETED", pod("a", 4)), event("ADDED", pod("c", 5))), hold=True)]),
            ("a 1", "a deleted", "c 5"),
            ["1"],
            id="deleted and added",
        ),
    ],
)
def test_every_change_is_told_once(
    script: Script, told: tuple[str, ...], watched_from: list[str], client: Callable[[str], KubeClient]
) -> None:
    news = Told()
    with serve(script) as address, news.watching(client(address)):
        news.expect(*told)
        assert script.watched_from == watched_from


def test_a_server_that_is_away_is_waited_for(client: Callable[[str], KubeClient]) -> None:
    news = Told()
    with ExitStack() as watching:
        with serve(Script(A, [AFTER_2])) as address:
            watching.enter_context(news.watching(client(address)))
            news.expect("a 1", "a 2")
        news.expect("lost")
        assert news.causes == ["Connection refused"]
        with serve(Script(A, [NEXT]), port=int(address.rpartition(":")[2])):
            news.expect("found", "a 3")


@pytest.mark.parametrize(
    "line",
    [
        b"{broken",
        b"\xff\xfe",
        b"[1, 2]",
        b'"words of a proxy"',
        b'{"type": "ADDED"}',
        b'{"type": "ADDED", "object": "a"}',
        b'{"type": 7, "object": {}}',
        b'{"type": "RENAMED", "object": {"metadata": {"name": "a"}}}',
        b'{"kind": "Status", "code": 500, "message": "a Status that is no event"}',
    ],
)
def test_a_line_that_is_no_event_is_a_broken_stream(line: bytes, client: Callable[[str], KubeClient]) -> None:
    """What it stood for is not known, so all is listed again."""
    news, script = Told(), Script([(1, ("a", "b")), (7, ("a",))], [Step(lines=(line + b"\n",)), NEXT])
    with serve(script) as address, news.watching(client(address)):
        news.expect("a 1", "b 1", "b deleted", "a 7", "a 3")
        assert script.watched_from == ["1", "7"]


def test_a_fault_of_ours_is_not_silent(
    client: Callable[[str], KubeClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    news = Told()
    monkeypatch.setattr(Watch, "_handle", lambda *_: 1 / 0)
    with serve(Script(A, [NEXT])) as address, news.watching(client(address)):
        news.expect("a 1")
        assert news.news.get(timeout=20).startswith("crashed")


def test_stopping_does_not_wait_for_the_server(client: Callable[[str], KubeClient]) -> None:
    news = Told()
    with serve(Script(A, [Step(hold=True)])) as address:
        with news.watching(client(address)):
            news.expect("a 1")
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("watch")]


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (503, "Scripted by the script"),
        (403, "Scripted by the script"),
        (401, "your credentials are no longer accepted. Log in to the cluster again: .*"),
    ],
)
def test_what_it_says_of_an_outage_and_when_it_is_given_up(
    code: int, cause: str, client: Callable[[str], KubeClient]
) -> None:
    news = Told()
    away = [Step(code=code)] * 9
    with serve(Script(A, [AFTER_2, *away])) as address, news.watching(client(address), outage_seconds=0.5):
        news.expect("a 1", "a 2", "lost")
        crash = news.news.get(timeout=20)
    assert re.fullmatch(cause, news.causes[0])
    assert re.fullmatch(
        rf"crashed: The Kubernetes API did not come back within 0 s\. Last heard of it: {cause}\. Once .*",
        crash,
    )


def test_a_silent_connection_is_dead(
    client: Callable[[str], KubeClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "SILENCE_SECONDS", 0.5)
    news, script = Told(), Script(A, [Step(hold=True), NEXT])
    with serve(script) as address, news.watching(client(address)):
        news.expect("a 1", "a 3")
        assert script.watched_from[:2] == ["1", "1"]


@pytest.mark.parametrize(("long_enough", "begun_again"), [(0.0, True), (3600.0, False)])
def test_a_watch_that_ends_as_soon_as_it_is_opened_is_not_opened_ever_faster(
    long_enough: float,
    begun_again: bool,
    client: Callable[[str], KubeClient],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun = []

    def quickly() -> Iterator[float]:
        begun.append(True)
        return itertools.repeat(0.01)

    monkeypatch.setattr(watch_module, "pauses", quickly)
    monkeypatch.setattr(watch_module, "LONGEST_PAUSE_SECONDS", long_enough)
    news = Told()
    with serve(Script(A, [Step()] * 5 + [NEXT])) as address, news.watching(client(address)):
        news.expect("a 1", "a 3")
    assert (len(begun) > 1) == begun_again
