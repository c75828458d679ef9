"""The protocol between controller and worker, against whatever a stream may bring."""

import json
import random

import pytest

from byok8s.worker import protocol
from byok8s.worker.description import Left
from byok8s.worker.protocol import Lines, Message, Result

MESSAGES: list[Message] = [
    {"is": "hello", "version": 1, "jobs": {"1": None}},
    {"is": "log", "job": "1", "text": "ü\n\x00 and \u2028 lines"},
    {**protocol.done("1", Result(3, "exit code 3", "last\nlines", "exit-code")), "stored": [], "left": []},
    {"is": "pong"},
]


def test_messages_arrive_as_they_were_sent_in_whatever_pieces() -> None:
    whole = b"".join(map(protocol.line, MESSAGES))
    for seed in range(50):
        cuts = sorted(random.Random(seed).sample(range(1, len(whole)), 20))
        lines = Lines()
        pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
        assert [message for piece in pieces for message in lines.feed(piece)] == MESSAGES


def test_a_half_line_is_waited_for() -> None:
    lines = Lines()
    assert lines.feed(b'{"is": "po') == []
    assert lines.feed(b'ng"}\n{"is"') == [{"is": "pong"}]


@pytest.mark.parametrize(
    "garbage", [b"\n", b"not json\n", b"[1, 2]\n", b"3\n", b"\xff\xfe\x00\n", b"{broken\n", b"null\n"]
)
def test_garbage_is_passed_over(garbage: bytes) -> None:
    assert Lines().feed(garbage + protocol.line({"is": "pong"})) == [{"is": "pong"}]


def test_a_huge_line_is_passed_over_and_not_kept() -> None:
    lines = Lines()
    for _ in range(20):
        assert lines.feed(b"x" * 1_000_000) == []
    assert len(lines._pending) <= protocol.LONGEST_LINE_BYTES + 1
    assert lines.feed(b"\n" + protocol.line({"is": "pong"})) == [{"is": "pong"}]


def test_output_that_is_no_text_survives() -> None:
    text = b"caf\xe9".decode(errors="replace")
    (message,) = Lines().feed(protocol.line({"is": "log", "text": text}))
    assert message["text"] == text


@pytest.mark.parametrize("message", [None, "x", {}, {"code": "3"}, {"code": None}, ["code"]])
def test_what_is_no_result(message: object) -> None:
    assert protocol.result(message) is None


def test_a_result() -> None:
    found = Result(3, "why", "last", "exit-code", left=(Left("a", ("x", "y"), 3),))
    assert protocol.result(json.loads(protocol.line(protocol.done("1", found)))) == found
    assert protocol.result({"code": 0, "of a later version": 1}) == Result(0)
    assert protocol.result({"code": 3, "why": "of an earlier one"}) == Result(3, "of an earlier one")
