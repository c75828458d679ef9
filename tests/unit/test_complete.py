"""What a shell completes, asked for as bash does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NEW, OLD = "20261129-000000-bbbb", "20261128-000000-aaaa"


def completed(folder: Path, *words: str) -> list[str]:
    """Return what bash would be offered for the last word."""
    environment = {
        **os.environ,
        "_BYOK8S_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(("byok8s", *words)),
        "COMP_CWORD": str(len(words)),
        "KUBECONFIG": str(folder / "kubeconfig"),
    }
    script = "from byok8s.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for run, rules in ((OLD, ["sort"]), (NEW, ["align", "trim"])):
        record = tmp_path / ".byok8s" / "runs" / run
        record.mkdir(parents=True)
        rows = [json.dumps({"event": "job.given", "rule": rule}) for rule in rules]
        (record / "events.jsonl").write_text("\n".join([*rows, '{"event": "job.given", "ru']))
    (tmp_path / "kubeconfig").write_text(
        "contexts: [{name: minikube, context: {}}, {name: prod, context: {}}]"
    )
    return tmp_path


@pytest.mark.parametrize("command", ["status", "report", "trace", "events", "cancel", "advise"])
def test_runs_the_newest_first(command: str, folder: Path) -> None:
    assert completed(folder, command, "2026") == [NEW, OLD]
    assert completed(folder, command, OLD[:9]) == [OLD]


def test_rules_of_the_newest_run_or_of_the_one_that_is_named(folder: Path) -> None:
    assert completed(folder, "logs", "") == [NEW, OLD, "align", "trim"]
    assert completed(folder, "logs", "al") == ["align"]
    assert completed(folder, "logs", OLD, "") == ["sort"]


def test_contexts(folder: Path) -> None:
    assert completed(folder, "doctor", "--context", "") == ["minikube", "prod"]
    (folder / "kubeconfig").write_text("- nonsense")
    assert completed(folder, "doctor", "--context", "") == []


def test_a_folder_without_runs(tmp_path: Path) -> None:
    assert completed(tmp_path, "logs", "") == completed(tmp_path, "status", "") == []
