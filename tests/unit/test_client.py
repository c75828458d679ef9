"""The API server's clock, by which leases are judged."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from byok8s.kube import Context, KubeClient, Unreachable

KUBECONFIG = """
clusters: [{{name: c, cluster: {{server: "{server}"}}}}]
contexts: [{{name: x, context: {{cluster: c, user: u}}}}]
users: [{{name: u, user: {{token: t}}}}]
current-context: x
"""


@contextmanager
def server(date: str | None) -> Iterator[str]:
    """Answers with this Date, or with none."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(200)
            if date:
                self.send_header("Date", date)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}"
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


def now(date: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> datetime:
    with server(date) as address:
        (tmp_path / "config").write_text(KUBECONFIG.format(server=address))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
        return KubeClient(Context()).now()


def test_the_servers_clock_and_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = now("Sun, 22 Nov 2026 19:50:14 GMT", tmp_path, monkeypatch)
    assert told == datetime(2026, 11, 22, 19, 50, 14, tzinfo=UTC)


@pytest.mark.parametrize("date", [None, "yesterday"])
def test_a_server_that_does_not_tell(
    date: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Unreachable, match="does not tell its time"):
        now(date, tmp_path, monkeypatch)
