"""The watch goes on, and tells every change, whatever becomes of the connection."""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from byok8s.kube import Context, KubeClient, Watch
from byok8s.kube.json import text
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

    def expect(self, *words: str) -> None:
        for word in words:
            assert self.news.get(timeout=20) == word

    @contextmanager
    def watching(self, client: KubeClient) -> Iterator[None]:
        watch = Watch(
            client,
            "/api/v1/namespaces/default/pods",
            "a=b",
            on_change=lambda obj: self.news.put(
                f"{text(obj, 'metadata', 'name')} {text(obj, 'metadata', 'resourceVersion')}"
            ),
            on_delete=lambda name: self.news.put(f"{name} deleted"),
            on_lost=lambda words: self.news.put("lost" if words else "lost without a word"),
            on_found=lambda: self.news.put("found"),
            on_crash=lambda error: self.news.put(f"crashed: {error}"),
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
        with serve(Script(A, [NEXT]), port=int(address.rpartition(":")[2])):
            news.expect("found", "a 3")


def test_a_fault_of_ours_is_not_silent(client: Callable[[str], KubeClient]) -> None:
    news = Told()
    garbage = Step(lines=(b"{broken\n",))
    with serve(Script(A, [garbage])) as address, news.watching(client(address)):
        news.expect("a 1")
        assert news.news.get(timeout=20).startswith("crashed")


def test_stopping_does_not_wait_for_the_server(client: Callable[[str], KubeClient]) -> None:
    news = Told()
    with serve(Script(A, [Step(hold=True)])) as address:
        with news.watching(client(address)):
            news.expect("a 1")
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("watch")]
