"""A file for its owner only, there whole or not at all."""

from __future__ import annotations

from pathlib import Path


def write(path: Path, content: str) -> None:
    half = path.with_suffix(".new")
    half.unlink(missing_ok=True)
    half.touch(mode=0o600)
    half.write_text(content, encoding="utf-8")
    half.replace(path)
