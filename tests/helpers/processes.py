"""The processes that work in a folder, and where they listen."""

from __future__ import annotations

import subprocess
from pathlib import Path


def processes_in(folder: Path) -> list[int]:
    """Those whose working folder it is."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if entry.readlink() == folder.resolve():
                found.append(int(entry.parent.name))
        except OSError:  # ended meanwhile, or another user's
            continue
    return found


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def listening(pids: list[int]) -> list[str]:
    """Their TCP addresses, with ports."""
    lines = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line.split()[3] for line in lines if any(f"pid={pid}," in line for pid in pids)]
