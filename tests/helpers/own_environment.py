"""Environments for what a few tests need of others' programs, and all others should not have installed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Final

CACHE = Path(
    os.environ.get("BYOK8S_RIG_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "byok8s-rig"
)


AWSCRT: Final = "awscrt==0.38.1"


def environment(packages: Sequence[str], *, with_ours: bool = False) -> Path:
    """Return the Python of an environment that has these packages, which is made once and kept.

    with_ours: whether it also has all that the tests' own environment has, byok8s among it.
    """
    names = [*packages, f"{sys.version_info.major}.{sys.version_info.minor}"]
    if with_ours:
        names.append(hashlib.sha256(sys.prefix.encode()).hexdigest()[:8])
    place = CACHE / "-".join(names).replace("=", "")
    python = place / "bin" / "python"
    if not (place / "whole").is_file():
        subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
        if with_ours:
            (libraries,) = place.glob("lib/python*/site-packages")
            ours = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
            (libraries / "ours.pth").write_text(ours)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        (place / "whole").touch()
    return python
