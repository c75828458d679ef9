"""The documentation's site, built as `make docs` does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TREE = Path(__file__).parents[2]


def build(into: Path, tree: Path = TREE) -> subprocess.CompletedProcess[str]:
    """tree: a folder with what the site is made of, mkdocs.yml, docs/ and scripts/."""
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(into)],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )
