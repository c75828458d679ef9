"""The command line as a run's record has it."""

from __future__ import annotations

import pytest

from byok8s.run.asked import command


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("/opt/bin/byok8s workflow-alpha params-blue", "byok8s workflow-alpha params-blue"),
        ("/x/byok8s/__main__.py -s Snakefile", "byok8s -s Snakefile"),
        ("bananas one two --s3-bucket=b/c", "bananas one two --s3-bucket=b/c"),
        (
            "byok8s a -- --config token=abc n=1 --retries 2",
            "byok8s a -- --config 'token=***' 'n=***' --retries 2",
        ),
        ("byok8s a -- -C token=abc", "byok8s a -- -C 'token=***'"),
        ("byok8s a -- -Ctoken=abc", "byok8s a -- '-C***'"),
        ("byok8s a -- --conf token=abc", "byok8s a -- --conf 'token=***'"),
        ("byok8s a -- --configfile c.yaml", "byok8s a -- --configfile c.yaml"),
        ("byok8s a -- --storage-s3-secret-key abc", "byok8s a -- --storage-s3-secret-key '***'"),
        ("byok8s a -- --storage-s3-token=abc", "byok8s a -- '--storage-s3-token=***'"),
        ("byok8s --no-credentials a b", "byok8s --no-credentials a b"),
    ],
)
def test_a_command_line_without_what_may_be_secret(arguments: str, said: str) -> None:
    assert command(arguments.split()) == said


def test_words_are_quoted_for_a_shell() -> None:
    assert command(["byok8s", "my workflow", "it's"]) == """byok8s 'my workflow' 'it'"'"'s'"""
