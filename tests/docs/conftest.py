"""The site, built once."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs_site import build


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("site")
    done = build(into)
    assert done.returncode == 0, done.stderr
    return into
