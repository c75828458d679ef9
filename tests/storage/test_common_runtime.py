"""With AWS's Common Runtime, files are moved as without it: the tests of that, in an environment that has it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from own_environment import AWSCRT, environment

STORAGE = Path(__file__).parent
FILES = ["with_awscrt/common_runtime.py", "test_shortcut.py", "test_send.py"]


@pytest.mark.xdist_group("common runtime")  # one makes its environment for the others
@pytest.mark.timeout(900)  # of each test in them there is another
@pytest.mark.parametrize("file", FILES)
def test_the_same_holds(file: str) -> None:
    python = environment([AWSCRT], with_ours=True)
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    own["PATH"] = f"{Path(sys.executable).parent}:{own['PATH']}"  # where the S3 server is
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", str(STORAGE / file)]
    done = subprocess.run(
        command, cwd=STORAGE.parents[1], env=own, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-10000:]
