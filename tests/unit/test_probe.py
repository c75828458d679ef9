"""What the pod of byok8s doctor looks at, as far as this machine can show it."""

import json
import socket
from dataclasses import asdict

import pytest

from byok8s.worker import probe
from byok8s.worker.diagnosis import MB
from byok8s.worker.probe import OPERATIONS, Seen


def test_names_that_resolve_and_names_that_do_not() -> None:
    found = probe._look_up(["127.0.0.1", "localhost", "no-such-host.invalid"])
    assert found["addresses"]["127.0.0.1"] == "127.0.0.1"
    assert found["addresses"]["localhost"] in {"127.0.0.1", "::1"}
    assert list(found["unresolved"]) == ["no-such-host.invalid"]


def test_a_resolver_that_gets_no_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(host: str, port: None) -> object:
        if host == "silent":
            import time

            time.sleep(5)
        return [(0, 0, 0, "", ("192.0.2.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    monkeypatch.setattr(probe, "LOOK_UP_SECONDS", 0.2)
    found = probe._look_up(["silent", "other"])
    assert found["addresses"] == {"other": "192.0.2.1"}
    assert found["unresolved"] == {"silent": "no answer within 0 s"}


def test_a_route_is_there_where_somebody_listens() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        assert probe._route("127.0.0.1", port) == ""
    assert probe._route("127.0.0.1", port) == f"127.0.0.1:{port}: Connection refused"


@pytest.mark.parametrize(
    ("url", "environment", "target"),
    [
        ("http://minio:9000", {}, ("minio", 9000)),
        ("http://minio", {}, ("minio", 80)),
        ("https://s3.eu-west-1.amazonaws.com", {}, ("s3.eu-west-1.amazonaws.com", 443)),
        ("https://s3.amazonaws.com", {"https_proxy": "http://proxy:3128"}, ("proxy", 3128)),
        ("https://s3.amazonaws.com", {"https_proxy": "proxy:3128"}, ("proxy", 3128)),
        ("http://minio:9000", {"https_proxy": "http://proxy:3128"}, ("minio", 9000)),
        ("https://minio:9000", {"https_proxy": "http://proxy:3128", "no_proxy": "minio"}, ("minio", 9000)),
    ],
)
def test_requests_go_to_the_server_or_to_a_proxy(
    url: str, environment: dict[str, str], target: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert probe._target(url) == target


def test_the_longest_report_fits_a_termination_message() -> None:
    words = "x" * probe.SHOWN_CHARACTERS
    host = "h" * 253  # the longest name that there is
    worst = Seen(
        python=words[:20], snakemake=words[:20], machine="x86_64", user=1000, free_mb=10**9 // MB, host=host,
        addresses={host: words[:45]}, unresolved={host: words, probe.CLUSTER_NAME: words}, route=f"{host}:{words}",
        refused=dict.fromkeys(OPERATIONS, words), clock=1e9 / 3, s3_clock=1e9 / 3,
        claim=words,
    )  # fmt: skip
    assert len(json.dumps(asdict(worst))) < 4096


def test_words_for_what_is_raised() -> None:
    assert probe._words(ConnectionRefusedError(111, "Connection refused")) == "Connection refused"
    assert probe._words(ValueError("of some kind")) == "of some kind"
    assert probe._words(KeyError()) == "KeyError"
