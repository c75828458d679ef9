"""What the tests on a real cluster share: a namespace and a prefix for each, and a way to run byok8s.

The cluster is the one of BYOK8S_TEST_KUBECONFIG (`make test` sets it to the rig's), the bucket that of
BYOK8S_S3_BUCKET with the keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.place import Place, the_cluster
from sandbox import KUBECONFIG, Sandbox, sandbox

SEED = Path(__file__).parents[2] / "examples" / "seed"

# what a shell has started in the background ignores Ctrl-C, and so would everything that the tests start
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if KUBECONFIG:
        return
    why = "no cluster: BYOK8S_TEST_KUBECONFIG is not set (`make test` sets it, as root on Debian 12)"
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    monkeypatch.setenv("KUBECONFIG", KUBECONFIG)
    with sandbox(tmp_path / "workflow") as here:
        yield here


@pytest.fixture
def seed(cluster: Sandbox) -> Sandbox:
    """A cluster whose working folder is the seed example."""
    shutil.copytree(SEED, cluster.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))
    return cluster


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with the_cluster() as place:
        yield place
