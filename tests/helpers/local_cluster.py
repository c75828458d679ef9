"""A user on a machine with stand-ins: their home, their own kubeconfig, and `byok8s cluster` as they type it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from fake_tools.machine import Machine
from processes import processes_in

# what the user has of another cluster, written as no tool would write it again
KUBECONFIG = """\
# my cluster; do not touch
current-context:   lab
apiVersion: v1
kind: Config
clusters: [{name: lab, cluster: {server: "https://192.0.2.1:6443"}}]
users: [{name: me, user: {token: secret}}]
contexts:
- {name: lab, context: {cluster: lab, user: me}}
"""
OURS = ("BYOK8S_", "AWS_", "KUBE", "XDG_", "STANDIN_")


class User:
    def __init__(self, folder: Path, machine: Machine) -> None:
        self.home, self.machine = folder / "home", machine
        self.kubeconfig = self.home / ".kube" / "config"
        self.kubeconfig.parent.mkdir(parents=True)
        self.kubeconfig.write_text(KUBECONFIG)
        self.cluster = self.home / ".local" / "state" / "byok8s" / "cluster"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        self.environment = {**kept, **machine.environment, "HOME": str(self.home)}

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "byok8s", "cluster", *arguments],
            env=self.environment | environment,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def types(self, *arguments: str, expect: int = 0, **environment: str) -> str:
        """What `byok8s cluster` with these arguments says, after a check of its exit code."""
        started = self.start(*arguments, **environment)
        said, _ = started.communicate(timeout=120)
        print(said)
        assert started.returncode == expect, said
        assert "Traceback" not in said
        return said

    def processes(self) -> list[int]:
        """What `up` has left running."""
        return processes_in(self.cluster / "s3")
